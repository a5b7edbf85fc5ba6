// Errors: each arrives as the package's own typed exception, with a body that says what to do.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { MODEL, PAID_MODEL, SPENT_URL, client, user } from "./common.js";

const ask = (options = {}) => client().chat.completions.create({ model: MODEL, messages: user("hello"), ...options });

/** The error that `call` ends in, checked for its class, its status and the shape of its body. */
async function raised(kind, status, call) {
  const error = await call.then(
    () => assert.fail("no error was raised"),
    (error) => error,
  );
  assert.ok(error instanceof kind, `${error}`);
  assert.equal(error.status, status);
  assert.ok(error.requestID);
  for (const name of ["message", "type", "param", "code"]) assert.ok(name in error.error, name);
  assert.ok(!JSON.stringify(error.error).includes("sk-or-"));
  return error;
}

test("a wrong password", async () => {
  const stranger = client({ apiKey: "not-the-password" });
  const error = await raised(OpenAI.AuthenticationError, 401, stranger.models.list());
  assert.equal(error.type, "authentication_error");
});

test("an unknown model names near ones, a paid one names free ones", async () => {
  const unknown = await raised(OpenAI.NotFoundError, 404, ask({ model: MODEL.replace("20b", "21b") }));
  assert.ok(unknown.message.includes(MODEL), unknown.message);
  const paid = await ask({ model: PAID_MODEL }).catch((error) => error);
  assert.ok(paid instanceof OpenAI.PermissionDeniedError || paid instanceof OpenAI.NotFoundError, `${paid}`);
  assert.ok(paid.message.includes(":free"), paid.message);
});

test("bad requests name the field", async () => {
  for (const [field, options] of [
    ["model", { model: undefined }],
    ["model", { model: 7 }],
    ["messages", { messages: [] }],
    ["messages", { messages: "hello" }],
    ["stream", { stream: "yes" }],
  ]) {
    const error = await raised(OpenAI.BadRequestError, 400, ask(options));
    assert.equal(error.type, "invalid_request_error");
    assert.ok(`${error.param}`.startsWith(field), `${error.param}`);
  }
});

test("a route that is not ours", async () => {
  const error = await raised(OpenAI.NotFoundError, 404, client().files.list());
  assert.equal(error.type, "not_found_error");
});

test("what the upstream refuses for its content", async () => {
  await raised(OpenAI.BadRequestError, 400, ask({ messages: user("hello [[fault=badrequest]]") }));
  await raised(OpenAI.PermissionDeniedError, 403, ask({ messages: user("hello [[fault=moderation]]") }));
});

test("a spent pool says when to come back", async () => {
  const spent = client({ baseURL: SPENT_URL });
  const call = spent.chat.completions.create({ model: MODEL, messages: user("hello") });
  const error = await raised(OpenAI.RateLimitError, 429, call);
  const seconds = Number(error.headers.get("retry-after"));
  assert.ok(seconds > 0 && seconds <= 86_401, `${seconds}`);
  assert.equal(error.type, "rate_limit_error");
});
