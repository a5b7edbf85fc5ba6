//! Passwords that everybody tries first. Never repeats one: it compares digests.

use crate::domain::secret::{Digest, Secret};

/// Fewer characters than this are guessed (NIST SP 800-63B, 5.1.1.2: at least eight).
const SHORTEST: usize = 8;

/// What other programs, the earlier proxies among them, come with, and what people type first.
const KNOWN: &[&str] = &[
    "admin123",
    "admin1234",
    "admin12345",
    "admin123456",
    "adminadmin",
    "administrator",
    "admin-password",
    "adminpassword",
    "admin_password",
    "your-admin-password",
    "your_admin_password",
    "your-password-here",
    "your_password_here",
    "password",
    "password1",
    "password123",
    "passw0rd",
    "12345678",
    "123456789",
    "1234567890",
    "11111111",
    "88888888",
    "00000000",
    "qwertyui",
    "qwerty123",
    "changeme",
    "change-me",
    "change_me",
    "changeit",
    "letmein1",
    "iloveyou",
    "openrouter",
    "openrouter-proxy",
    "openrouter123",
    "secret123",
    "default1",
    "test1234",
];

/// Why `password` is one that is guessed soon; `None`: nothing speaks against it.
pub fn weakness(password: &Secret) -> Option<&'static str> {
    if password.length() < SHORTEST {
        return Some("has fewer than 8 characters");
    }
    let digest = password.digest();
    let known = KNOWN.iter().any(|known| {
        let mut capital = (*known).to_owned();
        if let Some(first) = capital.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        [known.as_bytes(), capital.as_bytes(), known.to_uppercase().as_bytes()]
            .iter()
            .any(|spelling| Digest::of(spelling) == digest)
    });
    known.then_some("is one that everybody tries first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_well_known_passwords_are_weak() {
        for text in ["", "admin", "short12", "admin123", "Admin123", "PASSWORD", "changeme"] {
            assert!(weakness(&Secret::new(text)).is_some(), "{text}");
        }
        for text in ["correct horse", "k3wq-8fnb", "密码密码密码密码"] {
            assert_eq!(weakness(&Secret::new(text)), None, "{text}");
        }
    }
}
