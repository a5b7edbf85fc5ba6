// What became of each attempt of a request, for the row in full and for the playground.

import { h, said } from "./dom.js";
import { count, millis } from "./format.js";
import { t, word } from "./i18n.js";
import { pill, table } from "./ui.js";

const COLUMNS = ["number", "key", "account", "model", "verdict", "status", "took"];
// Nobody's failure: the one who asked did not wait, or the proxy was stopped.
const NEITHER = ["client_left", "stopping"];

/** The attempts as a table; a row from before they were kept, or without any, says so. @param {any} row */
export function attempts(row) {
  const log = row.attempt_log ?? [];
  if (log.length === 0) return h("p", { class: "muted" }, t(row.attempts > 0 ? "attempt.unknown" : "attempt.none"));
  const shown = table(t("row.attempts"), COLUMNS.map((name) => t(`attempt.${name}`)), log.map(cells), { class: "attempts" });
  return log.length < row.attempts ? [shown, h("p", { class: "muted" }, t("attempt.some", { n: count(log.length - 1), all: count(row.attempts) }))] : shown;
}

/** The same as a short list, for where there is no room for a table. @param {any} row */
export const attemptList = (row) => h("ol", { class: "tries", "aria-label": t("row.attempts") }, (row.attempt_log ?? []).map((attempt) =>
  h("li", { value: attempt.number }, key(attempt), " ", verdict(attempt.verdict), h("small", { class: "muted" }, [attempt.status, millis(attempt.duration_ms)].filter(Boolean).join(" · ")))));

function cells(attempt) {
  return [
    count(attempt.number), key(attempt),
    attempt.account_id === null ? "–" : t("account.name", { id: attempt.account_id }),
    said(attempt.model), verdict(attempt.verdict), attempt.status ?? "–", millis(attempt.duration_ms),
  ];
}

function key(attempt) {
  if (attempt.key_id === null) return t("attempt.own");
  return h("span", {}, `#${attempt.key_id} `, said(attempt.key_label ?? ""));
}

function verdict(name) {
  const tone = name === "success" ? "good" : NEITHER.includes(name) ? "plain" : "bad";
  return pill(said(word("cause", name), { title: name }), tone);
}
