"""What the tests share: clients of the running proxy, and what the simulator is known to answer.

`run.sh` sets BASE_URL (the data plane with /v1), API_KEY (its password), SPENT_URL (a second proxy whose
only key has spent its day), SECURE_URL (a third, with HTTPS, whose authority SSL_CERT_FILE holds) and SIMULATOR_URL. The official package is used unmodified but for its base URL.
"""

import json
import os
import time
import unittest
import urllib.request

from openai import AsyncOpenAI, OpenAI

BASE_URL = os.environ["BASE_URL"]
SPENT_URL = os.environ["SPENT_URL"]
SECURE_URL = os.environ["SECURE_URL"]
SIMULATOR_URL = os.environ["SIMULATOR_URL"]
API_KEY = os.environ["API_KEY"]

MODEL = "openai/gpt-oss-20b:free"
PAID_MODEL = "openai/gpt-4o"
EMBEDDING_MODEL = "nvidia/nemotron-3-embed-1b:free"

# What the simulator goes on with after its echo, beginning anywhere in this circle.
PHRASES = [
    "Grüße aus Köln, ",
    "東京から、",
    "👋🏽 hello, ",
    "你好，世界。",
    "naïve café ",
    "Привет! ",
    "🚀 ∑ → ∞ ",
    "and plain words. ",
]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}


def client(**options) -> OpenAI:
    """A client that does not retry, so that a test sees the first answer."""
    return OpenAI(**{"base_url": BASE_URL, "api_key": API_KEY, "max_retries": 0, "timeout": 30, **options})


def async_client() -> AsyncOpenAI:
    return AsyncOpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0, timeout=30)


def user(text: str) -> list:
    return [{"role": "user", "content": text}]


def answers(said: str, phrases: int = 3) -> set:
    """Every answer the simulator may give to `said`: its echo and so many phrases of the circle."""
    circle = PHRASES * (phrases // len(PHRASES) + 2)
    return {f"echo: {said} " + "".join(circle[start : start + phrases]) for start in range(len(PHRASES))}


def simulator(path: str):
    """What the simulator's control says."""
    with urllib.request.urlopen(SIMULATOR_URL + path, timeout=10) as answer:
        return json.load(answer)


def eventually(check, seconds: float = 5.0) -> bool:
    """Whether `check` comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.05)
    return bool(check())


class ProxyTest(unittest.TestCase):
    maxDiff = None

    def assert_echo(self, text: str, said: str, phrases: int = 3) -> None:
        self.assertIn(text, answers(said, phrases))
