//! What one model leaves for an answer beside a prompt: its window, its cap, its margin
//! (`openrouter-api.md` section 4). Facts alone; never looks at a body.

use super::margin::Margin;
use crate::domain::model::Model;

/// The least output worth asking for: some providers refuse less (`openrouter-api.md` section 4).
pub const LEAST_OUTPUT: u64 = 16;

/// The least output of a model that reasons: its thoughts count too, and with less it ends with
/// `length` and an empty answer. Kept as far as the window has it, at the cost of the margin.
pub const LEAST_REASONING_OUTPUT: u64 = 1_024;

/// The room of one model; all figures in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The context window; `None`: not known.
    pub window: Option<u64>,
    /// The most that one answer may have; `None`: only the window bounds it.
    pub cap: Option<u64>,
    /// Whether the model reasons before it answers.
    pub reasons: bool,
    /// What is kept free beside the count.
    pub margin: Margin,
}

impl Room {
    /// The room of `model`, with what was learned of its own count.
    pub fn of(model: &Model, margin: Margin) -> Room {
        Room {
            window: margin.window(model.window()),
            cap: model.max_completion_tokens.filter(|&cap| cap > 0),
            reasons: model.reasons,
            margin,
        }
    }

    /// Whether a prompt of so many tokens fits with any answer at all.
    pub fn takes(&self, prompt: u64) -> bool {
        self.window.is_none_or(|window| prompt.saturating_add(LEAST_OUTPUT) <= window)
    }

    /// The most output to ask for beside a prompt of so many tokens; `None`: nothing bounds it.
    pub fn allows(&self, prompt: u64) -> Option<u64> {
        let fits = self.window.map(|window| self.fits(window, prompt));
        [fits, self.cap].into_iter().flatten().min()
    }

    /// What the window leaves, less the margin.
    fn fits(&self, window: u64, prompt: u64) -> u64 {
        let room = window.saturating_sub(prompt);
        let least = if self.reasons { LEAST_REASONING_OUTPUT } else { LEAST_OUTPUT };
        self.margin.output(window, prompt).max(least.min(room))
    }
}
