// The models on offer: what each can do, how it is, and whether clients may use it.

import { all, get, patch, post } from "../api.js";
import { h, mono, put, said } from "../dom.js";
import { ago, count, size } from "../format.js";
import { t, word } from "../i18n.js";
import { ask, button, card, empty, head, notice, pill, row, table, toggle } from "../ui.js";
import { resting } from "../words.js";

const COLUMNS = {
  model: (model) => model.id, parameters: (model) => model.parameters, context: (model) => model.context_length, output: (model) => model.max_output,
  abilities: null, expires: (model) => model.expires, health: (model) => (model.resting ? 1 : 0),
  today: (model) => model.requests_today, enabled: (model) => (model.enabled ? 1 : 0),
};

/** @param {HTMLElement} room @param {{query: URLSearchParams, signal: AbortSignal}} parts */
export async function show(room, { query, signal }) {
  let models = [];
  let fetched = null;
  const wish = { q: query.get("q") ?? "", free: query.get("free") ?? "true", sort: query.get("sort") ?? "model", down: query.has("down") };
  const body = h("div", { class: "stack" });
  const words = h("span", {});
  const search = h("input", { type: "search", value: wish.q, placeholder: t("models.search"), "aria-label": t("models.search") });
  const kind = h("select", { "aria-label": t("models.which") }, ["true", "all"].map((value) => h("option", { value, selected: value === wish.free }, t(`models.free.${value}`))));

  async function load() {
    const [entries, status] = await Promise.all([all("models", { free: wish.free }, signal), get("status", {}, signal)]);
    models = entries;
    fetched = status.models.fetched_at;
    draw();
  }

  function draw() {
    const shown = sorted(models.filter((model) => matches(model, wish.q)), wish);
    put(words, t("models.words", { n: count(models.length), time: fetched ? ago(fetched) : t("time.never") }));
    if (models.length === 0) return put(body, card(null, empty(t("models.empty"), t("models.emptyWords"), button(t("models.refresh"), refresh, { class: "primary" }))));
    if (shown.length === 0) return put(body, card(null, empty(t("models.noMatch"), t("models.noMatchWords"), button(t("do.clearSearch"), clear))));
    return put(body, card(null, modelTable(shown, wish, turn, load)));
  }

  function remember() {
    const pairs = new URLSearchParams();
    if (wish.q) pairs.set("q", wish.q);
    if (wish.free !== "true") pairs.set("free", wish.free);
    if (wish.sort !== "model") pairs.set("sort", wish.sort);
    if (wish.down) pairs.set("down", "");
    history.replaceState(null, "", `#/models${pairs.size ? `?${pairs}` : ""}`);
    draw();
  }
  function turn(column) {
    wish.down = wish.sort === column ? !wish.down : !["model", "expires"].includes(column);
    wish.sort = column;
    remember();
  }
  function clear() {
    wish.q = search.value = "";
    remember();
  }
  async function refresh() {
    const found = await post("models/refresh");
    await load();
    await tellChanges(found);
  }
  search.addEventListener("input", () => {
    wish.q = search.value;
    remember();
  });
  kind.addEventListener("change", async () => {
    wish.free = kind.value;
    put(body, h("p", { class: "loading" }, t("state.loading")));
    await load().catch((error) => notice(error.words ?? error.message, "bad"));
    remember();
  });
  await load();
  put(room, head(t("nav.models"), words, button(t("models.refresh"), refresh, { class: "primary" })), h("div", { class: "filters one", role: "search" }, search, kind), body);
}

function matches(model, q) {
  const text = `${model.id} ${model.name ?? ""} ${model.owner}`.toLowerCase();
  return q.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

/** Missing figures come last, whichever way the table is turned. */
function sorted(models, { sort, down }) {
  const value = COLUMNS[sort] ?? COLUMNS.model;
  const compare = (one, other) => (typeof one === "string" ? one.localeCompare(other) : one - other) * (down ? -1 : 1);
  return [...models].sort((one, other) => {
    const [first, second] = [value(one), value(other)];
    if (first === null || second === null) return (first === null) - (second === null);
    return compare(first, second) || one.id.localeCompare(other.id);
  });
}

function modelTable(models, wish, turn, load) {
  const heads = Object.entries(COLUMNS).map(([name, value]) => {
    const text = t(`column.${name}`);
    if (!value) return h("th", { scope: "col", "data-name": text }, text);
    const order = wish.sort === name ? (wish.down ? "descending" : "ascending") : "none";
    return h("th", { scope: "col", "data-name": text, "aria-sort": order }, h("button", { type: "button", class: "sort", "data-spot": `sort-${name}`, on: { click: () => turn(name) } }, text));
  });
  return table(t("nav.models"), heads, models.map((model) => modelRow(model, load)), { class: "models" });
}

function modelRow(model, load) {
  const change = async (enabled) => {
    await patch(`models/${encodeURIComponent(model.id)}`, { enabled });
    await load();
  };
  return row(Object.keys(COLUMNS).map((name) => t(`column.${name}`)), [
    h("div", { class: "who" }, h("button", { type: "button", class: "link", "data-spot": `open-${model.id}`, on: { click: () => details(model) } }, said(model.id)), model.name && h("small", { class: "muted" }, said(model.name))),
    size(model.parameters), size(model.context_length), size(model.max_output),
    h("div", { class: "abilities" }, h("small", {}, t("models.modalities", { takes: modalities(model.input_modalities), gives: modalities(model.output_modalities) })), h("span", { class: "pills" }, model.tools && pill(t("models.tools")), model.reasoning && pill(t("models.reasoning")), !model.free && pill(t("models.paid"), "warn"))),
    model.expires ?? "–",
    model.resting ? h("div", { class: "state" }, pill(t("state.resting"), "warn"), h("small", {}, resting(model.resting, `model:${model.id}`))) : model.enabled ? pill(t("state.well"), "good") : pill(t("state.disabled")),
    count(model.requests_today),
    toggle(`${t("models.enabled")}: ${model.id}`, model.enabled, change, `switch-${model.id}`),
  ], { class: model.enabled ? null : "off" });
}

const modalities = (kinds) => kinds.map((kind) => word("modality", kind)).join(t("models.and"));

function details(model) {
  const fact = (name, value) => [h("dt", {}, t(`column.${name}`)), h("dd", {}, value)];
  return ask({
    title: said(model.name ?? model.id), action: t("do.close"), wide: true,
    body: [h("dl", { class: "facts" }, fact("id", mono(model.id)), fact("owner", said(model.owner)), fact("parameters", count(model.parameters)), fact("context", count(model.context_length)),
      fact("output", count(model.max_output)), fact("created", model.created ? new Date(model.created).toISOString().slice(0, 10) : "–"), fact("expires", model.expires ?? "–"),
      fact("today", count(model.requests_today)), fact("supported", model.supported_parameters.length ? model.supported_parameters.map((name) => [mono(name), " "]) : "–")),
    h("p", {}, h("a", { href: `#/usage?model=${encodeURIComponent(model.id)}` }, t("models.usage")), " · ", h("a", { href: `#/playground?model=${encodeURIComponent(model.id)}` }, t("models.try")))],
  });
}

function tellChanges({ models, free, added, removed, changed }) {
  if (added.length + removed.length + changed.length === 0) return notice(t("models.same", { n: count(models), free: count(free) }));
  const part = (name, ids) => ids.length > 0 && h("section", {}, h("h3", {}, t(`models.${name}`, { n: ids.length })), h("ul", { class: "plain" }, ids.map((id) => h("li", {}, mono(id)))));
  return ask({ title: t("models.changes"), action: t("do.close"), body: [h("p", {}, t("models.same", { n: count(models), free: count(free) })), part("added", added), part("removed", removed), part("changed", changed)] });
}
