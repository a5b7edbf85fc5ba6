// The keys, by account: what state each is in and why, and what can be done about it.

import { all, get, patch, post } from "../api.js";
import { h, put, said } from "../dom.js";
import { ago, count, moment, percent } from "../format.js";
import { t } from "../i18n.js";
import { addKey, editAccount, editKey, exportKeys, importKeys, removeKey } from "../key_dialogs.js";
import * as live from "../live.js";
import { button, card, empty, failed, head, meter, notice, pill, row, table, toggle } from "../ui.js";
import { keyState, resting, when } from "../words.js";

const REFRESH_MS = 5000;

/** @param {HTMLElement} room @param {{query: URLSearchParams, signal: AbortSignal}} parts */
export async function show(room, { query, signal }) {
  const body = h("div", { class: "stack" });
  let timer = null;

  async function load() {
    clearTimeout(timer);
    const [keys, accounts, stats] = await Promise.all([
      all("keys", {}, signal), all("accounts", {}, signal), get("usage/stats", { days: 7 }, signal).catch(() => null)]);
    const rates = new Map((stats?.keys ?? []).map((share) => [Number(share.name), share.success_rate]));
    if (keys.length === 0) put(body, card(null, empty(t("keys.empty"), t("keys.emptyWords"), button(t("keys.add"), add, { class: "primary" }), button(t("keys.paste"), paste))));
    else put(body, groups(keys, accounts).map(({ account, members }) => group(account, members, rates, load)));
    if (!signal.aborted) timer = setTimeout(refresh, REFRESH_MS);
  }
  const refresh = () => (document.hidden ? (timer = setTimeout(refresh, REFRESH_MS)) : load().catch((error) => signal.aborted || put(body, failed(error, load))));
  const add = () => addKey().then((key) => key && load());
  const paste = () => importKeys().then((done) => done && load());

  await load();
  put(room, head(t("nav.keys"), t("keys.words"), button(t("keys.add"), add, { class: "primary" }), button(t("keys.paste"), paste), button(t("keys.export"), exportKeys)), body);
  live.on("state", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 400);
  }, signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  if (query.has("add")) {
    history.replaceState(null, "", "#/keys");
    void add();
  }
}

/** Keys by account, accounts in order; keys of an account that is not listed come last. */
function groups(keys, accounts) {
  const known = new Map(accounts.map((account) => [account.id, { account, members: [] }]));
  const lost = { account: null, members: [] };
  for (const key of keys) (known.get(key.account_id) ?? lost).members.push(key);
  return [...known.values(), lost].filter(({ members }) => members.length > 0);
}

function group(account, members, rates, load) {
  const columns = ["key", "state", "today", "ever", "rate", "last"].map((name) => t(`column.${name}`));
  columns.push(h("th", { scope: "col" }, h("span", { class: "unseen" }, t("column.actions"))));
  const name = account ? t("account.name", { id: account.id }) : t("account.unknown");
  return h("section", { class: "card", "aria-label": name }, account && accountHead(account, name, load),
    table(name, columns, members.map((key) => keyRow(key, rates.get(key.id), load)), { class: "keys" }));
}

/** Resting models of an account that are shown one by one. */
const MODELS = 3;

/** The model of a rest's place, `account_model:<account>:<model>`. */
const modelOf = ({ place }) => place.split(":").slice(2).join(":");

function accountHead(account, name, load) {
  const limited = account.limit_today !== null;
  const clear = async () => {
    await post(`accounts/${account.id}/reset`);
    await load();
  };
  return h("header", { class: "account" },
    h("div", {}, h("h2", {}, name, account.free_tier !== null && pill(account.free_tier ? t("account.free") : t("account.paid"))),
      account.users.length > 0 && h("small", { class: "muted" }, said(account.users.join(", ")))),
    h("div", { class: "quota" },
      h("span", {}, limited ? t("account.today", { used: count(account.used_today), limit: count(account.limit_today) }) : t("account.noLimit", { used: count(account.used_today) })),
      meter(account.used_today, account.limit_today, t("account.used", { name })),
      h("small", { class: "muted" }, account.resting ? resting(account.resting, `account:${account.id}`)
        : limited ? t("account.resets", { time: moment(account.resets_at), in: ago(account.resets_at) }) : ""),
      ...account.resting_models.slice(0, MODELS).map((rest) => h("small", { class: "muted" }, said(modelOf(rest)), " ", resting(rest, rest.place))),
      account.resting_models.length > MODELS && h("small", { class: "muted" }, t("account.moreModels", { n: count(account.resting_models.length - MODELS) }))),
    h("div", { class: "actions" }, (account.resting || account.resting_models.length > 0) && button(t("do.clear"), clear, { "data-spot": `account-clear-${account.id}` }),
      button(t("account.limits"), () => editAccount(account).then((done) => done && load()), { "data-spot": `account-${account.id}`, "aria-label": `${t("account.limits")}: ${name}` })));
}

function keyRow(key, rate, load) {
  const name = key.label || key.hint;
  const names = ["key", "state", "today", "ever", "rate", "last", "actions"].map((column) => t(`column.${column}`));
  const change = async (enabled) => {
    await patch(`keys/${key.id}`, { enabled });
    await load();
  };
  const used = key.daily_limit === null ? count(key.used_today) : t("keys.of", { used: count(key.used_today), limit: count(key.daily_limit) });
  const spot = (what) => ({ "data-spot": `${what}-${key.id}`, "aria-label": `${t(`do.${what}`)}: ${name}`, title: t(`do.${what}`) });
  return row(names, [
    h("div", { class: "who" }, key.label ? h("strong", {}, said(key.label)) : h("span", { class: "muted" }, t("keys.noLabel")), h("code", {}, key.hint)),
    keyState(key, key.resting && button(t("do.clear"), () => clearRest(key, load), spot("clear"))),
    h("div", { class: "used" }, used, key.daily_limit !== null && meter(key.used_today, key.daily_limit, t("account.used", { name }))),
    count(key.used_total),
    percent(rate ?? null),
    when(key.last_used),
    h("div", { class: "actions" },
      toggle(`${t("keys.enabled")}: ${name}`, key.enabled, change, `switch-${key.id}`),
      button(t("do.check"), () => check(key, load), spot("check")),
      button(t("do.edit"), () => editKey(key).then((done) => done && load()), spot("edit")),
      button(t("do.remove"), () => removeKey(key).then((done) => done && load()), { ...spot("remove"), class: "quiet bad" })),
  ], { "data-key": key.id, class: key.enabled ? null : "off" });
}

async function clearRest(key, load) {
  await post(`keys/${key.id}/reset`);
  notice(t("keys.cleared"));
  await load();
}

async function check(key, load) {
  const found = await post(`keys/${key.id}/check`);
  const parts = [found.valid ? t("check.valid", { name: key.label || key.hint }) : t("check.invalid", { name: key.label || key.hint })];
  if (!found.valid && found.detail) parts.push(found.detail);
  if (found.is_free_tier !== null) parts.push(found.is_free_tier ? t("check.free") : t("check.paid"));
  if (found.free_limit !== null) parts.push(t("check.today", { used: count(found.free_used ?? 0), limit: count(found.free_limit) }));
  if (found.limit_remaining !== null) parts.push(t("check.credit", { left: found.limit_remaining }));
  if (found.expires_at) parts.push(t("check.expires", { time: moment(found.expires_at) }));
  notice(parts.join(" "), found.valid ? "good" : "bad");
  await load();
}
