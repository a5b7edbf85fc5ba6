// The live feed: the newest requests as they come, and an honest count of those that were left out.

import { h, put, said } from "./dom.js";
import { clockSeconds, count, millis, short } from "./format.js";
import { t } from "./i18n.js";
import * as live from "./live.js";
import { get } from "./api.js";
import { card } from "./ui.js";
import { client, outcome } from "./words.js";

const ROWS = 12;
/** A browser draws this often at most, however much happens. */
const DRAW_MS = 250;

/** @param {AbortSignal} signal @returns {HTMLElement} */
export function feed(signal) {
  const body = h("ol", { class: "feed" });
  const note = h("small", { class: "muted" });
  let rows = [];
  let skipped = 0;
  let timer = null;

  function draw() {
    timer = null;
    put(note, skipped > 0 ? t("feed.skipped", { n: count(skipped) }) : "");
    if (rows.length === 0) return put(body, h("li", { class: "muted" }, t("feed.nothing")));
    put(body, rows.map(line));
  }
  const soon = () => {
    timer ??= setTimeout(draw, DRAW_MS);
  };
  live.on("row", (row) => {
    rows = [row, ...rows.filter(({ request_id: id }) => id !== row.request_id)].slice(0, ROWS);
    soon();
  }, signal);
  live.on("skipped", (event) => {
    skipped += event.skipped;
    soon();
  }, signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  get("usage", { limit: ROWS }, signal).then(({ data }) => {
    const seen = new Set(rows.map((row) => row.request_id));
    rows = [...rows, ...data.filter((row) => !seen.has(row.request_id))].slice(0, ROWS);
    soon();
  }).catch(() => soon());
  const shown = card(t("feed.title"), note, body);
  shown.classList.add("full");
  return shown;
}

function line(row) {
  return h("li", {}, h("time", { datetime: row.time }, clockSeconds(row.time)),
    h("a", { class: "name", href: `#/usage?open=${encodeURIComponent(row.request_id)}` }, row.model ? said(row.model) : t("chart.noModel")),
    h("span", { class: "who" }, client(row)), outcome(row),
    h("span", { class: "figure" }, `${short(row.total_tokens)} ${t("figure.tokensShort")} · ${millis(row.duration_ms)}`));
}
