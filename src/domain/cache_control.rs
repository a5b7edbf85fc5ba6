//! Where prompt cache markers go: a word of the configuration and of shaping.

/// What is done about prompt cache markers (`openrouter-api.md` section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheControl {
    /// Added for models whose vendor needs them and that list a price for cached input.
    #[default]
    Auto,
    /// Every marker is removed and the last message marked, whatever the model.
    LastMessage,
    /// Nothing; a client's own stay.
    Off,
}
