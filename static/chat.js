// One streamed chat completion from the data plane. The other half of the only two places that fetch:
// it sends no cookie, and the credential goes nowhere but into its header.

import { t } from "./i18n.js";

/**
 * Resolves when the answer has ended, however it ended; never throws.
 * @param {{base: string, credential: string, model: string, messages: object[], signal: AbortSignal,
 *   onText: (piece: string) => void, onReasoning: (piece: string) => void}} ask
 */
export async function chat({ base, credential, model, messages, signal, onText, onReasoning }) {
  const begun = performance.now();
  const result = { text: "", status: 0, attempts: null, model: null, provider: null, requestId: null, firstContent: null, duration: null, usage: null, error: null };
  try {
    const answer = await fetch(`${base}/chat/completions`, {
      method: "POST", signal, credentials: "omit", headers: { authorization: `Bearer ${credential}`, "content-type": "application/json" },
      body: JSON.stringify({ model, messages, stream: true, stream_options: { include_usage: true } }),
    });
    result.status = answer.status;
    result.attempts = answer.headers.get("x-proxy-attempts");
    result.model = answer.headers.get("x-proxy-model");
    result.requestId = answer.headers.get("x-request-id");
    if (answer.ok) await readStream(answer, (event) => take(event, result, begun, { onText, onReasoning }));
    else result.error = refusal(await answer.text(), answer.status);
  } catch (error) {
    result.error = error.name === "AbortError" ? t("play.stopped") : t("play.unreached", { base });
  }
  result.duration = performance.now() - begun;
  return result;
}

async function readStream(answer, take) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
      if (data && data !== "[DONE]") take(JSON.parse(data));
    }
  }
}

function take(event, result, begun, { onText, onReasoning }) {
  if (event.error) result.error = event.error.message ?? t("play.broken");
  if (event.usage) result.usage = event.usage;
  result.provider = event.provider ?? result.provider;
  result.model ??= event.model ?? null;
  const delta = event.choices?.[0]?.delta ?? {};
  if (delta.content || delta.reasoning) result.firstContent ??= performance.now() - begun;
  if (delta.reasoning) onReasoning(String(delta.reasoning));
  if (delta.content) {
    result.text += delta.content;
    onText(String(delta.content));
  }
}

function refusal(text, status) {
  try {
    return JSON.parse(text).error.message ?? text;
  } catch {
    return text || t("error.status", { status });
  }
}
