// The page's language: what was chosen here, else what the browser prefers, else English.

import en from "./i18n/en.js";
import zh from "./i18n/zh.js";

const TEXTS = { en, zh };
/** What each language calls itself. */
export const LANGUAGES = { en: "English", zh: "简体中文" };

let current = remembered() ?? preferred();

function remembered() {
  try {
    const chosen = localStorage.getItem("language");
    return chosen in TEXTS ? chosen : null;
  } catch {
    return null;
  }
}

function preferred() {
  const first = navigator.languages?.find((tag) => /^(en|zh)\b/i.test(tag)) ?? "en";
  return first.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** `en` or `zh`. */
export const language = () => current;

/** The tag that dates and figures are written by. */
export const locale = () => (current === "zh" ? "zh-CN" : (navigator.languages?.find((tag) => /^en\b/i.test(tag)) ?? "en"));

/** Sets the language and remembers it; whoever draws the page draws it anew. */
export function setLanguage(chosen) {
  current = chosen in TEXTS ? chosen : "en";
  try {
    localStorage.setItem("language", current);
  } catch {
    // Then it holds until the page is loaded again.
  }
}

/**
 * The text for `key`, its `{names}` filled in; with `n` of 1, `key_one` if there is one. A key
 * without a text comes back as it is.
 * @param {string} key @param {Record<string, any>} [values]
 */
export function t(key, values = {}) {
  const texts = TEXTS[current];
  const text = (Number(values.n) === 1 ? texts[`${key}_one`] : undefined) ?? texts[key] ?? en[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The text for a word of the API, or the word itself where we know none. */
export function word(group, value) {
  const key = `${group}.${value}`;
  const text = t(key);
  return text === key ? String(value) : text;
}
