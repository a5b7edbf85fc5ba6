"""Chat completions, plain: content, usage, tools, headers."""

import json

from common import BASE_URL, MODEL, WEATHER, ProxyTest, client, user


class Chat(ProxyTest):
    def test_an_answer_is_whole(self):
        answer = client().chat.completions.create(model=MODEL, messages=user("hello"))
        self.assertEqual(answer.object, "chat.completion")
        self.assertEqual(answer.model, MODEL)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assert_echo(answer.choices[0].message.content, "hello")
        self.assertGreater(answer.usage.prompt_tokens, 0)
        total = answer.usage.prompt_tokens + answer.usage.completion_tokens
        self.assertEqual(answer.usage.total_tokens, total)

    def test_every_script_survives(self):
        for said in ["Grüß Gott — „ça va?“", "你好，世界 🌏", "שלום עולם", "👩‍👩‍👧‍👦 é ﷽ \u2028 end", 'quotes " \\ and \t tabs']:
            with self.subTest(said):
                answer = client().chat.completions.create(model=MODEL, messages=user(said))
                self.assert_echo(answer.choices[0].message.content, said)

    def test_a_long_message_arrives_whole(self):
        said = "好" * 200_000
        answer = client().chat.completions.create(model="qwen/qwen3-coder:free", messages=user(said))
        self.assert_echo(answer.choices[0].message.content, said[:400])

    def test_a_tool_is_called_and_its_result_taken(self):
        messages = user("What is the weather in Köln? [[tool]]")
        answer = client().chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        [call] = answer.choices[0].message.tool_calls
        self.assertEqual((call.type, call.function.name), ("function", "get_weather"))
        self.assertEqual(set(json.loads(call.function.arguments)), {"city", "days"})

        messages += [
            answer.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "18 °C"},
        ]
        closing = client().chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
        self.assertEqual(closing.choices[0].finish_reason, "stop")
        self.assertIn("weather in Köln", closing.choices[0].message.content)

    def test_a_schema_is_followed(self):
        schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
        answer = client().chat.completions.create(
            model=MODEL,
            messages=user("Ada"),
            response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema}},
        )
        self.assertEqual(set(json.loads(answer.choices[0].message.content)), {"name", "age"})

    def test_the_answer_says_what_the_proxy_did(self):
        raw = client().chat.completions.with_raw_response.create(model=MODEL, messages=user("hello"))
        self.assertTrue(raw.headers["x-request-id"])
        self.assertGreaterEqual(int(raw.headers["x-proxy-attempts"]), 1)
        self.assertEqual(raw.parse()._request_id, raw.headers["x-request-id"])

    def test_openrouters_own_prefix_works(self):
        base = BASE_URL.removesuffix("/v1") + "/api/v1"
        answer = client(base_url=base).chat.completions.create(model=MODEL, messages=user("hello"))
        self.assert_echo(answer.choices[0].message.content, "hello")


class Completions(ProxyTest):
    def test_a_prompt_is_completed(self):
        answer = client().completions.create(model=MODEL, prompt="Once upon a time")
        self.assertEqual(answer.object, "text_completion")
        self.assert_echo(answer.choices[0].text, "Once upon a time")

    def test_a_prompt_is_completed_as_a_stream(self):
        stream = client().completions.create(model=MODEL, prompt="Once upon a time", stream=True)
        text = "".join(chunk.choices[0].text for chunk in stream if chunk.choices)
        self.assert_echo(text, "Once upon a time")
