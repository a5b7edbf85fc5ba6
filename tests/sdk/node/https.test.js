// HTTPS: the package trusts the authority of NODE_EXTRA_CA_CERTS.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { MODEL, SECURE_URL, client, user } from "./common.js";

test("an answer and a stream over HTTPS", async () => {
  const { completions } = client({ baseURL: SECURE_URL }).chat;
  const answer = await completions.create({ model: MODEL, messages: user("over TLS") });
  assert.ok(answer.choices[0].message.content.startsWith("echo: over TLS"));
  let text = "";
  for await (const chunk of await completions.create({ model: MODEL, messages: user("a stream"), stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  assert.ok(text.startsWith("echo: a stream"));
});

test("plain HTTP is told to use https", async () => {
  const plain = client({ baseURL: SECURE_URL.replace("https:", "http:") });
  await assert.rejects(plain.models.list(), (error) => {
    return error instanceof OpenAI.BadRequestError && error.code === "https_required";
  });
});
