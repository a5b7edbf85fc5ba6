import { browser, open, signIn, visit, shot, PAGES, WIDE, NARROW } from "./common.js";
const chrome = await browser();
const only = process.argv[2]?.split(",") ?? PAGES; const combos = (process.argv[3] ?? "en-light-wide").split(",");
for (const c of combos) { const [l,t,w]=c.split("-");
  const page = await open(chrome,{language:l==="zh"?"zh-CN":"en-GB",theme:t,size:w==="wide"?WIDE:NARROW});
  await signIn(page);
  for (const n of only) { await visit(page,n).catch(e=>console.log(n,String(e).slice(0,200))); await page.waitForTimeout(600); await shot(page,`${n}.${l}.${t}.${w}`);}
  console.log(c, page.faults, await page.evaluate(()=>document.documentElement.scrollWidth)); await page.context().close(); }
await chrome.close();
