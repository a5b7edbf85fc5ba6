// What the tests share: clients of the running proxy, and what the simulator is known to answer.
// run.sh sets the environment; the official package is used unmodified but for its base URL.

import assert from "node:assert/strict";
import OpenAI from "openai";

export const { BASE_URL, SPENT_URL, SECURE_URL, SIMULATOR_URL, API_KEY } = process.env;

export const MODEL = "openai/gpt-oss-20b:free";
export const PAID_MODEL = "openai/gpt-4o";
export const EMBEDDING_MODEL = "nvidia/nemotron-3-embed-1b:free";

// What the simulator goes on with after its echo, beginning anywhere in this circle.
const PHRASES = [
  "Grüße aus Köln, ",
  "東京から、",
  "👋🏽 hello, ",
  "你好，世界。",
  "naïve café ",
  "Привет! ",
  "🚀 ∑ → ∞ ",
  "and plain words. ",
];

export const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" } },
      required: ["city", "days"],
    },
  },
};

/** A client that does not retry, so that a test sees the first answer. */
export function client(options = {}) {
  return new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0, timeout: 30_000, ...options });
}

export function user(text) {
  return [{ role: "user", content: text }];
}

/** Fails unless `text` is one of the answers that the simulator may give to `said`. */
export function assertEcho(text, said, phrases = 3) {
  const starts = PHRASES.map((_, start) => {
    const tail = Array.from({ length: phrases }, (_, at) => PHRASES[(start + at) % PHRASES.length]);
    return `echo: ${said} ${tail.join("")}`;
  });
  assert.ok(starts.includes(text), `not an answer to ${said}: ${text}`);
}

/** The text that a stream of chunks makes. */
export async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  return text;
}

/** What the simulator's control says. */
export async function simulator(path) {
  const answer = await fetch(SIMULATOR_URL + path);
  assert.equal(answer.status, 200, path);
  return answer.json();
}

/** Waits until `check` comes true, at most five seconds. */
export async function eventually(check) {
  for (const end = Date.now() + 5000; Date.now() < end; ) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(await check(), "did not come true in five seconds");
}
