// The first page: how today goes, what needs the operator, what happens now.

import { all, get, wordsOf } from "../api.js";
import { chart } from "../charts.js";
import { h, put, said } from "../dom.js";
import { ago, clock, count, list, millis, moment, percent, short, utcDay } from "../format.js";
import { t } from "../i18n.js";
import { feed } from "../feed.js";
import * as live from "../live.js";
import { card, empty, head, meter } from "../ui.js";
import { resting } from "../words.js";

const DAYS = 14;
const REFRESH_MS = 10_000;
const LEADS = { key_dead: "keys", no_usable_key: "keys", catalog_stale: "models", admin_password_as_client: "clients", weak_password: "settings" };

/** @param {HTMLElement} room @param {{signal: AbortSignal}} parts */
export async function show(room, { signal }) {
  const banners = h("div", { class: "banners" });
  const forecast = h("p", { class: "forecast" });
  const body = h("div", { class: "grid" });
  const flow = feed(signal);
  let keys = new Map();
  let drawn = "";

  async function load() {
    const [overview, named] = await Promise.all([get("overview", { days: DAYS }, signal), all("keys", {}, signal)]);
    keys = new Map(named.map((key) => [key.id, key]));
    // Drawn anew only when something changed, so that nothing moves under the pointer.
    const { time, ...rest } = overview;
    const state = JSON.stringify([rest, named.map((key) => key.label), clock(time)]);
    if (state === drawn) return;
    drawn = state;
    put(banners, overview.banners.map(banner));
    put(forecast, forecastWords(overview));
    put(body, tiles(overview), overview.keys.count === 0 ? firstSteps() : charts(overview), accounts(overview, keys), flow);
  }

  await load();
  put(room, head(t("nav.overview"), forecast), banners, body);
  let timer = null;
  const soon = (delay) => {
    if (timer || signal.aborted) return;
    timer = setTimeout(async () => {
      timer = null;
      if (!document.hidden) await load().catch((error) => signal.aborted || put(forecast, h("span", { class: "fault" }, wordsOf(error))));
      soon(REFRESH_MS);
    }, delay);
  };
  live.on("state", () => soon(2000), signal);
  signal.addEventListener("abort", () => clearTimeout(timer));
  soon(REFRESH_MS);
}

function banner({ kind, severity, detail, count: n, ids }) {
  const key = `banner.${kind}`;
  const words = t(key, { n: n ?? "", ids: list(ids ?? []) });
  const page = LEADS[kind];
  return h("div", { class: `banner ${severity === "critical" ? "bad" : "warn"}`, role: severity === "critical" ? "alert" : "status" },
    h("span", {}, words === key ? said(detail) : words), page && h("a", { href: `#/${page}` }, t("banner.look", { page: t(`nav.${page}`) })));
}

/** The forecast in words: how much is left, and how long it lasts. */
function forecastWords({ quota, keys }) {
  if (keys.count === 0) return t("overview.noKeys");
  if (quota.limit === null) return t("quota.none", { used: count(quota.used) });
  const left = t("quota.left", { left: count(quota.left), limit: count(quota.limit) });
  const end = moment(quota.resets_at);
  if (quota.left === 0) return `${left} ${t("quota.spent", { time: end })}`;
  if (quota.lasts_until) return `${left} ${t("quota.lasts", { time: moment(quota.lasts_until), end })}`;
  return `${left} ${quota.used > 0 ? t("quota.enough", { time: end }) : t("quota.fresh", { time: end })}`;
}

function tile(name, now, before, tone, note) {
  return h("div", { class: "tile" }, h("dt", {}, name), h("dd", { class: tone ?? null }, now),
    h("dd", { class: "before" }, before === undefined ? t("overview.noYesterday") : t("overview.yesterday", { value: before })),
    note && h("dd", { class: "before" }, note));
}

function tiles({ today, yesterday }) {
  const past = (value) => (yesterday ? value(yesterday) : undefined);
  const rate = today.success_rate;
  const tone = rate === null ? null : rate < 0.8 ? "bad" : rate < 0.95 ? "warn" : "good";
  return h("dl", { class: "tiles" },
    tile(t("figure.requests"), count(today.requests), past((day) => count(day.requests))),
    tile(t("figure.tokens"), short(today.total_tokens), past((day) => short(day.total_tokens))),
    tile(t("figure.models"), count(today.models), past((day) => count(day.models))),
    tile(t("figure.success"), percent(rate), past((day) => percent(day.success_rate)), tone, today.refused > 0 && t("overview.refused", { n: count(today.refused) })),
    tile(t("figure.p50"), millis(today.first_content_p50), past((day) => millis(day.first_content_p50))),
    tile(t("figure.p95"), millis(today.first_content_p95), past((day) => millis(day.first_content_p95))));
}

const firstSteps = () => card(null, empty(t("keys.empty"), t("keys.emptyWords"), h("a", { class: "button primary", href: "#/keys?add" }, t("keys.add"))));

function charts({ hours, days, models }) {
  const sum = (points, of) => points.reduce((total, point) => total + (of(point) ?? 0), 0);
  const requests = chart({
    kind: "bars", caption: t("chart.hours"), format: short,
    series: [{ name: t("outcome.completed"), tone: "one" }, { name: t("chart.unfinished"), tone: "three" }, { name: t("chart.failed"), tone: "two" }],
    points: hours.map((hour) => ({ label: clock(hour.start), title: moment(hour.start), values: [hour.completed, hour.cancelled + hour.truncated, hour.refused + hour.failed] })),
    summary: t("chart.hoursSum", { n: count(sum(hours, (hour) => hour.requests)) }),
  });
  const tokens = chart({
    kind: "bars", caption: t("chart.days"), format: short,
    series: [{ name: t("figure.prompt"), tone: "four" }, { name: t("figure.completion"), tone: "one" }],
    points: days.map((day) => ({ label: utcDay(day.start), title: utcDay(day.start), values: [day.prompt_tokens, day.completion_tokens] })),
    summary: t("chart.daysSum", { n: count(sum(days, (day) => day.total_tokens)) }),
  });
  const latency = chart({
    kind: "lines", caption: t("chart.latency"), format: millis,
    series: [{ name: "p50", tone: "one" }, { name: "p95", tone: "three" }],
    points: hours.map((hour) => ({ label: clock(hour.start), title: moment(hour.start), values: [hour.first_content_p50, hour.first_content_p95] })),
    summary: t("chart.latencySum"),
  });
  return [card(null, requests), card(null, tokens), card(null, latency), shares(models)];
}

function shares(models) {
  const total = models.reduce((sum, { requests }) => sum + requests, 0);
  const rows = models.map(({ name, requests, success_rate: rate }) => {
    const fill = h("i", {});
    fill.style.inlineSize = `${(requests / Math.max(total, 1)) * 100}%`;
    const model = name ? h("a", { href: `#/usage?model=${encodeURIComponent(name)}` }, said(name)) : h("span", { class: "muted" }, t("chart.noModel"));
    return h("li", {}, h("span", { class: "name" }, model), h("span", { class: "figure" }, `${count(requests)} · ${percent(requests / Math.max(total, 1))}`),
      h("span", { class: "share", title: t("chart.success", { rate: percent(rate) }) }, fill));
  });
  return card(t("chart.models", { n: DAYS }), rows.length > 0 ? h("ol", { class: "shares" }, rows) : h("p", { class: "muted" }, t("chart.nothing")));
}

function accounts({ accounts: entries }, keys) {
  if (entries.length === 0) return null;
  const rows = entries.map((account) => {
    const names = account.keys.map((id) => keys.get(id)?.label || keys.get(id)?.hint || `#${id}`);
    const shown = names.length > 3 ? [...names.slice(0, 2), t("account.more", { n: names.length - 2 })] : names;
    const label = t("account.name", { id: account.id });
    return h("li", {},
      h("span", { class: "name" }, h("a", { href: "#/keys" }, label), " ", h("small", { class: "muted" }, said(list(shown)))),
      h("span", { class: "figure" }, account.limit_today === null ? t("account.noLimit", { used: count(account.used_today) })
        : t("account.left", { left: short(account.left_today), limit: short(account.limit_today) })),
      meter(account.used_today, account.limit_today, t("account.used", { name: label })),
      h("small", { class: "muted" }, account.resting ? h("span", { class: "warn" }, resting(account.resting, `account:${account.id}`))
        : account.limit_today === null ? "" : t("account.resets", { time: moment(account.resets_at), in: ago(account.resets_at) })));
  });
  const shown = card(t("account.title"), h("ul", { class: "quotas" }, rows));
  shown.classList.add("full");
  return shown;
}
