// The rows of usage: filtered by what the address says, page after page, a row at a time in full.

import { address, all, get, wordsOf } from "../api.js";
import { h, put, said } from "../dom.js";
import { count, exact, fine, millis, short } from "../format.js";
import { t } from "../i18n.js";
import { download } from "../key_dialogs.js";
import * as live from "../live.js";
import { button, card, empty, failed, head, row, table } from "../ui.js";
import { showRow } from "../usage_row.js";
import { FILTERS, asked, filterForm, hasFilter } from "../usage_filters.js";
import { client, outcome } from "../words.js";

const ROWS = 50;
/** A text search looks through so many rows at a time; this often in a row without being asked. */
const LOOKS = 40;
const COLUMNS = ["time", "model", "key", "client", "outcome", "tokens", "first", "duration", "attempts"];

// Where the pages before this one began, for "newer".
let trail = [];

/** @param {HTMLElement} room @param {{query: URLSearchParams, signal: AbortSignal}} parts */
export async function show(room, { query, signal }) {
  const [keys, tokens] = await Promise.all([all("keys", {}, signal), all("tokens", {}, signal).catch(() => [])]);
  const cursor = query.get("cursor");
  if (!cursor) trail = [];
  const body = h("div", { class: "stack" });
  const fresh = h("div", { class: "fresh", role: "status" });
  const go = (changes) => {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
    next.delete("open");
    location.hash = `#/usage${next.size ? `?${next}` : ""}`;
  };
  const form = filterForm(query, keys, tokens, (filters) => {
    const same = FILTERS.every((name) => (filters[name] ?? "") === (query.get(name) ?? ""));
    if (!same) go({ ...filters, cursor: null });
  });
  const save = (format) => download(address("usage/export", { ...asked(query), format }));
  put(room, head(t("nav.usage"), t("usage.words"), button(t("usage.csv"), () => save("csv")), button(t("usage.jsonl"), () => save("jsonl"))), form, fresh, body);

  async function load() {
    put(fresh);
    put(body, h("p", { class: "loading", role: "status" }, h("i", { class: "spinner" }), t("state.loading")));
    let rows = [];
    let next = cursor;
    for (let look = 0; look < LOOKS; look += 1) {
      const page = await get("usage", { ...asked(query), limit: ROWS - rows.length, cursor: next }, signal);
      rows = [...rows, ...page.data];
      next = page.next_cursor;
      if (next === null || rows.length >= ROWS) break;
      put(body, h("p", { class: "loading", role: "status" }, h("i", { class: "spinner" }), t("usage.looking", { n: count(rows.length) })));
    }
    put(body, rows.length > 0 ? card(null, rowTable(rows)) : card(null, nothing(query, next, go)), pager(next));
  }

  function pager(next) {
    const newer = () => {
      const before = trail.pop();
      go({ cursor: before ?? null });
    };
    const older = () => {
      trail.push(cursor ?? "");
      go({ cursor: next });
    };
    return h("nav", { class: "pager", "aria-label": t("usage.pages") },
      cursor && button(t("usage.newest"), () => go({ cursor: null })),
      cursor && trail.length > 0 && button(t("usage.newer"), newer, { "data-spot": "newer" }),
      next && button(t("usage.older"), older, { "data-spot": "older" }));
  }

  await load().catch((error) => {
    if (signal.aborted || error.status === 401) throw error;
    put(body, failed(error, load));
  });
  if (!cursor) announce(fresh, signal, load);
  const wanted = query.get("open");
  if (wanted) {
    const found = await get(`usage/${encodeURIComponent(wanted)}`, {}, signal).catch((error) => put(fresh, wordsOf(error)) && null);
    if (found) void showRow(found);
  }
}

/** Rows do not push others away under the reader: new ones are counted, and shown when asked for. */
function announce(fresh, signal, load) {
  let n = 0;
  const more = (by) => {
    n += by;
    put(fresh, button(t("usage.fresh", { n: count(n) }), () => {
      n = 0;
      return load();
    }, { "data-spot": "fresh" }));
  };
  live.on("row", () => more(1), signal);
  live.on("skipped", ({ skipped }) => more(skipped), signal);
}

function nothing(query, next, go) {
  if (next) return empty(t("usage.notYet"), t("usage.notYetWords"));
  if (hasFilter(query)) return empty(t("usage.noMatch"), t("usage.noMatchWords"), button(t("usage.clear"), () => go(Object.fromEntries([...FILTERS, "cursor"].map((name) => [name, null])))));
  return empty(t("usage.empty"), t("usage.emptyWords"), h("a", { class: "button primary", href: "#/playground" }, t("nav.playground")));
}

/** Whether a click on a row means the row: not a button in it, and not the end of marking a text. */
const opens = ({ target }) => !target.closest("a, button") && !getSelection()?.toString();

function rowTable(rows) {
  const names = COLUMNS.map((name) => t(`column.${name}`));
  return table(t("nav.usage"), names, rows.map((entry) => row(names, [
    h("button", { type: "button", class: "link", title: exact(entry.time), "data-spot": entry.request_id, on: { click: () => showRow(entry) } }, fine(entry.time)),
    entry.model ? said(entry.model) : h("span", { class: "muted" }, t("chart.noModel")),
    entry.key_id === null ? "–" : said(entry.key_label || `#${entry.key_id}`),
    client(entry),
    outcome(entry),
    h("span", { title: `${count(entry.prompt_tokens)} + ${count(entry.completion_tokens)}` }, short(entry.total_tokens)),
    millis(entry.first_content_ms), millis(entry.duration_ms), count(entry.attempts),
  ], { "data-row": entry.request_id, class: "opens", on: { click: (event) => opens(event) && showRow(entry) } })), { class: "usage" });
}
