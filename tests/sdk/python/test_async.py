"""The asynchronous client: many requests at a time, each with its own answer."""

import asyncio
import unittest

from common import MODEL, answers, async_client, user


class Concurrency(unittest.IsolatedAsyncioTestCase):
    async def test_answers_are_never_mixed(self):
        client = async_client()

        async def plain(number: int) -> bool:
            said = f"plain {number}"
            answer = await client.chat.completions.create(model=MODEL, messages=user(said))
            return answer.choices[0].message.content in answers(said)

        async def streamed(number: int) -> bool:
            said = f"streamed {number}"
            asked = user(f"{said} [[chunks=20 delay_ms=5]]")
            text = ""
            async for chunk in await client.chat.completions.create(model=MODEL, messages=asked, stream=True):
                text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            return text in answers(said, 19)

        calls = [(plain if number % 2 else streamed)(number) for number in range(48)]
        self.assertTrue(all(await asyncio.gather(*calls)))
        await client.close()

    async def test_a_cancelled_call_leaves_the_client_usable(self):
        client = async_client()
        asked = user("slow [[delay_ms=2000]]")
        slow = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=asked))
        await asyncio.sleep(0.3)
        slow.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await slow
        answer = await client.chat.completions.create(model=MODEL, messages=user("again"))
        self.assertIn(answer.choices[0].message.content, answers("again"))
        await client.close()
