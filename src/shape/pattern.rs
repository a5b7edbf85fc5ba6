//! Patterns of model ids, as the provider mapping and client tokens write them.

/// What a model's id is compared with, without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// `*`
    Any,
    /// `*suffix`
    Suffix(String),
    /// `prefix*`
    Prefix(String),
    /// `*substring*`
    Within(String),
    /// The id itself.
    Exact(String),
}

impl Pattern {
    /// Reads a pattern; `None` for an empty text and for one with a star inside, which matches nothing.
    pub fn parse(text: &str) -> Option<Pattern> {
        let lower = text.trim().to_lowercase();
        let tail = lower.strip_prefix('*');
        let middle = tail.unwrap_or(&lower);
        let head = middle.strip_suffix('*');
        let word = head.unwrap_or(middle).to_owned();
        match (tail.is_some(), head.is_some()) {
            _ if word.contains('*') => None,
            (false, false) => (!word.is_empty()).then_some(Pattern::Exact(word)),
            _ if word.is_empty() => Some(Pattern::Any),
            (true, false) => Some(Pattern::Suffix(word)),
            (false, true) => Some(Pattern::Prefix(word)),
            (true, true) => Some(Pattern::Within(word)),
        }
    }

    /// Whether `id`, in lower case, matches.
    pub fn matches(&self, id: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Suffix(word) => id.ends_with(word),
            Pattern::Prefix(word) => id.starts_with(word),
            Pattern::Within(word) => id.contains(word),
            Pattern::Exact(word) => id == word,
        }
    }
}
