// Models and embeddings.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { EMBEDDING_MODEL, MODEL, PAID_MODEL, client } from "./common.js";

test("the list holds the free models", async () => {
  const models = [];
  for await (const model of client().models.list()) models.push(model);
  const ids = models.map((model) => model.id);
  assert.ok(ids.length >= 30 && ids.includes(MODEL) && !ids.includes(PAID_MODEL));
  assert.equal(new Set(ids).size, ids.length);
  for (const model of models) {
    assert.deepEqual([model.object, model.owned_by], ["model", model.id.split("/")[0]]);
    assert.equal(typeof model.created, "number");
  }
});

test("one model by its id, with a slash and a variant in it", async () => {
  for (const id of [MODEL, "openrouter/free", EMBEDDING_MODEL]) {
    assert.equal((await client().models.retrieve(id)).id, id);
  }
  await assert.rejects(client().models.retrieve("nobody/nothing:free"), OpenAI.NotFoundError);
});

test("embeddings in base64, the package's default, and as floats agree", async () => {
  const embed = (options) => client().embeddings.create({ model: EMBEDDING_MODEL, ...options });
  const packed = await embed({ input: "Grüße 你好" });
  const floats = await embed({ input: "Grüße 你好", encoding_format: "float" });
  const [one, other] = [packed, floats].map((answer) => answer.data[0].embedding);
  assert.ok(one.length > 0 && one.length === other.length);
  one.forEach((value, at) => assert.ok(Math.abs(value - other[at]) < 1e-6, `${at}`));
  const many = await embed({ input: ["one", "two", "three"], dimensions: 8 });
  assert.deepEqual(many.data.map((item) => item.index), [0, 1, 2]);
});
