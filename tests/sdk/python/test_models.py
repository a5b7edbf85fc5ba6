"""Models: the list in OpenAI's shape, and one model by its id."""

import openai

from common import EMBEDDING_MODEL, MODEL, PAID_MODEL, ProxyTest, client


class Models(ProxyTest):
    def test_the_list_holds_the_free_models(self):
        models = list(client().models.list())
        ids = [model.id for model in models]
        self.assertGreaterEqual(len(ids), 30)
        self.assertEqual(len(ids), len(set(ids)))
        self.assertIn(MODEL, ids)
        self.assertNotIn(PAID_MODEL, ids)
        for model in models:
            self.assertEqual((model.object, model.owned_by), ("model", model.id.split("/")[0]))
            self.assertIsInstance(model.created, int)
            self.assertTrue(model.id.endswith(":free") or model.id == "openrouter/free", model.id)

    def test_openrouters_fields_are_kept(self):
        model = client().models.retrieve(MODEL)
        self.assertEqual((model.id, model.object), (MODEL, "model"))
        self.assertGreater(model.context_length, 0)
        self.assertIn("prompt", model.pricing)

    def test_a_slash_and_a_variant_in_the_id(self):
        for name in [MODEL, "openrouter/free", EMBEDDING_MODEL]:
            with self.subTest(name):
                self.assertEqual(client().models.retrieve(name).id, name)

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("nobody/nothing:free")
