//! What the upstream says when a request was too large: read out of its message, so that the next
//! value fits (`openrouter-api.md` section 4).
//!
//! Never trusts the text beyond its numbers: what does not say them plainly is not understood.

/// A request that was too large, by the upstream's own figures, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Prompt and output together do not fit the window.
    Context {
        /// The window of the endpoint that was asked.
        window: u64,
        /// What the prompt comes to there, tools included, if it says.
        prompt: Option<u64>,
        /// What it makes of prompt and output together, if it says.
        requested: Option<u64>,
    },
    /// The account's balance does not cover the output asked for.
    Credits {
        /// The most that it covers.
        affordable: u64,
    },
}

/// Reads an error's message.
pub fn parse(message: &str) -> Option<Overflow> {
    let text = message.to_ascii_lowercase();
    if let Some(affordable) = number_after(&text, "can only afford ") {
        return Some(Overflow::Credits { affordable });
    }
    let window = number_after(&text, "maximum context length is ").filter(|&window| window > 0)?;
    let requested =
        number_after(&text, "you requested about ").or_else(|| number_after(&text, "you requested "));
    let prompt = requested
        .and_then(|_| breakdown(&text))
        .or_else(|| number_after(&text, "messages resulted in "))
        .or_else(|| number_after(&text, "your request has "));
    Some(Overflow::Context { window, prompt, requested })
}

/// The number that stands right after `words`.
fn number_after(text: &str, words: &str) -> Option<u64> {
    let (_, rest) = text.split_once(words)?;
    leading_number(rest)
}

fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// The input's part of `(X of text input, Y of tool input, Z in the output)`; older endpoints say
/// `in the messages` and `in the completion`.
fn breakdown(text: &str) -> Option<u64> {
    let (_, after) = text.split_once("you requested")?;
    let (_, inside) = after.split_once('(')?;
    let (inside, _) = inside.split_once(')')?;
    let input = inside
        .split([',', ';'])
        .filter(|part| !part.contains("output") && !part.contains("completion"))
        .map(leading_number)
        .collect::<Option<Vec<u64>>>()?;
    (!input.is_empty()).then(|| input.into_iter().fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_seen_in_the_wild() {
        for (message, window, prompt, requested) in [
            (
                "This endpoint's maximum context length is 131072 tokens. However, you requested about 138956 tokens (7884 of text input, 131072 in the output). Please reduce",
                131_072,
                Some(7_884),
                Some(138_956),
            ),
            (
                "This endpoint's maximum context length is 204800 tokens. However, you requested about 205432 tokens (81684 of text input, 3748 of tool input, 120000 in the output).",
                204_800,
                Some(85_432),
                Some(205_432),
            ),
            (
                "This endpoint's maximum context length is 200000 tokens. However, you requested about 2500021 tokens (2500021 of text input). Please",
                200_000,
                Some(2_500_021),
                Some(2_500_021),
            ),
            (
                "This model's maximum context length is 4097 tokens, however you requested 4322 tokens (4066 in your prompt; 256 for the completion).",
                4_097,
                Some(4_066),
                Some(4_322),
            ),
            (
                "This model's maximum context length is 40960 tokens and your request has 10000 input tokens (32768 > 40960 - 10000).",
                40_960,
                Some(10_000),
                None,
            ),
            (
                "maximum context length is 8192 tokens. However, you requested about 9000 tokens",
                8_192,
                None,
                Some(9_000),
            ),
        ] {
            assert_eq!(parse(message), Some(Overflow::Context { window, prompt, requested }), "{message}");
        }
        let credits = "You requested up to 32000 tokens, but can only afford 398. To increase, visit";
        assert_eq!(parse(credits), Some(Overflow::Credits { affordable: 398 }));
    }

    #[test]
    fn anything_else_is_not_understood() {
        for message in [
            "",
            "maximum context length is huge",
            "maximum context length is 0 tokens",
            "can only afford nothing",
            "maximum context length is 99999999999999999999999 tokens",
        ] {
            assert_eq!(parse(message), None, "{message}");
        }
    }
}
