// What every browser test needs: Chromium, an operator who is signed in, and a page that tells when
// something went wrong inside it.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const needed = (name) => {
  if (!process.env[name]) throw new Error(`${name} is not set: run tests/browser/run.sh`);
  return process.env[name];
};

/** Where the admin plane is, where clients go, and the operator's password. */
export const ADMIN = needed("ADMIN_URL");
export const BASE = process.env.BASE_URL;
export const PASSWORD = needed("ADMIN_PASSWORD");
/** Where screenshots go. */
export const SHOTS = process.env.SHOTS ?? "screenshots";
export const PAGES = ["overview", "keys", "models", "usage", "clients", "playground", "settings"];
export const WIDE = { width: 1280, height: 860 };
export const NARROW = { width: 360, height: 780 };

/** A browser; root may only have it without its sandbox. */
export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
}

/**
 * A page in a context of its own. `page.faults` holds every error that the page logged or threw, a
 * breach of the content policy among them; `page.ran` every script that should not have run.
 */
export async function open(chrome, { language = "en-GB", theme = "light", size = WIDE } = {}) {
  const context = await chrome.newContext({ viewport: size, locale: language, colorScheme: theme, acceptDownloads: true, timezoneId: "UTC", reducedMotion: "reduce" });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(ADMIN).origin });
  const page = await context.newPage();
  page.faults = [];
  page.ran = [];
  // A refused sign-in or a missing thing is an answer, which Chromium logs all the same.
  const expected = /Failed to load resource: the server responded with a status of/;
  page.on("console", (message) => message.type() === "error" && !expected.test(message.text()) && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("dialog", (dialog) => {
    page.ran.push(dialog.message());
    void dialog.dismiss();
  });
  return page;
}

/** Signs in by the form. */
export async function signIn(page, where = "") {
  await page.goto(`${ADMIN}/${where}`);
  await page.locator("input[name=password]").fill(PASSWORD);
  await page.locator("form button.primary").click();
  await page.locator("main .page h1").waitFor();
}

/** Goes to a page by its address and waits until it is drawn. */
export async function visit(page, name, query = "") {
  await page.evaluate((hash) => (location.hash = hash), `#/${name}${query}`);
  await page.locator(`.page.${name} h1`).waitFor();
  await page.locator(".loading").waitFor({ state: "detached" });
}

/** A call of the admin API with the password as bearer. */
export async function api(method, path, body) {
  const answer = await fetch(`${ADMIN}/api/${path}`, {
    method, headers: { authorization: `Bearer ${PASSWORD}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** A chat completion as a client would ask for it. */
export async function chat(token, model, content = "Hello!", headers = {}) {
  const answer = await fetch(`${BASE}/chat/completions`, {
    method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, messages: [{ role: "user", content }] }),
  });
  return { status: answer.status, text: await answer.text() };
}

/** Waits until so many rows of a filter are stored: they are written in batches. */
export async function stored(query, least) {
  for (let look = 0; look < 100; look += 1) {
    const { data } = await api("GET", `usage?limit=500&${query}`);
    if (data.length >= least) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`fewer than ${least} rows of ${query}`);
}

/** Keeps a picture of the whole page. */
export async function shot(page, name) {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}
