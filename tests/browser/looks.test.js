// Every page in both languages, both themes and both widths, with traffic: a picture of each is kept,
// nothing is wider than the screen, axe-core finds nothing serious, and nothing goes wrong inside.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { NARROW, PAGES, WIDE, browser, open, shot, signIn, visit } from "./common.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let chrome;

before(async () => {
  chrome = await browser();
});
after(() => chrome.close());

// By the debugger: the page's own policy would not let a script in.
async function seriousFaults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ""}`).join(" | ")}`);
}

for (const [tag, locale] of [["en", "en-GB"], ["zh", "zh-CN"]]) {
  for (const theme of ["light", "dark"]) {
    for (const [width, size] of [["wide", WIDE], ["narrow", NARROW]]) {
      test(`${tag}, ${theme}, ${width}`, async (context) => {
        const page = await open(chrome, { language: locale, theme, size });
        await signIn(page);
        for (const name of PAGES) {
          await context.test(name, async () => {
            await visit(page, name);
            await page.waitForTimeout(300);
            await shot(page, `${name}.${tag}.${theme}.${width}`);
            const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            assert.ok(over <= 0, `${over} pixels wider than the screen`);
            if (tag === "zh") assert.doesNotMatch(await page.locator("h1").textContent(), /[A-Za-z]{3}/);
            assert.deepEqual(await seriousFaults(page), []);
          });
        }
        assert.deepEqual(page.faults, []);
        await page.context().close();
      });
    }
  }
}

test("a dialog has no serious fault either", async () => {
  const page = await open(chrome);
  await signIn(page);
  await visit(page, "keys");
  await page.getByRole("button", { name: "Add a key", exact: true }).click();
  await shot(page, "dialog.en.light.wide");
  assert.deepEqual(await seriousFaults(page), []);
  await page.context().close();
});

test("the sign-in page has no serious fault either", async () => {
  const page = await open(chrome, { language: "zh-CN", theme: "dark", size: NARROW });
  await page.goto(`${process.env.ADMIN_URL}/`);
  await page.locator("input[name=password]").waitFor();
  await shot(page, "login.zh.dark.narrow");
  assert.deepEqual(await seriousFaults(page), []);
  await page.context().close();
});
