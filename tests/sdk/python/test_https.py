"""HTTPS: the package trusts the authority of SSL_CERT_FILE, and nobody else."""

import ssl

import openai

from common import MODEL, SECURE_URL, ProxyTest, client, user


class Https(ProxyTest):
    def test_an_answer_and_a_stream(self):
        with client(base_url=SECURE_URL) as secure:
            answer = secure.chat.completions.create(model=MODEL, messages=user("over TLS"))
            self.assert_echo(answer.choices[0].message.content, "over TLS")
            chunks = list(secure.chat.completions.create(model=MODEL, messages=user("a stream"), stream=True))
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            self.assert_echo(text, "a stream")

    def test_an_unknown_authority_is_not_trusted(self):
        trusts_nobody = openai.DefaultHttpxClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        with self.assertRaises(openai.APIConnectionError), client(base_url=SECURE_URL, http_client=trusts_nobody) as it:
            it.models.list()

    def test_plain_http_is_told_to_use_https(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client(base_url=SECURE_URL.replace("https:", "http:")).models.list()
        self.assertEqual(caught.exception.code, "https_required")
        self.assertIn("https://", caught.exception.message)
