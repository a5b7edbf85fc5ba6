// The words of the pages: both languages have every text, and every text that is asked for is there.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../static/", import.meta.url);
const texts = async (tag) => (await import(`data:text/javascript,${encodeURIComponent(readFileSync(new URL(`i18n/${tag}.js`, root), "utf8"))}`)).default;
const [en, zh] = await Promise.all([texts("en"), texts("zh")]);
const sources = ["", "pages/"].flatMap((folder) => readdirSync(new URL(folder, root)).filter((name) => name.endsWith(".js")).map((name) => [folder + name, readFileSync(new URL(folder + name, root), "utf8")]));

test("both languages have the same texts", () => {
  assert.deepEqual(Object.keys(en).filter((key) => !key.endsWith("_one") && !(key in zh)), []);
  assert.deepEqual(Object.keys(zh).filter((key) => !(key in en)), []);
});

test("both languages fill in the same names", () => {
  const names = (text) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(zh)) assert.deepEqual(names(zh[key]), names(en[key]), key);
});

test("every text that a page asks for is there", () => {
  for (const [name, source] of sources) for (const [, key] of source.matchAll(/\bt\("([^"]+)"/g)) assert.ok(key in en, `${name}: ${key}`);
});

test("no page makes markup of text", () => {
  for (const [name, source] of sources) assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:/, name);
});

test("only two files fetch", () => {
  assert.deepEqual(sources.filter(([, source]) => /\bfetch\(/.test(source)).map(([name]) => name).sort(), ["api.js", "chat.js"]);
});
