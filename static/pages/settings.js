// Settings: what holds and where it came from; what can change while the program runs, changes here.
// Language and theme are this browser's own.

import { get, patch } from "../api.js";
import { h, mono, put, said } from "../dom.js";
import { exact } from "../format.js";
import { LANGUAGES, language, setLanguage, t } from "../i18n.js";
import { chooseTheme, theme } from "../look.js";
import { ask, button, card, field, head, notice, pill, row, table } from "../ui.js";

const CHOICES = { "proxy.load_balance_strategy": ["round_robin", "least_used", "random", "most_remaining"], "proxy.max_tokens": ["auto", "off"], "proxy.cache_control": ["auto", "last_message", "off"] };

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
  put(room, head(t("nav.settings"), t("settings.words")), h("div", { class: "two" }, card(t("settings.look"), look()), card(t("settings.about"), about(status))), body);
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

function settingTable(section, entries, change) {
  const names = ["setting", "value", "source", "actions"].map((name) => t(`column.${name}`));
  const heads = [...names.slice(0, -1), h("th", { scope: "col" }, h("span", { class: "unseen" }, names.at(-1)))];
  return table(section, heads, entries.map((entry) => row(names, [
    mono(entry.key),
    entry.secret ? h("span", { class: "muted" }, said(entry.value)) : entry.value === "(none)" ? h("span", { class: "muted" }, t("settings.none")) : entry.value.startsWith("(") ? h("span", { class: "muted" }, said(entry.value)) : mono(entry.value),
    entry.source === "default" ? h("span", { class: "muted" }, t("settings.default")) : said(entry.source),
    entry.live && button(t("do.change"), () => change(entry), { "data-spot": entry.key, "aria-label": `${t("do.change")}: ${entry.key}` }),
  ], { "data-setting": entry.key })), { class: "settings" });
}

function edit(entry) {
  const choices = CHOICES[entry.key] ?? (/^(true|false)$/.test(entry.value) ? ["true", "false"] : null);
  const control = choices ? h("select", { name: entry.key }, choices.map((value) => h("option", { value, selected: value === entry.value }, value)))
    : h("input", { name: entry.key, value: entry.value, autocomplete: "off", spellcheck: "false", class: "code" });
  return ask({
    title: entry.key, action: t("do.save"), body: [field(t("column.value"), control, t("settings.liveHint"))],
    save: async () => {
      const answer = await patch("settings", { [entry.key]: control.value });
      notice(t("settings.changed", { key: entry.key }));
      return answer;
    },
  });
}
