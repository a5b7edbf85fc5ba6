// Client tokens: who may come in, how much, until when. A token is shown once, when it is issued.

import { all, get, patch, post, remove } from "../api.js";
import { h, mono, put, said } from "../dom.js";
import { count, exact, moment } from "../format.js";
import { t, word } from "../i18n.js";
import { limitOf } from "../key_dialogs.js";
import { ask, button, card, copy, empty, field, head, meter, notice, pill, row, sure, table } from "../ui.js";
import { when } from "../words.js";

const COLUMNS = ["name", "state", "today", "perMinute", "ever", "last", "expires", "models", "actions"];

/** @param {HTMLElement} room @param {{signal: AbortSignal}} parts */
export async function show(room, { signal }) {
  const body = h("div", { class: "stack" });
  let models = [];

  async function load() {
    const tokens = await all("tokens", {}, signal);
    const order = { active: 0, expired: 1, revoked: 2 };
    tokens.sort((one, other) => order[one.state] - order[other.state] || other.id - one.id);
    put(body, tokens.length === 0 ? card(null, empty(t("clients.empty"), t("clients.emptyWords"), button(t("clients.issue"), issue, { class: "primary" }))) : card(null, tokenTable(tokens)));
  }

  async function issue() {
    const issued = await tokenForm(null, models);
    if (!issued) return;
    await load();
    const status = await get("status");
    await showToken(issued, status.client_base_url, models[0] ?? "");
  }

  function tokenTable(tokens) {
    const names = COLUMNS.map((name) => t(`column.${name}`));
    const heads = [...names.slice(0, -1), h("th", { scope: "col" }, h("span", { class: "unseen" }, names.at(-1)))];
    return table(t("nav.clients"), heads, tokens.map((token) => tokenRow(names, token)), { class: "tokens" });
  }

  function tokenRow(names, token) {
    const tone = { active: "good", expired: "warn", revoked: "plain" }[token.state] ?? "plain";
    const spot = (what) => ({ "data-spot": `${what}-${token.id}`, "aria-label": `${t(`do.${what}`)}: ${token.name}` });
    const edit = async () => (await tokenForm(token, models)) && load();
    const revoke = async () => {
      if (!(await sure(t("clients.revoke", { name: token.name }), t("clients.revokeWords"), t("do.revoke")))) return;
      await remove(`tokens/${token.id}`);
      notice(t("clients.revoked", { name: token.name }));
      await load();
    };
    const used = token.requests_per_day === null ? count(token.used_today) : t("keys.of", { used: count(token.used_today), limit: count(token.requests_per_day) });
    return row(names, [
      h("div", { class: "who" }, h("a", { href: `#/usage?token=${token.id}` }, said(token.name)), h("code", {}, token.hint)),
      pill(word("state", token.state), tone),
      h("div", { class: "used" }, used, token.requests_per_day !== null && meter(token.used_today, token.requests_per_day, t("account.used", { name: token.name }))),
      token.requests_per_minute === null ? t("clients.noLimit") : count(token.requests_per_minute),
      count(token.used_total), when(token.last_used),
      token.expires_at === null ? t("clients.noExpiry") : h("time", { datetime: token.expires_at, title: exact(token.expires_at) }, moment(token.expires_at)),
      token.allowed_models === null ? t("clients.allModels") : h("span", { title: token.allowed_models.join("\n") }, t("clients.someModels", { n: token.allowed_models.length })),
      h("div", { class: "actions" }, token.state !== "revoked" && [button(t("do.edit"), edit, spot("edit")), button(t("do.revoke"), revoke, { ...spot("revoke"), class: "quiet bad" })]),
    ], { "data-token": token.id, class: token.state === "active" ? null : "off" });
  }

  const [offered] = await Promise.all([all("models", { enabled: "true" }, signal).catch(() => []), load()]);
  models = offered.map((model) => model.id);
  put(room, head(t("nav.clients"), t("clients.words"), button(t("clients.issue"), issue, { class: "primary" })), body);
}

/** The form of a token, new or not. @returns {Promise<any>} what the API answered, or null */
function tokenForm(token, models) {
  const name = h("input", { name: "name", required: true, maxlength: 200, value: token?.name ?? "", autocomplete: "off" });
  const expires = h("input", { name: "expires_at", type: "datetime-local", value: token?.expires_at ? local(token.expires_at) : "" });
  const whole = (key) => h("input", { name: key, inputmode: "numeric", autocomplete: "off", value: token?.[key] ?? "" });
  const allowed = h("textarea", { name: "allowed_models", rows: 3, spellcheck: "false", class: "code" }, token?.allowed_models?.join("\n") ?? "");
  const pick = h("select", { "aria-label": t("clients.pick") }, h("option", { value: "" }, t("clients.pick")), models.map((id) => h("option", { value: id }, id)));
  pick.addEventListener("change", () => {
    if (pick.value) allowed.value = `${allowed.value.trim()}\n${pick.value}`.trim();
    pick.value = "";
  });
  return ask({
    title: token ? t("clients.edit", { name: token.name }) : t("clients.issue"), action: token ? t("do.save") : t("do.issue"),
    body: [field(t("field.name"), name, t("field.nameHint")), field(t("field.expires"), expires, t("field.expiresHint")),
      h("div", { class: "two" }, field(t("field.perDay"), whole("requests_per_day"), t("field.noLimitHint")), field(t("field.perMinute"), whole("requests_per_minute"), t("field.noLimitHint"))),
      field(t("field.models"), allowed, t("field.modelsHint")), pick],
    save: (form) => {
      const ids = allowed.value.split(/[\s,]+/).filter(Boolean);
      const body = { name: name.value.trim(), expires_at: expires.value ? new Date(expires.value).toISOString() : null, allowed_models: ids.length ? ids : null,
        requests_per_day: limitOf(form, "requests_per_day"), requests_per_minute: limitOf(form, "requests_per_minute") };
      return token ? patch(`tokens/${token.id}`, body) : post("tokens", body);
    },
  });
}

/** A moment as datetime-local takes it. */
function local(time) {
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function showToken(issued, base, model) {
  const secret = h("code", { class: "secret" }, issued.token);
  const curl = [`curl ${base}/chat/completions \\`, `  -H "Authorization: Bearer ${issued.token}" \\`, `  -H "Content-Type: application/json" \\`,
    `  -d '${JSON.stringify({ model: issued.allowed_models?.[0] ?? model, messages: [{ role: "user", content: "Hello!" }] })}'`].join("\n");
  const example = h("pre", { tabindex: 0 }, curl);
  return ask({
    title: t("clients.issued", { name: issued.name }), action: t("clients.kept"), wide: true,
    body: [h("p", { class: "banner warn" }, t("clients.once")), h("div", { class: "copy" }, secret, button(t("do.copy"), () => copy(issued.token, secret), { class: "primary" })),
      h("dl", { class: "facts" }, h("dt", {}, t("clients.base")), h("dd", {}, mono(base))), h("h3", {}, t("clients.try")), example, button(t("clients.copyCurl"), () => copy(curl, example))],
  });
}
