// The parts that pages are made of: buttons, fields, dialogs, notices, states. Every part can be
// used by keyboard and says what it is.

import { wordsOf } from "./api.js";
import { h, nodes, put, s } from "./dom.js";
import { percent } from "./format.js";
import { t } from "./i18n.js";

const ICONS = {
  overview: "M4 4h7v7H4zM13 4h7v4h-7zM13 11h7v9h-7zM4 14h7v6H4z",
  keys: "M8 15a4 4 0 1 1 3.5-2L20 13v3h-2v-3M8 11h.01",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  usage: "M4 6h16M4 12h16M4 18h10",
  clients: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 20c1-4 4-6 8-6s7 2 8 6",
  playground: "M4 5h16v11H9l-5 4zM8 9h8M8 12h5",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  theme: "M12 4a8 8 0 1 0 8 8 6 6 0 0 1-8-8z",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
};

/** A small drawing, for eyes only. */
export const icon = (name) => s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));

/**
 * A button. While what it does has not ended it is busy; what it throws is shown.
 * @param {string} label @param {(event: Event) => any} action @param {object} [props]
 */
export function button(label, action, props = {}) {
  const made = h("button", { type: "button", ...props }, label);
  made.addEventListener("click", (event) => busy(made, () => action(event)));
  return made;
}

/** Runs `work` with `element` marked busy; a failure becomes a notice. */
export async function busy(element, work) {
  if (element.getAttribute("aria-busy") === "true") return;
  element.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError") notice(wordsOf(error), "bad");
  } finally {
    element.removeAttribute("aria-busy");
  }
}

/** A short message at the edge of the page; bad ones stay longer. @param {"good"|"bad"} tone */
export function notice(text, tone = "good") {
  let shelf = document.getElementById("notices");
  if (!shelf) {
    shelf = h("div", { id: "notices", popover: "manual" });
    document.body.append(shelf);
  }
  const close = () => {
    made.remove();
    if (!shelf.firstChild && shelf.matches(":popover-open")) shelf.hidePopover();
  };
  const made = h("div", { class: `notice ${tone}`, role: tone === "bad" ? "alert" : "status" }, h("span", {}, text),
    h("button", { type: "button", class: "quiet", "aria-label": t("do.close"), on: { click: close } }, "×"));
  shelf.append(made);
  // Shown anew each time, so that it lies above a dialog that was opened since.
  if (shelf.matches(":popover-open")) shelf.hidePopover();
  shelf.showPopover();
  setTimeout(close, tone === "bad" ? 12_000 : 5000);
}

let fields = 0;

/** A control with its label and, below, a hint. */
export function field(label, control, hint) {
  const id = `field-${(fields += 1)}`;
  control.id = id;
  const below = h("small", { id: `${id}-hint`, class: "hint" }, hint ?? "");
  control.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: "field" }, h("label", { for: id }, label), control, below);
}

/** An on/off switch that changes something at once. @param {(on: boolean) => Promise<any>} change */
export function toggle(label, on, change, spot) {
  const made = h("button", { type: "button", role: "switch", class: "switch", "aria-checked": String(on), "aria-label": label, title: label, "data-spot": spot }, h("i", {}));
  made.addEventListener("click", () => busy(made, () => change(made.getAttribute("aria-checked") !== "true")));
  return made;
}

/**
 * A form in a dialog. `save` gets the form; what it throws is shown in the dialog, at its field
 * where the problem names one. Resolves to what `save` gave, or null when it was left.
 * @param {{title: any, body: any[], action: string, danger?: boolean, wide?: boolean, save?: (form: HTMLFormElement) => any}} parts
 */
export function ask({ title, body, action, danger, wide, save }) {
  return new Promise((resolve) => {
    const fault = h("p", { class: "fault", role: "alert" });
    const go = h("button", { class: danger ? "danger" : "primary" }, action);
    const form = h("form", { method: "dialog", novalidate: true }, h("div", { class: "body" }, body, fault),
      h("footer", {}, save && h("button", { type: "button", on: { click: () => dialog.close() } }, t("do.cancel")), go));
    const heading = h("h2", { id: "dialog-title" }, title);
    const dialog = h("dialog", { class: wide ? "wide" : null, "aria-labelledby": "dialog-title" }, heading, form);
    let result = null;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!save) return dialog.close();
      void busy(go, async () => {
        clearFaults(form, fault);
        try {
          result = (await save(form)) ?? true;
          dialog.close();
        } catch (error) {
          showFaults(form, fault, error);
        }
      });
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function clearFaults(form, fault) {
  put(fault);
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  for (const said of form.querySelectorAll(".field .wrong")) said.remove();
}

function showFaults(form, fault, error) {
  let placed = 0;
  for (const { field: name, detail } of error.errors ?? []) {
    const control = name ? form.elements.namedItem(name) : null;
    if (!(control instanceof HTMLElement)) continue;
    control.setAttribute("aria-invalid", "true");
    control.closest(".field")?.append(h("small", { class: "wrong" }, detail));
    if (placed === 0) control.focus();
    placed += 1;
  }
  if (placed === 0) put(fault, wordsOf(error));
}

/** Asks before something that cannot be taken back. @returns {Promise<boolean>} */
export async function sure(title, words, action) {
  const yes = await ask({ title, body: [h("p", {}, words)], action, danger: true, save: () => true });
  return yes === true;
}

/** A word in a colour. @param {"good"|"warn"|"bad"|"plain"} tone */
export const pill = (text, tone = "plain") => h("span", { class: `pill ${tone}` }, text);

/** How much of a limit is used; without a limit there is no bar. */
export function meter(used, limit, label) {
  if (limit === null || limit === undefined) return null;
  const share = limit > 0 ? Math.min(1, used / limit) : 1;
  const tone = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "good";
  const fill = h("i", { class: tone });
  fill.style.inlineSize = `${share * 100}%`;
  return h("div", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": Math.max(limit, 1),
    "aria-valuenow": Math.min(used, Math.max(limit, 1)), "aria-valuetext": percent(share) }, fill);
}

/** What a page shows while there is nothing to show: what to do next. */
export const empty = (title, words, ...actions) =>
  h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, words), actions.length > 0 && h("div", { class: "actions" }, actions));

/** What a page shows when it could not be loaded. */
export const failed = (error, again) => h("div", { class: "empty bad", role: "alert" }, h("h3", {}, t("state.failed")), h("p", {}, wordsOf(error)), button(t("do.again"), again));

/** What a page shows while it is loaded. */
export const loading = () => h("p", { class: "loading", role: "status" }, h("i", { class: "spinner" }), t("state.loading"));

/**
 * A table whose cells carry their column's name, for narrow screens.
 * @param {string} caption @param {any[]} columns names, or nodes @param {any[][]} rows
 */
export function table(caption, columns, rows, props = {}) {
  const names = columns.map((column) => (typeof column === "string" ? column : (column.dataset?.name ?? column.textContent)));
  return h("div", { class: "scroll" }, h("table", props, h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, columns.map((column) => (column.tagName === "TH" ? column : h("th", { scope: "col" }, column))))),
    h("tbody", {}, rows.map((cells) => (cells instanceof Node ? cells : row(names, cells))))));
}

/** A row for {@link table}: each cell is named after its column. */
export function row(names, cells, props = {}) {
  return h("tr", props, cells.map((cell, index) => h("td", { "data-name": names[index] }, cell)));
}

/** The head of a page. */
export const head = (title, words, ...actions) =>
  h("header", { class: "head" }, h("div", {}, h("h1", { tabindex: -1 }, title), words && h("p", { class: "muted" }, words)), h("div", { class: "actions" }, actions));

/** Text or nodes in a card. */
export const card = (title, ...children) => h("section", { class: "card" }, title && h("h2", {}, title), nodes(children));

/** Copies `text`; a browser that forbids it leaves the text selected instead. */
export async function copy(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    notice(t("state.copied"));
  } catch {
    getSelection()?.selectAllChildren(shown);
    notice(t("state.select"), "bad");
  }
}
