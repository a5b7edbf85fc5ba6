// Texts that would like to be scripts, in everything that others can write: labels, client names,
// models, user agents. None runs, none leaves its cell, all are shown as what they are: text.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PAGES, api, browser, chat, open, signIn, stored, visit } from "./common.js";

const RUN = "alert(1)";
const TAGS = ["script", "img src=x onerror", "svg onload", "iframe srcdoc", "body onload", "details open ontoggle", "video onerror", "math href", "object data", "embed src", "marquee onstart", "input autofocus onfocus", "a href", "form action", "style onload", "base href", "meta http-equiv", "template", "link rel=stylesheet href", "button popovertarget=x onclick"];
const STRINGS = [
  ...TAGS.map((tag) => `<${tag}=${RUN}>${RUN}</${tag.split(" ")[0]}>`),
  ...TAGS.map((tag) => `"><${tag}="${RUN}">`),
  `<script>${RUN}</script>`, `</script><script>${RUN}</script>`, `</title><script>${RUN}</script>`, `</textarea><script>${RUN}</script>`, `javascript:${RUN}`, `{{constructor.constructor('${RUN}')()}}`,
  `\${${RUN}}`, `<!--><script>${RUN}</script>-->`, `<img src=x onerror=${RUN}//`, `<svg><script>${RUN}</script></svg>`, `'-${RUN}-'`, `";${RUN};//`, "</td></tr></table><h1>out</h1>", "</bdi></td><td>out", "<h1 id=out>out</h1>", `=HYPERLINK("http://x","y")`,
];
let chrome;
let page;

before(async () => {
  const { token } = await api("POST", "tokens", { name: "</b>" });
  for (const [index, text] of STRINGS.entries()) {
    await api("POST", "keys", { key: `sk-or-v1-sim-good-${index}x-acctpaidx`, label: text });
    await api("POST", "tokens", { name: text });
    await chat(token, text, text, { "user-agent": text.replaceAll(/[^\x20-\x7e]/g, ""), "x-title": text });
  }
  await stored("token=1", STRINGS.length);
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
  const { data } = await api("GET", "keys?limit=500");
  for (const text of STRINGS) assert.ok(data.some((key) => key.label === text), text);
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
  await visit(page, "usage", "?token=1");
  const shown = await page.locator("tr[data-row] td:nth-child(2) bdi").allTextContents();
  assert.equal(shown.length, 50);
  for (const text of shown) assert.ok(STRINGS.includes(text), text);
  const cells = await page.locator("tr[data-row]").evaluateAll((rows) => [...new Set(rows.map((row) => row.children.length))]);
  assert.deepEqual(cells, [9]);
  await page.locator("tr[data-row] button.link").first().click();
  assert.equal((await markup()).handlers, 0);
  await page.keyboard.press("Escape");
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
