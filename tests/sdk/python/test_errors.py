"""Errors: each arrives as the package's own typed exception, with a body that says what to do."""

import openai

from common import MODEL, PAID_MODEL, SPENT_URL, ProxyTest, client, user


class Errors(ProxyTest):
    def raises(self, kind, status: int, call) -> openai.APIStatusError:
        with self.assertRaises(kind) as caught:
            call()
        error = caught.exception
        self.assertEqual(error.status_code, status)
        self.assertTrue(error.response.headers["x-request-id"])
        self.assertEqual({"message", "type", "param", "code"} - set(error.body), set())
        self.assertNotIn("sk-or-", error.response.text)
        return error

    def ask(self, **options):
        return client().chat.completions.create(**{"model": MODEL, "messages": user("hello"), **options})

    def test_a_wrong_password(self):
        stranger = client(api_key="not-the-password")
        error = self.raises(openai.AuthenticationError, 401, lambda: stranger.models.list())
        self.assertEqual(error.type, "authentication_error")
        ask = stranger.chat.completions.create
        self.raises(openai.AuthenticationError, 401, lambda: ask(model=MODEL, messages=user("hello")))

    def test_an_unknown_model_names_near_ones(self):
        near = MODEL.replace("20b", "21b")
        error = self.raises(openai.NotFoundError, 404, lambda: self.ask(model=near))
        self.assertIn(MODEL, error.message)

    def test_a_paid_model_names_free_ones(self):
        with self.assertRaises((openai.PermissionDeniedError, openai.NotFoundError)) as caught:
            self.ask(model=PAID_MODEL)
        self.assertIn(":free", caught.exception.message)

    def test_a_missing_model(self):
        bare = client()
        body = {"messages": user("hello")}
        post = lambda: bare.post("/chat/completions", body=body, cast_to=object)
        error = self.raises(openai.BadRequestError, 400, post)
        self.assertEqual((error.type, error.param), ("invalid_request_error", "model"))
        for model in (None, 7, ["a"], ""):
            with self.subTest(model):
                error = self.raises(openai.BadRequestError, 400, lambda: self.ask(model=model))
                self.assertEqual(error.param, "model")

    def test_bad_messages(self):
        for messages in ([], "hello", None, [7]):
            with self.subTest(messages):
                error = self.raises(openai.BadRequestError, 400, lambda: self.ask(messages=messages))
                self.assertTrue((error.param or "").startswith("messages"), error.param)

    def test_wrong_types(self):
        error = self.raises(openai.BadRequestError, 400, lambda: self.ask(stream="yes"))
        self.assertEqual(error.param, "stream")

    def test_a_route_that_is_not_ours(self):
        error = self.raises(openai.NotFoundError, 404, lambda: client().files.list())
        self.assertEqual(error.type, "not_found_error")

    def test_a_method_that_a_route_does_not_have(self):
        get = lambda: client().get("/chat/completions", cast_to=object)
        with self.assertRaises(openai.APIStatusError) as caught:
            get()
        self.assertEqual(caught.exception.status_code, 405)

    def test_what_the_upstream_refuses_for_its_content(self):
        ask = lambda fault: (lambda: self.ask(messages=user(f"hello [[fault={fault}]]")))
        self.raises(openai.BadRequestError, 400, ask("badrequest"))
        self.raises(openai.PermissionDeniedError, 403, ask("moderation"))

    def test_a_spent_pool_says_when_to_come_back(self):
        spent = client(base_url=SPENT_URL)
        ask = lambda: spent.chat.completions.create(model=MODEL, messages=user("hello"))
        for _ in range(2):
            error = self.raises(openai.RateLimitError, 429, ask)
            self.assertEqual(error.type, "rate_limit_error")
            seconds = int(error.response.headers["retry-after"])
            self.assertTrue(0 < seconds <= 86_401, seconds)
            if seconds > 120:
                self.assertEqual(error.response.headers["x-should-retry"], "false")
