//! Secrets: text that never reaches a log, an answer or a `Debug` print, and is wiped when dropped.
//!
//! [`Secret::expose`] may be called only in the rooms `upstream` (to send a key) and `store` (to
//! seal a key or hash a password); a test keeps that. Everyone else compares digests.

use openssl::sha::Sha256;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A secret text. Cloning shares it; the last owner wipes it.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes `text` in as a secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Arc::new(Zeroizing::new(text.into())))
    }

    /// The text itself. Only for `upstream` and `store`.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the text, for comparisons that do not need the text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many characters it has.
    pub fn length(&self) -> usize {
        self.0.chars().count()
    }

    /// Whether it has the form of an OpenRouter key.
    pub fn looks_like_openrouter_key(&self) -> bool {
        self.0.starts_with("sk-or-")
    }

    /// What may be shown of it: its last four characters, and none when it is short.
    pub fn hint(&self) -> String {
        let count = self.0.chars().count();
        if count < 16 {
            return "…".to_owned();
        }
        format!("…{}", self.0.chars().skip(count - 4).collect::<String>())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a secret. Equality takes the same time wherever two digests differ.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes that a client sent.
    pub fn of(bytes: &[u8]) -> Digest {
        // The function that does all of it at once looks its algorithm up each time.
        let mut hash = Sha256::new();
        hash.update(bytes);
        Digest(hash.finish())
    }
}

impl Digest {
    /// As 64 hex digits, for a table or a map. Not secret: nobody comes in with a digest.
    pub fn hex(&self) -> String {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
    }

    /// The digest that [`Digest::hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Digest> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (number, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * number..2 * number + 2)?, 16).ok()?;
        }
        Some(Digest(bytes))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Digest) -> bool {
        openssl::memcmp::eq(&self.0, &other.0)
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.hash(hasher);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_printed() {
        let secret = Secret::new("sk-or-v1-0123456789abcdef");
        assert_eq!(format!("{secret:?} {:?}", secret.digest()), "Secret(…) Digest(…)");
        assert_eq!(secret.hint(), "…cdef");
        assert_eq!(Secret::new("short").hint(), "…");
    }

    #[test]
    fn digests_compare() {
        assert_eq!(Secret::new("a").digest(), Digest::of(b"a"));
        assert_ne!(Secret::new("a").digest(), Digest::of(b"b"));
        assert_eq!(Digest::from_hex(&Digest::of(b"a").hex()), Some(Digest::of(b"a")));
        for text in ["", "+1", &"z".repeat(64), &"é".repeat(32), &"0".repeat(63)] {
            assert_eq!(Digest::from_hex(text), None, "{text}");
        }
    }
}
