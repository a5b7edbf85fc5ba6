"""Chat completions, streamed: text, timing, tools, usage, and every way a stream can end."""

import json
import time

import openai

from common import MODEL, WEATHER, ProxyTest, client, eventually, simulator, user


def stream(said: str, **options):
    return client().chat.completions.create(model=MODEL, messages=user(said), stream=True, **options)


def text_of(chunks) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


class Streams(ProxyTest):
    def test_the_pieces_make_the_answer(self):
        chunks = list(stream("hello"))
        self.assertGreater(len(chunks), 3)
        self.assert_echo(text_of(chunks), "hello")
        self.assertEqual({chunk.object for chunk in chunks}, {"chat.completion.chunk"})
        self.assertIn("stop", [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices])

    def test_the_networks_chunking_does_not_matter(self):
        for split in (1, 7, 1000):
            with self.subTest(split):
                chunks = list(stream(f"你好 🌏 [[chunks=30 split={split} comments=5]]"))
                self.assert_echo(text_of(chunks), "你好 🌏", phrases=29)

    def test_usage_comes_in_each_of_its_shapes(self):
        for shape in (1, 2, 3):
            with self.subTest(shape):
                chunks = list(stream(f"hello [[usage={shape}]]", stream_options={"include_usage": True}))
                self.assert_echo(text_of(chunks), "hello")
                [usage] = [chunk.usage for chunk in chunks if chunk.usage]
                self.assertGreater(usage.completion_tokens, 0)
                self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_pieces_come_as_they_are_made(self):
        began = time.monotonic()
        moments = []
        for chunk in stream("hello [[chunks=6 delay_ms=200]]"):
            moments.append(time.monotonic() - began)
        self.assertGreater(moments[-1], 1.0)
        self.assertLess(moments[0], moments[-1] / 2)

    def test_a_tool_call_comes_in_fragments(self):
        name, arguments, finishes = "", "", set()
        for chunk in stream("weather in Köln [[tool]]", tools=[WEATHER]):
            for choice in chunk.choices:
                finishes.add(choice.finish_reason)
                for call in choice.delta.tool_calls or []:
                    self.assertEqual(call.index, 0)
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
        self.assertEqual(name, "get_weather")
        self.assertEqual(set(json.loads(arguments)), {"city", "days"})
        self.assertIn("tool_calls", finishes)

    def test_the_sdks_own_accumulator_works(self):
        with client().chat.completions.stream(model=MODEL, messages=user("hello [[usage=3]]")) as events:
            for _ in events:
                pass
            answer = events.get_final_completion()
        self.assert_echo(answer.choices[0].message.content, "hello")

    def test_reasoning_passes(self):
        chunks = list(stream("why [[reasoning]]"))
        thoughts = [getattr(chunk.choices[0].delta, "reasoning", None) for chunk in chunks if chunk.choices]
        self.assertIn("考えています", "".join(filter(None, thoughts)))
        self.assert_echo(text_of(chunks), "why")

    def test_an_error_midway_is_raised(self):
        for fault in ("errormid", "errormiddone", "errorfinish", "nodone"):
            with self.subTest(fault), self.assertRaises(openai.APIError):
                list(stream(f"hello [[chunks=20 fault={fault}]]"))

    def test_a_stream_cut_anywhere_is_raised_at_once(self):
        for way in ("cut", "cutclean", "resetmid"):
            for at in range(700, 3000, 461):
                with self.subTest(way, at=at):
                    began, said = time.monotonic(), ""
                    with self.assertRaises(openai.APIError):
                        for chunk in stream(f"hello [[chunks=20 fault={way}{at}]]"):
                            said += text_of([chunk])
                    self.assertLess(time.monotonic() - began, 5)
                    # What came before the cut was not kept from the client.
                    self.assertTrue(said.startswith("echo: hello"), said)

    def test_a_client_that_leaves_frees_the_upstream(self):
        closed = lambda: len(simulator("/__simulator/closed")["data"])
        before = closed()
        events = stream("hello [[chunks=500 delay_ms=20]]")
        for _ in range(3):
            next(iter(events))
        events.close()
        self.assertTrue(eventually(lambda: closed() > before))
        self.assert_echo(text_of(stream("still there")), "still there")
