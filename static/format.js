// Figures, times and shares as people read them, in the page's language and the browser's time zone.

import { locale, t } from "./i18n.js";

/** What stands for a missing figure. */
export const NONE = "–";

const missing = (value) => value === null || value === undefined || Number.isNaN(value);

/** A whole figure: 12,345. */
export const count = (value) => (missing(value) ? NONE : new Intl.NumberFormat(locale()).format(value));

/** A figure in short: 12.3K, 1.2万. */
export function short(value) {
  if (missing(value)) return NONE;
  const format = { notation: "compact", maximumFractionDigits: value < 1e4 ? 0 : 1 };
  return value < 1e4 ? count(value) : new Intl.NumberFormat(locale(), format).format(value);
}

/** Parameters and context sizes: 8B, 128K, in every language. */
export function size(value) {
  if (missing(value)) return NONE;
  for (const [unit, letter] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
    if (value >= unit) return `${Number((value / unit).toFixed(value / unit < 10 ? 1 : 0))}${letter}`;
  }
  return String(value);
}

/** 0..1 as a percentage; what is not quite all never rounds to all. */
export function percent(value) {
  if (missing(value)) return NONE;
  const digits = value > 0.99 && value < 1 ? 2 : 1;
  const floor = value < 1 ? Math.min(value, 0.9999) : value;
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: digits }).format(floor);
}

/** Milliseconds. */
export function millis(value) {
  if (missing(value)) return NONE;
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(value / 60_000)} min ${Math.round((value % 60_000) / 1000)} s`;
}

/** US dollars. */
export function money(value) {
  if (missing(value)) return NONE;
  const digits = value !== 0 && value < 0.01 ? 6 : 2;
  return new Intl.NumberFormat(locale(), { style: "currency", currency: "USD", maximumFractionDigits: digits }).format(value);
}

const sameDay = (one, other) => one.toDateString() === other.toDateString();

/** A moment: the time when it is today, else the day too. */
export function moment(value) {
  if (missing(value)) return NONE;
  const time = new Date(value);
  const now = new Date();
  if (sameDay(time, now)) return clock(time);
  const year = time.getFullYear() === now.getFullYear() ? {} : { year: "numeric" };
  return time.toLocaleString(locale(), { ...year, month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** A moment to the second when it is today, else to the minute. */
export const fine = (value) => (sameDay(new Date(value), new Date()) ? clockSeconds(value) : moment(value));

/** The time of day. */
export const clock = (value) => new Date(value).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** The time of day with seconds. */
export const clockSeconds = (value) =>
  new Date(value).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** A moment in full. */
export const exact = (value) => (missing(value) ? NONE : new Date(value).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "medium" }));

/** A day that the API sums by: those are UTC days. */
export const utcDay = (value) => new Date(value).toLocaleDateString(locale(), { month: "short", day: "numeric", timeZone: "UTC" });

/** How long ago, or how long from now. */
export function ago(value, now = Date.now()) {
  if (missing(value)) return t("time.never");
  const seconds = (new Date(value).getTime() - now) / 1000;
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style: "short" });
  for (const [unit, length] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return relative.format(Math.trunc(seconds), "second");
}

/** A list in words: a, b and c. */
export const list = (values) => new Intl.ListFormat(locale(), { type: "conjunction" }).format(values.map(String));
