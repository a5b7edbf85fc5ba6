// The playground: a streamed chat through the data plane, as any client would have it.

import { all, get, post } from "../api.js";
import { attemptList } from "../attempts.js";
import { chat } from "../chat.js";
import { h, mono, put } from "../dom.js";
import { count, millis } from "../format.js";
import { t } from "../i18n.js";
import { button, busy, card, field, head, notice } from "../ui.js";

// Kept while the page lives, never stored.
let credential = "";

/** How often, and with which pause, the row of a request is looked for. */
const LOOKS = 6;
const PAUSE_MS = 500;

/** @param {HTMLElement} room @param {{query: URLSearchParams, signal: AbortSignal}} parts */
export async function show(room, { query, signal }) {
  const [models, status] = await Promise.all([all("models", { enabled: "true" }, signal), get("status", {}, signal)]);
  const chats = models.filter((model) => model.kind === "chat");
  const ids = h("datalist", { id: "models" }, chats.map((model) => h("option", { value: model.id }, model.name ?? "")));
  const model = h("input", { name: "model", list: "models", value: query.get("model") ?? chats[0]?.id ?? "", autocomplete: "off", spellcheck: "false", class: "code" });
  const token = h("input", { name: "token", type: "password", autocomplete: "off", value: credential, spellcheck: "false" });
  token.addEventListener("input", () => {
    credential = token.value.trim();
  });
  const system = h("textarea", { name: "system", rows: 2 });
  const prompt = h("textarea", { name: "prompt", rows: 3, placeholder: t("play.placeholder") });
  const log = h("ol", { class: "chat", "aria-live": "polite", "aria-label": t("play.talk") });
  const facts = h("dl", { class: "facts play-facts", "aria-label": t("play.facts") });
  const tries = h("div", {});
  const go = h("button", { class: "primary" }, t("play.send"));
  const halt = h("button", { type: "button", disabled: true }, t("play.stop"));
  let messages = [];
  let running = null;
  signal.addEventListener("abort", () => running?.abort());
  halt.addEventListener("click", () => running?.abort());

  async function issue() {
    const issued = await post("tokens", { name: t("play.tokenName"), expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    token.value = credential = issued.token;
    notice(t("play.issued"));
    prompt.focus();
  }

  async function send() {
    const text = prompt.value.trim();
    if (!text) return prompt.focus();
    if (!credential) {
      notice(t("play.noToken"), "bad");
      return token.focus();
    }
    messages.push({ role: "user", content: text });
    prompt.value = "";
    log.querySelector(":scope > .muted")?.remove();
    log.append(bubble("user", text));
    const reasoning = h("details", { class: "reasoning", hidden: true }, h("summary", {}, t("play.reasoning")), h("p", {}));
    const answer = h("p", {});
    const shown = h("li", { class: "assistant" }, h("strong", {}, t("play.assistant")), reasoning, answer);
    log.append(shown);
    running = new AbortController();
    halt.disabled = false;
    const first = system.value.trim() ? [{ role: "system", content: system.value.trim() }] : [];
    const result = await chat({
      base: status.client_base_url, credential, model: model.value.trim(), messages: [...first, ...messages], signal: running.signal,
      onText: (piece) => answer.append(piece),
      onReasoning: (piece) => {
        reasoning.hidden = false;
        reasoning.lastChild.append(piece);
      },
    });
    halt.disabled = true;
    if (result.error) shown.append(h("p", { class: "fault", role: "alert" }, result.error));
    if (result.text) messages.push({ role: "assistant", content: result.text });
    else messages.pop();
    put(facts, lines(result));
    put(tries);
    prompt.focus();
    if (result.requestId && !signal.aborted) void rowOf(result.requestId, signal).then((row) => row && put(tries, attemptList(row)));
  }

  const form = h("form", { class: "composer", novalidate: true }, field(t("play.prompt"), prompt, t("play.promptHint")), h("div", { class: "actions" }, go, halt,
    button(t("play.clear"), () => {
      messages = [];
      put(log, h("li", { class: "muted" }, t("play.empty")));
      put(facts, nothing());
      put(tries);
    }, { class: "quiet" })));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void busy(go, send);
  });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  put(log, h("li", { class: "muted" }, t("play.empty")));
  put(facts, nothing());
  put(room, head(t("nav.playground"), t("play.words")), h("div", { class: "split" },
    h("div", { class: "stack" }, card(null, log, form)),
    h("div", { class: "stack" }, card(t("play.setup"), field(t("play.model"), model, t("play.modelHint", { n: chats.length })), ids,
      field(t("play.token"), token, t("play.tokenHint")), button(t("play.issue"), issue), field(t("play.system"), system, ""),
      h("p", { class: "muted" }, t("clients.base"), " ", mono(status.client_base_url))), card(t("play.facts"), facts, tries))));
}

/** The row of a request, which is stored a moment after its end; null when it does not come. */
async function rowOf(id, signal) {
  for (let look = 0; look < LOOKS && !signal.aborted; look += 1) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    const row = await get(`usage/${encodeURIComponent(id)}`, {}, signal).catch(() => null);
    if (row) return row;
  }
  return null;
}

const nothing = () => h("div", { class: "muted" }, h("dt", {}, t("chart.nothing")));

const bubble = (role, text) => h("li", { class: role }, h("strong", {}, t(`play.${role}`)), h("p", {}, text));

/** What came back beside the text. */
function lines(result) {
  const fact = (name, value) => [h("dt", {}, t(`play.fact.${name}`)), h("dd", {}, value)];
  return [fact("status", result.status || "–"), fact("attempts", result.attempts ?? "–"), fact("model", result.model ? mono(result.model) : "–"), fact("provider", result.provider ?? "–"),
    fact("first", millis(result.firstContent)), fact("duration", millis(result.duration)), fact("prompt", count(result.usage?.prompt_tokens)), fact("completion", count(result.usage?.completion_tokens)),
    fact("request", result.requestId ? h("a", { href: `#/usage?open=${encodeURIComponent(result.requestId)}` }, result.requestId) : "–")];
}
