// An operator's first day, in one browser: from the first start to signing out. The steps build on one
// another, so each is a test and the first that fails leaves the rest undone.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { ADMIN, BASE, PASSWORD, api, browser, chat, open, shot, signIn, stored, visit } from "./common.js";

let chrome;
let page;
let token;
const MODEL = "openai/gpt-oss-20b:free";
const keyRow = (label) => page.locator("tr[data-key]").filter({ hasText: label });
const addKey = async (key, label) => {
  await page.getByRole("button", { name: "Add a key", exact: true }).first().click();
  await page.locator("dialog input[name=key]").fill(key);
  await page.locator("dialog input[name=label]").fill(label);
  await page.locator("dialog footer .primary").click();
};

before(async () => {
  chrome = await browser();
  page = await open(chrome);
});
after(() => chrome.close());

test("a wrong password is refused in words", async () => {
  await page.goto(`${ADMIN}/`);
  await shot(page, "login.en.light.wide");
  await page.locator("input[name=password]").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByText("That is not the admin password.").waitFor();
});

test("the password of the first start opens the pages", async () => {
  await signIn(page);
  assert.equal(await page.locator("h1").textContent(), "Overview");
  await page.locator(".live[data-state=open]").waitFor();
});

test("an empty pool says what to do next", async () => {
  await page.getByRole("link", { name: "Add a key" }).click();
  await page.locator("dialog[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("Add your first key").waitFor();
});

test("what is no key is refused at its field", async () => {
  await addKey("hunter2", "");
  await page.locator("dialog .wrong, dialog .fault:not(:empty)").first().waitFor();
  await page.keyboard.press("Escape");
});

test("a good key is added", async () => {
  await addKey("sk-or-v1-sim-good-0001-acctpaidone", "good one");
  await keyRow("good one").getByText("active").waitFor();
});

test("a key twice is told from a new one", async () => {
  await addKey("sk-or-v1-sim-good-0001-acctpaidone", "again");
  await page.locator("dialog .wrong, dialog .fault:not(:empty)").first().waitFor();
  await page.keyboard.press("Escape");
});

test("many keys are pasted, and each line is answered", async () => {
  await page.getByRole("button", { name: "Paste many" }).click();
  await page.locator("dialog textarea").fill("# two more\nsk-or-v1-sim-revoked-0002,bad one\nsk-or-v1-sim-good-0003-acctpaidtwo,third,50\nnonsense");
  await page.locator("dialog footer .primary").click();
  await page.getByText("2 added, 0 known already, 1 failed.").waitFor();
  await page.locator("dialog footer .primary").click();
  await page.waitForFunction(() => document.querySelectorAll("tr[data-key]").length === 3);
});

test("a revoked key is seen to be dead, and the overview says so", async () => {
  await keyRow("bad one").getByRole("button", { name: /^Check now/ }).click();
  await keyRow("bad one").getByText("dead").waitFor();
  await page.locator(".notice.bad").first().waitFor();
  await visit(page, "overview");
  await page.locator(".banner").getByText(/key is dead/).waitFor();
});

test("label and limit are changed by keyboard alone", async () => {
  await visit(page, "keys");
  await keyRow("third").getByRole("button", { name: /^Edit/ }).focus();
  await page.keyboard.press("Enter");
  await page.locator("dialog input[name=label]").fill("third key");
  await page.locator("dialog input[name=daily_limit]").fill("77");
  await page.keyboard.press("Enter");
  await keyRow("third key").getByText("0 of 77").waitFor();
});

test("a limit that is none is refused at its field", async () => {
  await keyRow("third key").getByRole("button", { name: /^Edit/ }).click();
  await page.locator("dialog input[name=daily_limit]").fill("-5");
  await page.locator("dialog footer .primary").click();
  await page.locator("dialog .wrong").waitFor();
  await page.keyboard.press("Escape");
});

test("a key is disabled, and enabled again", async () => {
  const flip = keyRow("third key").getByRole("switch");
  await flip.click();
  await keyRow("third key").getByText("disabled").waitFor();
  await flip.click();
  await keyRow("third key").getByText("active").waitFor();
  await flip.click();
  await keyRow("third key").getByText("disabled").waitFor();
});

test("models are searched, sorted, disabled", async () => {
  await visit(page, "models");
  await page.getByPlaceholder("Search by id, name, owner").fill("gpt-oss");
  await page.locator("tbody tr").nth(1).waitFor();
  assert.ok((await page.locator("tbody tr").count()) < 6);
  await page.getByRole("button", { name: "Parameters" }).click();
  assert.match(await page.locator("tbody tr").first().textContent(), /120b/);
  const other = page.locator("tbody tr").filter({ hasText: "openai/gpt-oss-120b:free" });
  await other.getByRole("switch").click();
  await other.getByText("disabled").waitFor();
  await page.getByRole("button", { name: "Refresh now" }).click();
  await page.getByText(/models, \d+ of them free/).first().waitFor();
  await other.getByText("disabled").waitFor();
});

test("a token is issued, and shown once", async () => {
  await visit(page, "clients");
  await page.getByRole("button", { name: "Issue a token" }).first().click();
  await page.locator("dialog input[name=name]").fill("editor");
  await page.locator("dialog input[name=requests_per_day]").fill("500");
  await page.locator("dialog footer .primary").click();
  token = await page.locator("dialog .secret").textContent();
  await page.locator("dialog").getByRole("button", { name: "Copy", exact: true }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), token);
  await page.locator("dialog footer .primary").click();
  await page.locator("dialog").waitFor({ state: "detached" });
  assert.ok(!(await page.content()).includes(token));
});

test("a client uses the token", async () => {
  const python = process.env.PYTHON;
  if (python && existsSync(python)) {
    const program = `from openai import OpenAI\nimport sys\nc = OpenAI(base_url=sys.argv[1], api_key=sys.argv[2])\nprint(c.chat.completions.create(model=sys.argv[3], messages=[{"role": "user", "content": "Hello!"}]).choices[0].message.content)`;
    assert.ok(execFileSync(python, ["-c", program, BASE, token, MODEL], { encoding: "utf8" }).trim());
  } else assert.equal((await chat(token, MODEL)).status, 200);
  assert.equal((await chat(token, "openai/gpt-oss-120b:free")).status, 404);
  assert.equal((await chat("wrong", MODEL)).status, 401);
});

test("its rows are found, and the address keeps the filter", async () => {
  await stored("token=1", 2);
  await visit(page, "usage");
  await page.locator("select[name=token]").selectOption({ label: "#1 editor" });
  await page.waitForURL(/token=1/);
  await page.locator("tr[data-row]").nth(1).waitFor();
  await page.locator("select[name=status]").selectOption("completed");
  await page.waitForURL(/status=completed/);
  await page.waitForFunction(() => document.querySelectorAll("tr[data-row]").length === 1);
  await page.reload();
  await page.locator("tr[data-row]").first().waitFor();
  assert.equal(await page.locator("tr[data-row]").count(), 1);
});

test("a row opens to everything about the request", async () => {
  await page.locator("tr[data-row] button.link").first().click();
  const dialog = page.locator("dialog[open]");
  for (const words of ["Attempts", "Prompt", MODEL, "editor", "completed"]) await dialog.getByText(words).first().waitFor();
  const [, key, account, model, verdict, status, took] = await dialog.locator("table.attempts tbody tr").first().locator("td").allTextContents();
  assert.match(key, /^#\d+ /);
  assert.match(account, /^Account \d+$/);
  assert.deepEqual([model, verdict, status], [MODEL, "answered", "200"]);
  assert.match(took, /^[\d.]+ m?s$/);
  await page.keyboard.press("Escape");
  await page.locator("tr[data-row] td").nth(5).click();
  await dialog.locator("table.attempts").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

test("the rows are exported as CSV and as JSONL", async () => {
  for (const [name, lines] of [["Export CSV", 2], ["Export JSONL", 1]]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
    const text = readFileSync(await download.path(), "utf8").trim();
    assert.equal(text.split("\n").length, lines, text);
    assert.ok(text.includes("editor") && !text.includes(token));
  }
});

test("pages of rows stay right while rows arrive", async () => {
  for (let round = 0; round < 60; round += 1) await chat("wrong", `page/${round}`);
  await stored("status=401", 61);
  await visit(page, "usage", "?status=401");
  await page.waitForFunction(() => document.querySelectorAll("tr[data-row]").length === 50);
  const ids = () => page.locator("tr[data-row]").evaluateAll((rows) => rows.map((row) => row.dataset.row));
  const first = await ids();
  await chat("wrong", "page/late");
  await page.getByRole("button", { name: /since: show the newest/ }).waitFor();
  assert.deepEqual(await ids(), first);
  await page.getByRole("button", { name: "Older →" }).click();
  await page.getByRole("button", { name: "← Newer" }).waitFor();
  await page.waitForFunction(() => document.querySelectorAll("tr[data-row]").length < 50);
  const second = await ids();
  assert.equal(second.filter((id) => first.includes(id)).length, 0);
  await page.getByRole("button", { name: "← Newer" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tr[data-row]").length === 50);
});

test("an empty filter says what to do", async () => {
  await visit(page, "usage", "?q=nothing-like-this");
  await page.getByText("No request fits").waitFor();
});

test("the playground streams through the data plane", async () => {
  await visit(page, "playground", `?model=${encodeURIComponent(MODEL)}`);
  await page.getByRole("button", { name: "Issue one for an hour" }).click();
  await page.getByText("A token for one hour is filled in.").waitFor();
  await page.locator("textarea[name=prompt]").fill("Hello! [[chunks=12 delay_ms=10]]");
  await page.keyboard.press("Enter");
  const facts = page.locator(".play-facts");
  await facts.getByText("200").waitFor();
  assert.match(await facts.textContent(), new RegExp(`Attempts[1-9].*${MODEL}`));
  assert.ok((await page.locator(".chat .assistant p").last().textContent()).length > 10);
});

test("what happens is seen as it happens", async () => {
  await visit(page, "overview");
  await chat(token, MODEL);
  await page.locator(".feed").getByText("editor").first().waitFor();
});

test("a strategy is changed while it runs", async () => {
  await visit(page, "settings");
  await page.locator("tr[data-setting='proxy.load_balance_strategy']").getByRole("button").click();
  await page.locator("dialog select").selectOption("least_used");
  await page.locator("dialog footer .primary").click();
  await page.locator("tr[data-setting='proxy.load_balance_strategy']").getByText("least_used").waitFor();
});

test("a figure that is wrong is told at its field, a right one holds until the next start", async () => {
  const setting = page.locator("tr[data-setting='proxy.max_attempts']");
  await setting.getByRole("button").click();
  const control = page.locator("dialog input");
  for (const wrong of ["0", "many", "1.5", ""]) {
    await control.fill(wrong);
    await page.keyboard.press("Enter");
    await page.locator("dialog .field .wrong").getByText("from 1 to 100").waitFor();
    assert.equal(await control.getAttribute("aria-invalid"), "true");
  }
  await control.fill("3");
  await page.keyboard.press("Enter");
  await setting.getByText("until the next start").waitFor();
  await setting.getByText("then 4 again").waitFor();
});

test("keys are exported with secrets only after asking twice", async () => {
  await visit(page, "keys");
  const save = async (secrets) => {
    await page.getByRole("button", { name: "Export keys" }).click();
    if (secrets) await page.locator("dialog input[type=checkbox]").check();
    const [download] = await Promise.all([page.waitForEvent("download"), (async () => {
      await page.locator("dialog footer .primary").click();
      if (secrets) await page.locator("dialog footer .danger").click();
    })()]);
    return readFileSync(await download.path(), "utf8");
  };
  assert.ok(!(await save(false)).includes("sk-or-v1-sim-good"));
  assert.ok((await save(true)).includes("sk-or-v1-sim-good-0001"));
});

test("a key is removed after a question, and its history stays", async () => {
  await keyRow("third key").getByRole("button", { name: /^Remove/ }).click();
  await page.locator("dialog footer").getByRole("button", { name: "Cancel" }).click();
  assert.equal(await keyRow("third key").count(), 1);
  await keyRow("third key").getByRole("button", { name: /^Remove/ }).click();
  await page.locator("dialog .danger").click();
  await keyRow("third key").waitFor({ state: "detached" });
});

test("a revoked token stops at once", async () => {
  await visit(page, "clients");
  await page.locator("tr[data-token='1']").getByRole("button", { name: /^Revoke/ }).click();
  await page.locator("dialog .danger").click();
  await page.locator("tr[data-token='1']").getByText("revoked").waitFor();
  assert.equal((await chat(token, MODEL)).status, 401);
});

test("language and theme are switched, and remembered", async () => {
  await page.locator("select.language").selectOption("zh");
  await page.getByRole("link", { name: "总览" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
  await page.locator("button.theme").click();
  await page.locator("button.theme").click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.reload();
  await page.getByRole("link", { name: "总览" }).waitFor();
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
});

test("signing out ends the session, and the address leads nowhere", async () => {
  await page.getByRole("button", { name: "退出登录" }).click();
  await page.locator("input[name=password]").waitFor();
  assert.equal(await page.evaluate(async () => (await fetch("api/keys")).status), 401);
  await page.goto(`${ADMIN}/#/keys`);
  await page.locator("input[name=password]").waitFor();
});

test("nothing went wrong inside the page on the way", () => {
  assert.deepEqual(page.faults, []);
  assert.ok(PASSWORD && page.ran.length === 0);
});
