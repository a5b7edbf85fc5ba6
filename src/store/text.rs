//! Text that both databases can hold.

use std::borrow::Cow;

/// `text` with every NUL replaced: Postgres refuses it in text, SQLite's own tools stop at it, and
/// one such character in a model name must not block a whole batch of rows.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    match memchr::memchr(0, text.as_bytes()) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.replace('\0', "\u{fffd}")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_nul_is_replaced() {
        assert_eq!(super::storable("a\0b\n中"), "a\u{fffd}b\n中");
    }
}
