// Chat completions, plain and streamed; legacy completions.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { BASE_URL, MODEL, WEATHER, assertEcho, client, eventually, simulator, textOf, user } from "./common.js";

const ask = (said, options = {}) => client().chat.completions.create({ model: MODEL, messages: user(said), ...options });
const stream = (said, options = {}) => ask(said, { stream: true, ...options });

test("an answer is whole", async () => {
  const answer = await ask("hello");
  assert.equal(answer.object, "chat.completion");
  assert.equal(answer.model, MODEL);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assertEcho(answer.choices[0].message.content, "hello");
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("every script survives", async () => {
  for (const said of ["Grüß Gott — „ça va?“", "你好，世界 🌏", "שלום עולם", "👩‍👩‍👧‍👦 é ﷽", 'quotes " \\ and \t tabs']) {
    assertEcho((await ask(said)).choices[0].message.content, said);
    assertEcho(await textOf(await stream(said)), said);
  }
});

test("a stream's pieces make the answer", async () => {
  assertEcho(await textOf(await stream("hello [[chunks=40 split=5]]")), "hello", 39);
});

test("pieces come as they are made", async () => {
  const began = performance.now();
  const moments = [];
  for await (const _ of await stream("hello [[chunks=6 delay_ms=200]]")) moments.push(performance.now() - began);
  assert.ok(moments.at(-1) > 1000 && moments[0] < moments.at(-1) / 2, `${moments}`);
});

test("a tool call, plain and in fragments", async () => {
  const plain = await ask("weather in Köln [[tool]]", { tools: [WEATHER] });
  const [call] = plain.choices[0].message.tool_calls;
  assert.equal(plain.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)).sort(), ["city", "days"]);

  const made = { name: "", arguments: "" };
  for await (const chunk of await stream("weather in Köln [[tool]]", { tools: [WEATHER] })) {
    for (const part of chunk.choices[0]?.delta?.tool_calls ?? []) {
      made.name += part.function.name ?? "";
      made.arguments += part.function.arguments ?? "";
    }
  }
  assert.deepEqual(made, { name: "get_weather", arguments: call.function.arguments });
});

test("the package's own accumulator works", async () => {
  const events = client().chat.completions.stream({ model: MODEL, messages: user("hello [[usage=3]]") });
  const answer = await events.finalChatCompletion();
  assertEcho(answer.choices[0].message.content, "hello");
});

test("an error midway is raised", async () => {
  for (const fault of ["errormid", "errormiddone", "errorfinish", "nodone"]) {
    const events = await stream(`hello [[chunks=20 fault=${fault}]]`);
    await assert.rejects(textOf(events), OpenAI.APIError, fault);
  }
});

test("a stream cut anywhere is raised at once", async () => {
  for (const way of ["cut", "cutclean", "resetmid"]) {
    for (let at = 700; at < 3000; at += 461) {
      const began = Date.now();
      let said = "";
      const read = async () => {
        for await (const chunk of await stream(`hello [[chunks=20 fault=${way}${at}]]`)) {
          said += chunk.choices[0]?.delta?.content ?? "";
        }
      };
      await assert.rejects(read(), OpenAI.APIError, `${way}${at}`);
      assert.ok(Date.now() - began < 5000, `${way}${at}`);
      // What came before the cut was not kept from the client.
      assert.ok(said.startsWith("echo: hello"), said);
    }
  }
});

test("a client that leaves frees the upstream", async () => {
  const closed = async () => (await simulator("/__simulator/closed")).data.length;
  const before = await closed();
  const events = await stream("hello [[chunks=500 delay_ms=20]]");
  let seen = 0;
  for await (const _ of events) if (++seen === 3) break;
  await eventually(async () => (await closed()) > before);
});

test("answers are never mixed", async () => {
  const one = async (number) => {
    const said = `request ${number}`;
    if (number % 2) assertEcho((await ask(said)).choices[0].message.content, said);
    else assertEcho(await textOf(await stream(`${said} [[chunks=20 delay_ms=5]]`)), said, 19);
  };
  await Promise.all(Array.from({ length: 32 }, (_, number) => one(number)));
});

test("the answer says what the proxy did", async () => {
  const { data, response } = await ask("hello").withResponse();
  assert.equal(data._request_id, response.headers.get("x-request-id"));
  assert.ok(Number(response.headers.get("x-proxy-attempts")) >= 1);
});

test("OpenRouter's own prefix works", async () => {
  const other = client({ baseURL: BASE_URL.replace(/\/v1$/, "/api/v1") });
  const answer = await other.chat.completions.create({ model: MODEL, messages: user("hello") });
  assertEcho(answer.choices[0].message.content, "hello");
});

test("a prompt is completed, plain and streamed", async () => {
  const plain = await client().completions.create({ model: MODEL, prompt: "Once upon a time" });
  assertEcho(plain.choices[0].text, "Once upon a time");
  let text = "";
  const events = await client().completions.create({ model: MODEL, prompt: "Once upon a time", stream: true });
  for await (const chunk of events) text += chunk.choices[0]?.text ?? "";
  assertEcho(text, "Once upon a time");
});
