// The only way to the admin API. Every failure becomes an ApiError whose words people can act on.

import { t } from "./i18n.js";

/** A problem (RFC 9457), or no answer at all (status 0). */
export class ApiError extends Error {
  /** @param {number} status @param {any} problem @param {number|null} retryAfter seconds */
  constructor(status, problem, retryAfter) {
    super(problem?.detail ?? t(status === 0 ? "error.away" : "error.status", { status }));
    this.status = status;
    this.detail = problem?.detail ?? "";
    this.errors = Array.isArray(problem?.errors) ? problem.errors : [];
    this.retryAfter = retryAfter;
  }

  /** What to show, in the operator's language as far as we know it. */
  get words() {
    const head = t(`error.${this.status}`, { seconds: this.retryAfter ?? "?" });
    if (head === `error.${this.status}`) return this.message;
    return this.detail && this.status !== 401 ? `${head} ${this.detail}` : head;
  }
}

/** What to show of anything that was thrown. */
export function wordsOf(error) {
  return error instanceof ApiError ? error.words : String(error?.message ?? error);
}

/** A path with its query; empty and missing values are left out. */
export function address(path, query = {}) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(pairs).toString();
  return `api/${path}${text ? `?${text}` : ""}`;
}

/**
 * One call. @param {"GET"|"POST"|"PATCH"|"DELETE"} method @param {string} path below `api/`
 * @param {{query?: object, body?: any, signal?: AbortSignal}} [options]
 */
export async function call(method, path, { query, body, signal } = {}) {
  const options = { method, signal, headers: { accept: "application/json" } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(address(path, query), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, null, null);
  }
  if (answer.status === 204) return null;
  const text = await answer.text();
  const content = parsed(text);
  if (answer.ok) return content;
  if (answer.status === 401 && path !== "login") window.dispatchEvent(new Event("signed-out"));
  const retryAfter = Number(answer.headers.get("retry-after"));
  throw new ApiError(answer.status, content, Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const get = (path, query, signal) => call("GET", path, { query, signal });
export const post = (path, body) => call("POST", path, { body });
export const patch = (path, body) => call("PATCH", path, { body });
export const remove = (path) => call("DELETE", path);

/** Every entry of a list, page after page. @returns {Promise<any[]>} */
export async function all(path, query = {}, signal) {
  const entries = [];
  let cursor = null;
  do {
    const page = await get(path, { ...query, limit: 500, cursor }, signal);
    entries.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return entries;
}
