// What happens as it happens: one EventSource on api/events for the whole page. Never reads rows by
// itself; whoever listens is told what was left out, so that every figure stays honest.

import { get } from "./api.js";

const listeners = new Map();
let source = null;
let retry = null;
let wait = 1000;

/** `off`, `open` or `waiting`. */
export let state = "off";

/**
 * Calls `listener` for each `row`, `skipped`, `state` or `connection` until `signal` is aborted.
 * @param {"row"|"skipped"|"state"|"connection"} event
 */
export function on(event, listener, signal) {
  const known = listeners.get(event) ?? new Set();
  listeners.set(event, known.add(listener));
  signal?.addEventListener("abort", () => known.delete(listener));
}

function tell(event, data) {
  for (const listener of listeners.get(event) ?? []) listener(data);
}

function turn(next) {
  state = next;
  tell("connection", next);
}

/** Opens the stream, unless it is open. */
export function start() {
  if (source) return;
  clearTimeout(retry);
  source = new EventSource("api/events");
  source.addEventListener("open", () => {
    wait = 1000;
    turn("open");
  });
  for (const event of ["row", "skipped", "state"]) {
    source.addEventListener(event, (message) => tell(event, JSON.parse(message.data)));
  }
  source.addEventListener("end", () => again());
  source.addEventListener("error", () => again());
  if (state === "off") turn("waiting");
}

/** Closes the stream for good. */
export function stop() {
  clearTimeout(retry);
  source?.close();
  source = null;
  turn("off");
}

// The browser's own attempts do not tell a lost session from a lost server: ask, then try again.
function again() {
  source?.close();
  source = null;
  turn("waiting");
  clearTimeout(retry);
  retry = setTimeout(async () => {
    try {
      await get("session");
    } catch (error) {
      if (error.status === 401) return stop();
    }
    start();
  }, wait);
  wait = Math.min(wait * 2, 15_000);
}
