// The filter of the usage rows: a form, the query of the address, and the query of the API.
// Days are those of the browser's time zone; the API gets the moments at which they begin and end.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { field } from "./ui.js";

/** The names of the filters, in the address and in the API. */
export const FILTERS = ["key", "model", "status", "token", "since", "until", "q"];
const STATUSES = ["completed", "cancelled", "truncated", "refused", "failed", "400", "401", "404", "429", "502", "503"];

/** Whether anything is filtered. */
export const hasFilter = (query) => FILTERS.some((name) => query.get(name));

/** The API's query for the address's. */
export function asked(query) {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]).filter(([, value]) => value));
  if (filters.since) filters.since = midnight(filters.since, 0);
  if (filters.until) filters.until = midnight(filters.until, 1);
  return filters;
}

// The begin of a day, `later` days on; what is no day is passed on, for the API to complain about.
function midnight(day, later) {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!parts) return day;
  return new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + later).toISOString();
}

/**
 * The form; `changed` gets every filter, null where there is none.
 * @param {URLSearchParams} query @param {any[]} keys @param {any[]} tokens
 */
export function filterForm(query, keys, tokens, changed) {
  const now = (name) => query.get(name) ?? "";
  const option = (name, value, text) => h("option", { value, selected: String(value) === now(name) }, text);
  const choice = (name, options) => h("select", { name }, h("option", { value: "" }, t("filter.any")), options, unknown(name, options));
  // What the address names stays chosen, even when there is no such thing any more.
  const unknown = (name, options) => now(name) && !options.some((made) => made.value === now(name)) && option(name, now(name), now(name));
  const form = h("form", { class: "filters", role: "search", novalidate: true },
    field(t("filter.q"), h("input", { name: "q", type: "search", value: now("q"), placeholder: t("filter.qHint") })),
    field(t("filter.model"), h("input", { name: "model", type: "search", value: now("model"), placeholder: t("filter.any") })),
    field(t("filter.key"), choice("key", keys.map((key) => option("key", key.id, `#${key.id} ${key.label || key.hint}`)))),
    field(t("filter.token"), choice("token", tokens.map((token) => option("token", token.id, `#${token.id} ${token.name}`)))),
    field(t("filter.status"), choice("status", STATUSES.map((value) => option("status", value, /^\d/.test(value) ? value : t(`outcome.${value}`))))),
    field(t("filter.since"), h("input", { name: "since", type: "date", value: now("since") })),
    field(t("filter.until"), h("input", { name: "until", type: "date", value: now("until") })),
    h("div", { class: "actions" }, h("button", { class: "primary" }, t("filter.apply")), hasFilter(query) && h("a", { class: "button", href: "#/usage" }, t("usage.clear"))));
  const tell = () => changed(Object.fromEntries(FILTERS.map((name) => [name, form.elements.namedItem(name).value.trim() || null])));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell();
  });
  for (const control of form.querySelectorAll("select")) control.addEventListener("change", tell);
  return form;
}
