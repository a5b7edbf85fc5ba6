// One request in full, in a dialog.

import { attempts } from "./attempts.js";
import { h, mono, said } from "./dom.js";
import { count, exact, millis, money } from "./format.js";
import { t, word } from "./i18n.js";
import { ask } from "./ui.js";
import { client, outcome } from "./words.js";

/** @param {any} row a row of usage */
export function showRow(row) {
  const fact = (name, value) => [h("dt", {}, t(`row.${name}`)), h("dd", {}, value ?? "–")];
  const text = (value) => (value ? said(value) : "–");
  const group = (title, ...facts) => h("section", {}, h("h3", {}, t(`row.${title}`)), h("dl", { class: "facts" }, facts));
  return ask({
    title: t("row.title"), action: t("do.close"), wide: true,
    body: [h("p", { class: "row-head" }, outcome(row), " ", exact(row.time)),
      group("what", fact("model", row.model ? h("a", { href: `#/usage?model=${encodeURIComponent(row.model)}` }, said(row.model)) : "–"),
        fact("served", text(row.model_served)), fact("provider", text(row.provider)), fact("endpoint", mono(row.endpoint)), fact("stream", t(row.stream ? "do.yes" : "do.no")), fact("client", client(row))),
      group("end", fact("outcome", word("outcome", row.outcome)), fact("status", row.status), fact("error", error(row.error_kind)),
        fact("key", row.key_id === null ? "–" : h("a", { href: `#/usage?key=${row.key_id}` }, `#${row.key_id} `, said(row.key_label ?? ""))),
        fact("account", row.account_id === null ? "–" : t("account.name", { id: row.account_id }))),
      h("section", {}, h("h3", {}, t("row.tries", { n: count(row.attempts) })), attempts(row)),
      group("times", fact("first", millis(row.first_content_ms)), fact("duration", millis(row.duration_ms)), fact("rate", rate(row))),
      group("tokens", fact("prompt", count(row.prompt_tokens)), fact("completion", count(row.completion_tokens)), fact("reasoning", count(row.reasoning_tokens)),
        fact("cached", count(row.cached_tokens)), fact("total", count(row.total_tokens)), fact("cost", money(row.cost))),
      group("ids", fact("request", mono(row.request_id)), fact("generation", row.generation_id ? mono(row.generation_id) : "–"))],
  });
}

/** What went wrong, in words where there are some, and as it stands in exports. */
function error(kind) {
  if (!kind) return "–";
  const words = word("cause", kind);
  return words === kind ? mono(kind) : h("span", {}, words, " ", mono(kind));
}

/** Tokens a second, once the first content was there. */
function rate(row) {
  const seconds = (row.duration_ms - (row.first_content_ms ?? 0)) / 1000;
  if (!row.completion_tokens || row.first_content_ms === null || seconds < 0.05) return null;
  return t("row.perSecond", { n: (row.completion_tokens / seconds).toFixed(1) });
}
