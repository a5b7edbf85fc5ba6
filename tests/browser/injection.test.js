// Texts that would like to be scripts, in everything that others can write: labels, client names,
// models, user agents. None runs, none leaves its cell, all are shown as what they are: text.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PAGES, api, browser, chat, open, signIn, stored, visit } from "./common.js";

const RUN = "alert(1)";
const TAGS = ["script", "img src=x onerror", "svg onload", "iframe srcdoc", "body onload", "details open ontoggle", "video onerror", "math href", "object data", "embed src", "marquee onstart", "input autofocus onfocus", "a href", "form action", "style onload", "base href", "meta http-equiv", "template", "link rel=stylesheet href", "button popovertarget=x onclick"];
// The same attempts, dressed for other places that text might land in: attributes, comments, templates,
// encodings, other cases.
const FORMS = [
  (tag, name) => `<${tag}=${RUN}>${RUN}</${name}>`, (tag) => `"><${tag}="${RUN}">`, (tag) => `'><${tag}='${RUN}'>`,
  (tag) => `</td></tr><${tag}=${RUN}>`, (tag) => `</bdi><${tag}=${RUN}>`, (tag) => `--><${tag}=${RUN}>`, (tag) => `]]><${tag}=${RUN}>`,
  (tag) => `</script><${tag}=${RUN}>`, (tag) => `</style><${tag}=${RUN}>`, (tag) => `</option><${tag}=${RUN}>`, (tag) => `</svg><${tag}=${RUN}>`,
  (tag) => `<${tag.toUpperCase()}=${RUN}>`, (tag) => `< ${tag}=${RUN}>`, (tag) => `<${tag}\u00a0=${RUN}>`, (tag) => `<<${tag}=${RUN}>>`,
  (tag) => `&lt;${tag}=${RUN}&gt;`, (tag) => `&#60;${tag}=${RUN}&#62;`, (tag) => `%3C${tag}=${RUN}%3E`, (tag) => `\\u003c${tag}=${RUN}\\u003e`,
  (tag) => `{{<${tag}=${RUN}>}}`, (tag) => `\${<${tag}=${RUN}>}`, (tag) => `javascript:<${tag}=${RUN}>`, (tag) => `data:text/html,<${tag}=${RUN}>`,
  (tag) => `<${tag}/="${RUN}" x='`, (tag) => `</td><${tag}=${RUN}></tr></table>`,
];
const STRINGS = [
  ...FORMS.flatMap((form) => TAGS.map((tag) => form(tag, tag.split(" ")[0]))),
  `<script>${RUN}</script>`, `</script><script>${RUN}</script>`, `</title><script>${RUN}</script>`, `</textarea><script>${RUN}</script>`, `javascript:${RUN}`, `{{constructor.constructor('${RUN}')()}}`,
  `\${${RUN}}`, `<!--><script>${RUN}</script>-->`, `<img src=x onerror=${RUN}//`, `<svg><script>${RUN}</script></svg>`, `'-${RUN}-'`, `";${RUN};//`, "</td></tr></table><h1>out</h1>", "</bdi></td><td>out", "<h1 id=out>out</h1>", `=HYPERLINK("http://x","y")`,
];
// The statuses of the errors in which the upstream says such a text.
const STATUSES = [400, 403, 413];
const MODEL = "z-ai/glm-4.5-air:free";
let chrome;
let page;

before(async () => {
  const { token } = await api("POST", "tokens", { name: "</b>" });
  await api("PATCH", "settings", { "proxy.free_minute_limit": -1, "proxy.free_daily_limit": -1 });
  for (const [index, text] of STRINGS.entries()) {
    await api("POST", "keys", { key: `sk-or-v1-sim-good-${index}x-acctpaidx`, label: text });
    await api("POST", "tokens", { name: text });
    await chat(token, MODEL, `[[fault=says${STATUSES[index % STATUSES.length]}]] ${text}`);
    await chat(token, text, text, { "user-agent": text.replaceAll(/[^\x20-\x7e]/g, ""), "x-title": text });
  }
  await stored("token=1&status=refused", STRINGS.length > 500 ? 500 : STRINGS.length);
  await stored("token=1&status=failed", STRINGS.length > 500 ? 500 : STRINGS.length);
  chrome = await browser();
  page = await open(chrome);
  await signIn(page);
});
after(() => chrome.close());

// What would be there only if a text had become markup.
const markup = () => page.evaluate(() => ({
  foreign: document.querySelectorAll("iframe, object, embed, marquee, video, math, base, style, template, #out, script:not([src='theme.js'], [src='app.js']), main form[action]").length,
  handlers: [...document.querySelectorAll("*")].filter((element) => [...element.attributes].some(({ name }) => name.startsWith("on"))).length,
  titles: document.querySelectorAll("h1").length,
}));

test(`${STRINGS.length} strings are stored as they are`, async () => {
  const labels = new Set();
  for (let cursor = ""; cursor !== null;) {
    const { data, next_cursor } = await api("GET", `keys?limit=500${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    data.forEach((key) => labels.add(key.label));
    cursor = next_cursor;
  }
  for (const text of STRINGS) assert.ok(labels.has(text), text);
});

for (const name of PAGES) {
  test(`none runs on ${name}`, async () => {
    await visit(page, name);
    assert.deepEqual(await markup(), { foreign: 0, handlers: 0, titles: 1 });
    assert.deepEqual(page.ran, []);
    assert.deepEqual(page.faults, []);
  });
}

test("labels stay in their cells", async () => {
  await visit(page, "keys");
  const labels = await page.locator("tr[data-key] td:first-child bdi").allTextContents();
  for (const text of STRINGS) assert.ok(labels.includes(text), text);
  const cells = await page.locator("tr[data-key]").evaluateAll((rows) => [...new Set(rows.map((row) => row.children.length))]);
  assert.deepEqual(cells, [7]);
});

test("names of clients stay in their cells", async () => {
  await visit(page, "clients");
  const names = await page.locator("tr[data-token] td:first-child bdi").allTextContents();
  for (const text of STRINGS) assert.ok(names.includes(text), text);
});

test("models of others stay in their cells, and in the dialog", async () => {
  await visit(page, "usage", "?token=1&status=refused");
  const shown = await page.locator("tr[data-row] td:nth-child(2) bdi").allTextContents();
  assert.equal(shown.length, 50);
  for (const text of shown) assert.ok(STRINGS.includes(text), text);
  const cells = await page.locator("tr[data-row]").evaluateAll((rows) => [...new Set(rows.map((row) => row.children.length))]);
  assert.deepEqual(cells, [9]);
  await page.locator("tr[data-row] button.link").first().click();
  assert.equal((await markup()).handlers, 0);
  await page.keyboard.press("Escape");
});

test("errors of the upstream stay in their cells, and in the dialog", async () => {
  await visit(page, "usage", "?token=1&status=failed");
  await page.locator("tr[data-row]").nth(49).waitFor();
  const cells = await page.locator("tr[data-row]").evaluateAll((rows) => [...new Set(rows.map((row) => row.children.length))]);
  assert.deepEqual(cells, [9]);
  const { data } = await api("GET", "usage?limit=50&token=1&status=failed");
  for (const row of data.slice(0, 20)) {
    assert.ok(STRINGS.some((text) => text.startsWith(row.error_kind)), row.error_kind);
    await page.locator(`tr[data-row="${row.request_id}"] button.link`).click();
    const dialog = page.locator("dialog[open]");
    assert.ok((await dialog.locator("code").allTextContents()).includes(row.error_kind), row.error_kind);
    assert.equal(await dialog.locator("table.attempts tbody tr").first().locator("td").count(), 7);
    assert.deepEqual(await markup(), { foreign: 0, handlers: 0, titles: 1 });
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  }
  assert.deepEqual([page.ran, page.faults], [[], []]);
});

test("errors of the upstream are text in the playground", async () => {
  await visit(page, "playground");
  const { token } = await api("POST", "tokens", { name: "playground" });
  await page.locator("input[name=token]").fill(token);
  await page.locator("input[name=model]").fill(MODEL);
  for (const text of STRINGS.slice(-15)) {
    for (const fault of ["says400", "saysmid"]) {
      const faults = page.locator(".chat .fault");
      const before = await faults.count();
      await page.locator(".composer button.primary:not([aria-busy])").waitFor();
      await page.locator("textarea[name=prompt]").fill(`[[fault=${fault}]] ${text}`);
      await page.keyboard.press("Enter");
      await faults.nth(before).waitFor();
      assert.equal(await faults.nth(before).textContent(), text);
    }
  }
  assert.deepEqual(await markup(), { foreign: 0, handlers: 0, titles: 1 });
  assert.deepEqual([page.ran, page.faults], [[], []]);
});

test("an address cannot bring one in", async () => {
  for (const text of STRINGS.slice(0, 12)) {
    await visit(page, "usage", `?q=${encodeURIComponent(text)}&model=${encodeURIComponent(text)}&key=${encodeURIComponent(text)}`);
    await visit(page, "models", `?q=${encodeURIComponent(text)}`);
    assert.deepEqual(await markup(), { foreign: 0, handlers: 0, titles: 1 });
  }
  assert.deepEqual(page.ran, []);
});

test("the dialogs about them are text too", async () => {
  await visit(page, "keys");
  await page.locator("tr[data-key]").first().getByRole("button", { name: /^Remove/ }).click();
  assert.ok((await page.locator("dialog h2").textContent()).includes(STRINGS[0]));
  assert.equal((await markup()).handlers, 0);
  await page.keyboard.press("Escape");
});
