// What the state of keys, accounts, models and rows is called, in whole sentences.

import { h, said } from "./dom.js";
import { ago, exact, moment } from "./format.js";
import { t, word } from "./i18n.js";
import { pill } from "./ui.js";

/** Why something rests: the cause, and whose it is when it is not its own. */
export function cause(rest, own) {
  const words = word("cause", rest.cause);
  if (!rest.place || rest.place === own) return words;
  const [kind, id = ""] = rest.place.split(/:(.*)/s);
  const place = t(`place.${kind}`, { id });
  return place === `place.${kind}` ? `${words} (${rest.place})` : t("rest.of", { cause: words, place });
}

/** "resting until 08:00, daily free limit of account 2". */
export function resting(rest, own) {
  const until = rest.until ? t("rest.until", { time: moment(rest.until) }) : t("rest.open");
  return t("rest.words", { until, cause: cause(rest, own) });
}

/** The state of a key: a word, below it why and until when, and what can be done about it. */
export function keyState(key, remedy) {
  const tone = { active: "good", resting: "warn", dead: "bad" }[key.state] ?? "plain";
  const why = key.state === "dead" && key.resting ? cause(key.resting, `key:${key.id}`)
    : key.resting && key.state !== "disabled" ? resting(key.resting, `key:${key.id}`)
    : key.state === "active" && key.in_flight > 0 ? t("keys.inFlight", { n: key.in_flight }) : "";
  return h("div", { class: "state" }, pill(word("state", key.state), tone),
    why && h("small", { title: key.resting?.until ? exact(key.resting.until) : null }, why), remedy);
}

/** A moment, and in full when pointed at. */
export const when = (time) => (time === null ? h("span", { class: "muted" }, t("time.never")) : h("time", { datetime: time, title: exact(time) }, ago(time)));

/** How a request ended. */
export function outcome(row) {
  const tone = { completed: "good", cancelled: "plain", truncated: "warn", refused: "warn", failed: "bad" }[row.outcome] ?? "plain";
  return pill(`${word("outcome", row.outcome)} ${row.status}`, tone);
}

/** Which client sent a request. */
export function client(row) {
  const kind = word("client", row.client.kind);
  return row.client.hint ? h("span", {}, said(row.client.hint), row.client.kind === "token" ? null : h("small", { class: "muted" }, ` ${kind}`)) : kind;
}
