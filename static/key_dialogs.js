// The dialogs about keys and accounts: add, paste many, edit, remove, export, limits.

import { ApiError, address, patch, post, remove } from "./api.js";
import { h, said } from "./dom.js";
import { count } from "./format.js";
import { t } from "./i18n.js";
import { ask, field, notice, pill, sure, table } from "./ui.js";

/** A limit as it was typed: null for an empty field. Errors: one for the field. */
export function limitOf(form, name, least = 1) {
  const text = form.elements.namedItem(name).value.trim();
  if (text === "") return null;
  if (/^-?\d+$/.test(text) && Number(text) >= least) return Number(text);
  const detail = least < 0 ? t("field.limitOrNone") : t("field.limitBad");
  throw new ApiError(400, { detail, errors: [{ field: name, detail }] }, null);
}

const limitField = (name, value, label, hint) => field(label, h("input", { name, inputmode: "numeric", value: value ?? "", autocomplete: "off" }), hint);
const labelField = (value) => field(t("field.label"), h("input", { name: "label", maxlength: 200, value: value ?? "", autocomplete: "off" }), t("field.labelHint"));

export function addKey() {
  const secret = h("input", { name: "key", autocomplete: "off", spellcheck: "false", required: true, placeholder: "sk-or-v1-…", class: "code" });
  return ask({
    title: t("keys.add"), action: t("do.add"),
    body: [field(t("field.key"), secret, [t("field.keyHint"), " ", h("a", { href: "https://openrouter.ai/settings/keys", target: "_blank", rel: "noopener noreferrer" }, "openrouter.ai/settings/keys")]),
      labelField(""), limitField("daily_limit", null, t("field.dailyLimit"), t("field.dailyLimitHint"))],
    save: async (form) => {
      const key = await post("keys", { key: secret.value.trim(), label: form.elements.label.value, daily_limit: limitOf(form, "daily_limit") });
      notice(t("keys.added", { name: key.label || key.hint }));
      return key;
    },
  });
}

export function editKey(key) {
  return ask({
    title: t("keys.edit", { name: key.label || key.hint }), action: t("do.save"),
    body: [labelField(key.label), limitField("daily_limit", key.daily_limit, t("field.dailyLimit"), t("field.dailyLimitHint"))],
    save: (form) => patch(`keys/${key.id}`, { label: form.elements.label.value, daily_limit: limitOf(form, "daily_limit") }),
  });
}

export async function removeKey(key) {
  const name = key.label || key.hint;
  if (!(await sure(t("keys.remove", { name }), t("keys.removeWords"), t("do.remove")))) return false;
  await remove(`keys/${key.id}`);
  notice(t("keys.removed", { name }));
  return true;
}

export function editAccount(account) {
  const learned = account.learned_daily_limit === null ? t("field.notLearned") : t("field.learned", { limit: count(account.learned_daily_limit) });
  return ask({
    title: t("account.limitsOf", { id: account.id }), action: t("do.save"),
    body: [h("p", { class: "muted" }, t("account.limitsWords")),
      limitField("daily_limit", account.daily_limit, t("field.freeDaily"), `${learned} ${t("field.freeHint")}`),
      limitField("minute_limit", account.minute_limit, t("field.freeMinute"), t("field.freeHint"))],
    save: (form) => patch(`accounts/${account.id}`, { daily_limit: limitOf(form, "daily_limit", -1), minute_limit: limitOf(form, "minute_limit", -1) }),
  });
}

/** Many keys at once, pasted or from a file; then what became of each line. */
export async function importKeys() {
  const text = h("textarea", { name: "text", rows: 9, spellcheck: "false", class: "code", placeholder: "sk-or-v1-…,team a,50\nsk-or-v1-…", required: true });
  const file = h("input", { type: "file", accept: ".txt,.csv,.json,text/plain,application/json" });
  file.addEventListener("change", async () => {
    text.value = (await file.files[0]?.text()) ?? "";
  });
  const done = await ask({
    title: t("keys.paste"), action: t("do.import"), wide: true,
    body: [field(t("field.lines"), text, t("field.linesHint")), field(t("field.file"), file, "")],
    save: () => post("keys/import", { text: text.value }),
  });
  if (!done) return false;
  const tones = { added: "good", known: "plain", failed: "bad" };
  const rows = done.lines.map(({ line, result, hint, detail }) => [line, pill(t(`import.${result}`), tones[result]), hint ? h("code", {}, hint) : "", detail ? said(detail) : ""]);
  await ask({
    title: t("import.title"), action: t("do.close"), wide: true,
    body: [h("p", {}, t("import.words", { added: count(done.added), known: count(done.known), failed: count(done.failed) })),
      table(t("import.title"), ["line", "result", "key", "detail"].map((name) => t(`column.${name}`)), rows)],
  });
  return true;
}

/** Exports: labels and limits at once, the keys themselves only after asking twice. */
export async function exportKeys() {
  const secrets = h("input", { type: "checkbox", name: "secrets" });
  const wanted = await ask({
    title: t("keys.export"), action: t("do.export"),
    body: [h("p", {}, t("export.words")), h("label", { class: "check" }, secrets, t("export.secrets"))],
    save: () => ({ secrets: secrets.checked }),
  });
  if (!wanted) return;
  if (wanted.secrets && !(await sure(t("export.sure"), t("export.sureWords"), t("export.sureDo")))) return;
  download(address("keys/export", wanted.secrets ? { secrets: "true", confirm: "secrets" } : {}));
}

/** Has the browser save what is at `url`; the server names the file. */
export function download(url) {
  const link = h("a", { href: url, download: "" });
  document.body.append(link);
  link.click();
  link.remove();
}
