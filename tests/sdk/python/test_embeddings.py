"""Embeddings: the package asks for base64 by default; floats must give the same vectors."""

from common import EMBEDDING_MODEL, ProxyTest, client


class Embeddings(ProxyTest):
    def test_base64_and_floats_agree(self):
        packed = client().embeddings.create(model=EMBEDDING_MODEL, input="Grüße 你好")
        floats = client().embeddings.create(model=EMBEDDING_MODEL, input="Grüße 你好", encoding_format="float")
        self.assertEqual(packed.object, "list")
        self.assertGreater(len(packed.data[0].embedding), 0)
        self.assertEqual(len(packed.data[0].embedding), len(floats.data[0].embedding))
        for one, other in zip(packed.data[0].embedding, floats.data[0].embedding):
            self.assertAlmostEqual(one, other, places=6)
        self.assertGreater(packed.usage.prompt_tokens, 0)

    def test_many_inputs_keep_their_order(self):
        words = ["one", "two", "three"]
        together = client().embeddings.create(model=EMBEDDING_MODEL, input=words, dimensions=8)
        self.assertEqual([item.index for item in together.data], [0, 1, 2])
        for word, item in zip(words, together.data):
            alone = client().embeddings.create(model=EMBEDDING_MODEL, input=word, dimensions=8)
            self.assertEqual(list(alone.data[0].embedding), list(item.embedding))
