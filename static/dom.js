// The only builder of elements. Text goes in as text nodes, never as markup; there is no way here to
// set markup, a style attribute or an inline handler.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element. In `props`, `class` and attributes are set as they are, `true` stands for an
 * empty attribute, null and false for none, and `on` holds listeners by event.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...any} children nodes or text; null, undefined and false are left out, arrays are flattened
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. @returns {SVGElement} */
export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(made, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...nodes(children));
  return made;
}

/** Children as `append` takes them. */
export function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * Replaces what is in `parent`. The element that had the focus and a `data-spot` gets it again, so
 * that a list may be drawn anew under the hands of someone who uses the keyboard.
 */
export function put(parent, ...children) {
  const spot = parent.contains(document.activeElement) ? document.activeElement.dataset?.spot : undefined;
  parent.replaceChildren(...nodes(children));
  if (spot) parent.querySelector(`[data-spot="${CSS.escape(spot)}"]`)?.focus({ preventScroll: true });
  return parent;
}

/** Text that somebody else wrote: kept apart, so that its direction cannot turn its neighbours. */
export function said(text, props = {}) {
  return h("bdi", props, text);
}

/** Code, ids, keys: one width for each letter. */
export function mono(text) {
  return h("code", {}, text);
}
