// The frame around every page: who is signed in, which page the address names, language and theme.

import { call, get } from "./api.js";
import { h, put } from "./dom.js";
import { LANGUAGES, language, setLanguage, t } from "./i18n.js";
import * as live from "./live.js";
import { failed, icon, loading, notice } from "./ui.js";
import { chooseTheme, theme } from "./look.js";
import * as login from "./pages/login.js";
import * as overview from "./pages/overview.js";
import * as keys from "./pages/keys.js";
import * as models from "./pages/models.js";
import * as usage from "./pages/usage.js";
import * as clients from "./pages/clients.js";
import * as playground from "./pages/playground.js";
import * as settings from "./pages/settings.js";

const PAGES = { overview, keys, models, usage, clients, playground, settings };
const root = document.getElementById("app");
let leaving = new AbortController();
let main = null;
let shownPage = null;

/** The page and the query that the address names: `#/usage?model=x`. */
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: path in PAGES ? path : "overview", query: new URLSearchParams(query) };
}

function frame() {
  main = h("main", { id: "main", tabindex: -1 });
  const links = Object.keys(PAGES).map((name) => h("a", { href: `#/${name}`, "data-page": name }, icon(name), h("span", {}, t(`nav.${name}`))));
  const dot = h("span", { class: "live", role: "status" });
  live.on("connection", () => showConnection(dot));
  showConnection(dot);
  put(root, h("button", { class: "skip", on: { click: () => main.focus() } }, t("nav.skip")),
    h("div", { class: "shell" },
      h("header", { class: "side" }, h("a", { class: "brand", href: "#/overview" }, h("img", { src: "icon.svg", alt: "", width: 26, height: 26 }), h("span", {}, "openrouter-proxy")),
        h("nav", { "aria-label": t("nav.label") }, links),
        h("div", { class: "tools" }, dot, languageChoice(), themeButton(),
          h("button", { type: "button", class: "quiet", title: t("do.signOut"), "aria-label": t("do.signOut"), on: { click: signOut } }, icon("leave")))),
      main));
}

function showConnection(dot) {
  dot.dataset.state = live.state;
  put(dot, h("i", {}), h("span", {}, t(`live.${live.state}`)));
}

function languageChoice() {
  const choice = h("select", { "aria-label": t("nav.language"), class: "language" },
    Object.entries(LANGUAGES).map(([tag, name]) => h("option", { value: tag, selected: tag === language() }, name)));
  choice.addEventListener("change", () => {
    setLanguage(choice.value);
    window.dispatchEvent(new Event("look"));
  });
  return choice;
}

function themeButton() {
  const next = { auto: "light", light: "dark", dark: "auto" };
  const label = () => t("nav.theme", { theme: t(`theme.${theme()}`) });
  const made = h("button", { type: "button", class: "quiet theme", title: label(), "aria-label": label() }, icon("theme"));
  made.addEventListener("click", () => {
    chooseTheme(next[theme()]);
    made.title = label();
    made.setAttribute("aria-label", label());
    notice(label());
  });
  return made;
}

async function signOut() {
  await call("POST", "logout").catch((error) => notice(error.words ?? error.message, "bad"));
  start();
}

/** Draws the page that the address names. */
async function show() {
  const { name, query } = place();
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const page = PAGES[name];
  document.title = `${t(`nav.${name}`)} · openrouter-proxy`;
  for (const link of root.querySelectorAll("nav a")) {
    const here = link.dataset.page === name;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (here) link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  const turned = shownPage !== name;
  shownPage = name;
  const room = h("div", { class: `page ${name}` }, loading());
  put(main, room);
  try {
    await page.show(room, { query, signal });
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    if (error.status === 401) return;
    put(room, failed(error, show));
  }
  if (turned && !signal.aborted) {
    window.scrollTo(0, 0);
    if (document.activeElement === document.body) room.querySelector("h1")?.focus({ preventScroll: true });
  }
}

/** Asks for the password; everything that was shown is gone. */
function signIn() {
  leaving.abort();
  live.stop();
  main = null;
  shownPage = null;
  for (const open of document.querySelectorAll("dialog")) open.close();
  document.title = `${t("login.title")} · openrouter-proxy`;
  login.show(root, { language: languageChoice(), theme: themeButton(), done: enter });
}

function enter() {
  frame();
  live.start();
  return show();
}

async function start() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  try {
    await get("session");
  } catch (error) {
    if (error.status === 401) return signIn();
    return put(root, h("main", { class: "alone" }, failed(error, start)));
  }
  return enter();
}

window.addEventListener("hashchange", () => main && show());
window.addEventListener("signed-out", () => main && signIn());
window.addEventListener("look", start);
start();
