// Settings: what holds and where it came from; what can change while the program runs, changes here.
// Language and theme are this browser's own.

import { get, patch } from "../api.js";
import { h, mono, put, said } from "../dom.js";
import { exact } from "../format.js";
import { LANGUAGES, language, setLanguage, t } from "../i18n.js";
import { chooseTheme, theme } from "../look.js";
import { ask, button, card, field, head, notice, pill, row, table } from "../ui.js";

/** @param {HTMLElement} room @param {{signal: AbortSignal}} parts */
export async function show(room, { signal }) {
  const body = h("div", { class: "stack" });
  const [status, settings] = await Promise.all([get("status", {}, signal), get("settings", {}, signal)]);

  function draw(entries) {
    const sections = Map.groupBy ? Map.groupBy(entries, ({ key }) => key.split(".")[0]) : grouped(entries);
    put(body, [...sections].map(([section, members]) => card(t(`section.${section}`) === `section.${section}` ? section : t(`section.${section}`), settingTable(section, members, change))));
  }
  async function change(entry) {
    const answer = await edit(entry);
    if (answer) draw(answer.data);
  }
  draw(settings.data);
  put(room, head(t("nav.settings"), t("settings.words")), h("div", { class: "two" }, card(t("settings.look"), look()), card(t("settings.about"), about(status))), card(t("settings.instances"), instances(status.instances)), body);
}

function grouped(entries) {
  const sections = new Map();
  for (const entry of entries) {
    const section = entry.key.split(".")[0];
    sections.set(section, [...(sections.get(section) ?? []), entry]);
  }
  return sections;
}

function look() {
  const choose = (values, now, change) => {
    const made = h("select", {}, Object.entries(values).map(([value, name]) => h("option", { value, selected: value === now }, name)));
    made.addEventListener("change", () => change(made.value));
    return made;
  };
  const tongue = choose(LANGUAGES, language(), (chosen) => {
    setLanguage(chosen);
    window.dispatchEvent(new Event("look"));
  });
  const themes = Object.fromEntries(["auto", "light", "dark"].map((name) => [name, t(`theme.${name}`)]));
  return [field(t("nav.language"), tongue, ""), field(t("settings.theme"), choose(themes, theme(), chooseTheme), t("settings.lookHint"))];
}

function about(status) {
  const fact = (name, value) => [h("dt", {}, t(`about.${name}`)), h("dd", {}, value)];
  const lives = Object.entries(status.actors).map(([name, alive]) => [pill(t(`actor.${name}`), alive ? "good" : "bad"), " "]);
  return h("dl", { class: "facts" }, fact("version", status.version), fact("started", exact(status.started_at)), fact("database", mono(status.database)), fact("clients", mono(status.client_base_url)),
    fact("parts", lives), fact("waiting", status.usage_rows_waiting));
}

const LOOKS = { live: "good", draining: "warn", silent: "bad" };

function instances(all) {
  const names = ["machine", "state", "version", "clientsAt", "operatorsAt", "started", "heard"].map((name) => t(`column.${name}`));
  return table(t("settings.instances"), names, all.map((one) => row(names, [
    h("div", { class: "state" }, mono(`${one.host} · ${one.pid}`), one.this && pill(t("instance.this"))),
    pill(t(`instance.${one.state}`), LOOKS[one.state]),
    one.version, mono(one.data_address), mono(one.admin_address), exact(one.started_at), exact(one.heard_at),
  ], { "data-instance": one.id })), { class: "instances" });
}

function settingTable(section, entries, change) {
  const names = ["setting", "value", "source", "actions"].map((name) => t(`column.${name}`));
  const heads = [...names.slice(0, -1), h("th", { scope: "col" }, h("span", { class: "unseen" }, names.at(-1)))];
  return table(section, heads, entries.map((entry) => row(names, [
    h("span", { title: entry.about }, mono(entry.key)), value(entry), source(entry),
    entry.live && button(t("do.change"), () => change(entry), { "data-spot": entry.key, "aria-label": `${t("do.change")}: ${entry.key}` }),
  ], { "data-setting": entry.key })), { class: "settings" });
}

/** What nobody gave stands in parentheses. */
const given = (text) => !text.startsWith("(");

function value(entry) {
  if (entry.value === "(none)") return h("span", { class: "muted" }, t("settings.none"));
  return entry.secret || !given(entry.value) ? h("span", { class: "muted" }, said(entry.value)) : mono(entry.value);
}

function source(entry) {
  if (entry.configured !== null) return h("span", { class: "plain" }, pill(t("settings.untilRestart"), "warn"), h("small", { class: "muted" }, t("settings.configured", { value: entry.configured })));
  const [, kind, name] = /^(environment variable|flag) (\S+)$/.exec(entry.source) ?? [];
  if (kind) return h("span", {}, t(kind === "flag" ? "settings.flag" : "settings.variable"), " ", mono(name));
  return entry.source === "default" ? h("span", { class: "muted" }, t("settings.default")) : said(entry.source);
}

function edit(entry) {
  const now = given(entry.value) ? entry.value : "";
  const choices = entry.takes === "switch" ? ["true", "false"] : entry.choices;
  const control = choices.length > 0 ? h("select", { name: entry.key }, choices.map((choice) => h("option", { value: choice, selected: choice === now }, choice)))
    : h("input", { name: entry.key, value: now, autocomplete: "off", spellcheck: "false", class: "code", placeholder: now ? null : entry.value });
  return ask({
    title: entry.key, action: t("do.save"), body: [h("p", {}, entry.about), field(t("column.value"), control, t(entry.takes === "limit" ? "settings.limitHint" : "settings.liveHint"))],
    save: async () => {
      const answer = await patch("settings", { [entry.key]: typed(entry.takes, control.value.trim()) });
      notice(t("settings.changed", { key: entry.key }));
      return answer;
    },
  });
}

/** A text as the API takes it; what is no number is left for the API to complain about. */
function typed(takes, text) {
  if (takes === "switch") return text === "true";
  if (takes === "limit" && text === "") return null;
  return ["whole", "limit", "seconds"].includes(takes) && text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
