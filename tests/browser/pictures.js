// The pictures of the READMEs: the overview and the keys, in both languages, from a demo with traffic.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { browser, open, signIn, visit } from "./common.js";

const folder = process.env.IMAGES;
mkdirSync(folder, { recursive: true });
const chrome = await browser();
for (const [tag, language] of [["en", "en-GB"], ["zh", "zh-CN"]]) {
  const page = await open(chrome, { language, size: { width: 1280, height: 880 } });
  await signIn(page);
  for (const name of ["overview", "keys"]) {
    await visit(page, name);
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(folder, `${name}.${tag}.png`) });
  }
  await page.context().close();
}
await chrome.close();
