//! The margin between our count of a prompt and the model's own, and what upstream errors teach of it.
//!
//! Starts small for every model; an upstream that counts more corrects it for that model. Never
//! shrinks by itself: whoever holds it forgets it when the catalog is refreshed.

use super::overflow::Overflow;

/// Prompts shorter than this differ by their frame, longer ones by their tokenizer.
const SHORT_PROMPT: u64 = 4_096;

/// The largest corrections believed: beyond them the message was about something else.
const MOST_PER_MILLE: u64 = 3_000;
const MOST_EXTRA: u64 = 65_536;

/// What is kept free for a model beside the counted prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margin {
    /// How many of the model's tokens a thousand of ours make.
    per_mille: u64,
    /// Tokens that the model adds to any prompt.
    extra: u64,
    /// The smallest window that an endpoint of the model has shown.
    window: Option<u64>,
}

impl Default for Margin {
    fn default() -> Margin {
        Margin { per_mille: 1_000, extra: 0, window: None }
    }
}

impl Margin {
    /// The window to reckon with, given what the catalog says.
    pub fn window(&self, listed: Option<u64>) -> Option<u64> {
        match (listed, self.window) {
            (Some(listed), Some(shown)) => Some(listed.min(shown)),
            (listed, shown) => listed.or(shown),
        }
    }

    /// The output that fits `window` beside a prompt we counted: 1/64 of the room and 32 tokens stay
    /// free, below the 2 % and 64 tokens that DESIGN section 8 allows.
    pub fn output(&self, window: u64, prompt: u64) -> u64 {
        let prompt = (u128::from(prompt) * u128::from(self.per_mille)).div_ceil(1_000);
        let prompt = u64::try_from(prompt).unwrap_or(u64::MAX).saturating_add(self.extra);
        let room = window.saturating_sub(prompt);
        room.saturating_sub(room / 64 + 32)
    }

    /// The margin after an upstream said that a prompt we had counted as `counted`, with `asked`
    /// tokens of output, was too much. The same error again cannot follow from the corrected margin.
    pub fn learn(&self, overflow: &Overflow, counted: u64, asked: u64) -> Margin {
        let Overflow::Context { window, prompt, requested } = *overflow else { return *self };
        let mut margin = Margin { window: self.window(Some(window)), ..*self };
        let shown = prompt.or_else(|| requested.map(|all| all.saturating_sub(asked))).unwrap_or(counted);
        if counted < SHORT_PROMPT {
            let extra = shown.saturating_sub(counted).min(MOST_EXTRA);
            margin.extra = margin.extra.max(extra);
        } else {
            let ratio = (u128::from(shown) * 1_000).div_ceil(u128::from(counted));
            let ratio = u64::try_from(ratio).unwrap_or(u64::MAX).min(MOST_PER_MILLE);
            margin.per_mille = margin.per_mille.max(ratio);
        }
        margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::overflow::parse;

    fn overflow(window: u64, prompt: u64, output: u64) -> Overflow {
        let total = prompt + output;
        parse(&format!(
            "This endpoint's maximum context length is {window} tokens. However, you requested about {total} tokens ({prompt} of text input, {output} in the output)."
        ))
        .unwrap()
    }

    #[test]
    fn the_corrected_value_fits() {
        for (window, counted, shown) in
            [(131_072, 40_000, 47_000), (131_072, 100, 900), (8_192, 5_000, 5_100), (100_000, 50_000, 60_000)]
        {
            let first = Margin::default();
            let asked = first.output(window, counted);
            assert!(asked + counted <= window);
            let learned = first.learn(&overflow(window, shown, asked), counted, asked);
            assert!(learned.output(window, counted) + shown <= window);
            assert!(learned.output(window, counted) > 0);
        }
    }

    #[test]
    fn a_smaller_window_is_remembered() {
        let learned = Margin::default().learn(&overflow(65_536, 1_000, 120_000), 1_000, 120_000);
        assert_eq!(learned.window(Some(131_072)), Some(65_536));
        assert_eq!(learned.window(None), Some(65_536));
        assert_eq!(learned.output(65_536, 1_000), Margin::default().output(65_536, 1_000));
    }

    #[test]
    fn corrections_stay_within_reason() {
        let learned = Margin::default().learn(&overflow(100_000, u64::MAX / 4, 0), 5_000, 0);
        assert_eq!(learned.per_mille, MOST_PER_MILLE);
        let learned = Margin::default().learn(&overflow(100_000, 90_000, 0), 0, 0);
        assert_eq!(learned.extra, MOST_EXTRA);
        let same = Margin::default().learn(&Overflow::Credits { affordable: 5 }, 5_000, 0);
        assert_eq!(same, Margin::default());
    }
}
