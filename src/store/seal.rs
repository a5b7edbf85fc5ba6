//! Sealing: how upstream keys lie in the database. Pure; no file, no database.
//!
//! An envelope: the secret key, which never enters the database, wraps a random data key, and keys
//! derived from the data key seal the rows and compute fingerprints. So the secret key can be
//! changed by wrapping one value anew. Everything is AES-256-GCM (NIST SP 800-38D) with a fresh
//! 96-bit nonce, and bound to its table, row and column, so that no value can be moved to another
//! place. Sealed text is `v1.<nonce>.<ciphertext and tag>`, both in base64.

use super::error::StoreError;
use crate::domain::ids::KeyId;
use crate::domain::secret::Secret;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use openssl::{base64, rand};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const VERSION: &str = "v1";
const DATA_KEY_PLACE: &str = "settings|data_key|v1";

type KeyMaterial = Zeroizing<[u8; KEY_BYTES]>;

/// The operator's key, kept outside the database: what a stolen database lacks.
pub struct SecretKey(KeyMaterial);

impl SecretKey {
    /// A new random one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn generate() -> Result<SecretKey, StoreError> {
        random_key().map(SecretKey)
    }

    /// Reads what a secret key file or `SECRET_KEY` holds: 32 bytes as base64 or as 64 hex digits,
    /// white space around them allowed. `None` when it is something else.
    pub fn parse(text: &Secret) -> Option<SecretKey> {
        let text = text.expose().trim();
        let bytes = match text.len() {
            64 => unhex(text)?,
            // Without its padding too: shells and compose files lose a trailing "=".
            43 => Zeroizing::new(base64::decode_block(&Zeroizing::new(format!("{text}="))).ok()?),
            44 => Zeroizing::new(base64::decode_block(text).ok()?),
            _ => return None,
        };
        material(&bytes).map(SecretKey)
    }

    /// What a secret key file holds: base64 and a line end.
    pub(super) fn to_file_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(base64::encode_block(self.0.as_slice()));
        text.push('\n');
        text
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The random key in the middle of the envelope: the secret key wraps it, rows are sealed under it.
pub(super) struct DataKey(KeyMaterial);

impl DataKey {
    /// A new random one.
    pub(super) fn generate() -> Result<DataKey, StoreError> {
        random_key().map(DataKey)
    }

    /// Wrapped by `secret_key`, to be stored.
    pub(super) fn wrap(&self, secret_key: &SecretKey) -> Result<String, StoreError> {
        encrypt(&secret_key.0, DATA_KEY_PLACE, self.0.as_slice())
    }

    /// Out of its wrapping; `None` when `secret_key` is not the one that wrapped it.
    pub(super) fn unwrap_by(secret_key: &SecretKey, wrapped: &str) -> Option<DataKey> {
        let bytes = decrypt(&secret_key.0, DATA_KEY_PLACE, wrapped)?;
        material(&bytes).map(DataKey)
    }

    /// What seals and unseals under this key.
    pub(super) fn vault(&self) -> Result<Vault, StoreError> {
        // Two uses, two keys: HMAC as the expanding step of HKDF (RFC 5869 2.3, one block).
        Ok(Vault {
            sealing: mac(&self.0, b"seal v1\x01")?,
            fingerprints: mac(&self.0, b"fingerprint v1\x01")?,
        })
    }
}

/// What seals and unseals upstream keys while the program runs.
pub(super) struct Vault {
    sealing: KeyMaterial,
    fingerprints: KeyMaterial,
}

impl Vault {
    /// Seals an upstream key for its own row.
    pub(super) fn seal(&self, id: KeyId, secret: &Secret) -> Result<String, StoreError> {
        encrypt(&self.sealing, &key_place(id), secret.expose().as_bytes())
    }

    /// Unseals the upstream key of this row; `None` when it was changed or comes from another row.
    pub(super) fn unseal(&self, id: KeyId, sealed: &str) -> Option<Secret> {
        let mut plain = decrypt(&self.sealing, &key_place(id), sealed)?;
        match String::from_utf8(std::mem::take(&mut *plain)) {
            Ok(text) => Some(Secret::new(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                None
            }
        }
    }

    /// What tells that two upstream keys are the same, and nothing to who lacks the secret key.
    pub(super) fn fingerprint(&self, secret: &Secret) -> Result<String, StoreError> {
        let mac = mac(&self.fingerprints, secret.expose().as_bytes())?;
        Ok(base64::encode_block(mac.as_slice()))
    }
}

fn key_place(id: KeyId) -> String {
    format!("keys|{id}|sealed|v1")
}

fn encrypt(key: &KeyMaterial, place: &str, plain: &[u8]) -> Result<String, StoreError> {
    let mut nonce = [0u8; NONCE_BYTES];
    rand::rand_bytes(&mut nonce).map_err(|_| StoreError::Crypto("give randomness"))?;
    let mut tag = [0u8; TAG_BYTES];
    let mut sealed =
        encrypt_aead(Cipher::aes_256_gcm(), key.as_slice(), Some(&nonce), place.as_bytes(), plain, &mut tag)
            .map_err(|_| StoreError::Crypto("seal a secret"))?;
    sealed.extend_from_slice(&tag);
    Ok(format!("{VERSION}.{}.{}", base64::encode_block(&nonce), base64::encode_block(&sealed)))
}

fn decrypt(key: &KeyMaterial, place: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut parts = sealed.split('.');
    let (version, nonce, body) = (parts.next()?, parts.next()?, parts.next()?);
    if version != VERSION || parts.next().is_some() {
        return None;
    }
    let (nonce, body) = (strict_base64(nonce)?, strict_base64(body)?);
    let (cipher_text, tag) = body.split_at_checked(body.len().checked_sub(TAG_BYTES)?)?;
    if nonce.len() != NONCE_BYTES {
        return None;
    }
    decrypt_aead(Cipher::aes_256_gcm(), key.as_slice(), Some(&nonce), place.as_bytes(), cipher_text, tag)
        .ok()
        .map(Zeroizing::new)
}

/// Base64 of which each value has one spelling only.
fn strict_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = base64::decode_block(text).ok()?;
    (base64::encode_block(&bytes) == text).then_some(bytes)
}

fn mac(key: &KeyMaterial, message: &[u8]) -> Result<KeyMaterial, StoreError> {
    let failed = |_| StoreError::Crypto("compute a digest");
    let key = PKey::hmac(key.as_slice()).map_err(failed)?;
    let mut digest = Zeroizing::new([0u8; KEY_BYTES]);
    Signer::new(MessageDigest::sha256(), &key)
        .and_then(|mut signer| signer.sign_oneshot(digest.as_mut_slice(), message))
        .map_err(failed)?;
    Ok(digest)
}

fn random_key() -> Result<KeyMaterial, StoreError> {
    let mut key = Zeroizing::new([0u8; KEY_BYTES]);
    rand::rand_priv_bytes(key.as_mut_slice()).map_err(|_| StoreError::Crypto("give randomness"))?;
    Ok(key)
}

fn material(bytes: &[u8]) -> Option<KeyMaterial> {
    <[u8; KEY_BYTES]>::try_from(bytes).ok().map(Zeroizing::new)
}

fn unhex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let digits =
        text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>().map(Zeroizing::new)?;
    let bytes = digits.chunks_exact(2).filter_map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    Some(Zeroizing::new(bytes.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "sk-or-v1-0123456789abcdef0123456789abcdef";

    fn vault() -> Vault {
        DataKey::generate().and_then(|key| key.vault()).expect("a vault")
    }

    #[test]
    fn a_secret_key_is_read_as_base64_or_hex() {
        let key = SecretKey::generate().expect("randomness");
        let text = key.to_file_text();
        let hex: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        for spelling in
            [text.to_string(), text.trim().to_owned(), text.trim_end_matches("=\n").to_owned(), hex]
        {
            let read = SecretKey::parse(&Secret::new(spelling)).expect("a valid key");
            assert_eq!(read.0, key.0);
        }
        assert_eq!(format!("{key:?}"), "SecretKey(…)");
    }

    #[test]
    fn other_texts_are_no_secret_keys() {
        let forty_four = "!".repeat(44);
        let not_hex = "g".repeat(64);
        let too_long = "A".repeat(44);
        let wide = "é".repeat(32);
        for text in ["", " ", "password", &forty_four, &not_hex, &too_long, &wide] {
            assert!(SecretKey::parse(&Secret::new(text)).is_none(), "{text}");
        }
    }

    #[test]
    fn only_the_wrapping_key_opens_a_data_key() {
        let key = SecretKey::generate().expect("randomness");
        let data_key = DataKey::generate().expect("randomness");
        let wrapped = data_key.wrap(&key).expect("wrapped");
        let sealed =
            data_key.vault().and_then(|vault| vault.seal(KeyId(1), &Secret::new(SECRET))).expect("sealed");
        let again = DataKey::unwrap_by(&key, &wrapped).expect("the right key").vault().expect("a vault");
        assert_eq!(again.unseal(KeyId(1), &sealed).expect("unsealed").expose(), SECRET);
        let other = SecretKey::generate().expect("randomness");
        assert!(DataKey::unwrap_by(&other, &wrapped).is_none());
    }

    #[test]
    fn a_sealed_key_opens_in_its_own_row_only() {
        let vault = vault();
        let sealed = vault.seal(KeyId(1), &Secret::new(SECRET)).expect("sealed");
        assert!(vault.unseal(KeyId(2), &sealed).is_none());
        assert!(decrypt(&vault.sealing, DATA_KEY_PLACE, &sealed).is_none());
    }

    #[test]
    fn a_changed_character_is_noticed_wherever_it_is() {
        let vault = vault();
        let sealed = vault.seal(KeyId(7), &Secret::new(SECRET)).expect("sealed");
        for position in 0..sealed.len() {
            for bit in 0..7 {
                let mut bytes = sealed.clone().into_bytes();
                bytes[position] ^= 1 << bit;
                let text = String::from_utf8(bytes).expect("ASCII");
                assert!(vault.unseal(KeyId(7), &text).is_none(), "{position} {bit}");
            }
            assert!(vault.unseal(KeyId(7), &sealed[..position]).is_none());
        }
        assert!(vault.unseal(KeyId(7), &format!("{sealed}.")).is_none());
    }

    #[test]
    fn fingerprints_agree_only_for_equal_keys_in_one_vault() {
        let vault_one = vault();
        let print = |vault: &Vault, text: &str| vault.fingerprint(&Secret::new(text)).expect("a digest");
        assert_eq!(print(&vault_one, SECRET), print(&vault_one, SECRET));
        assert_ne!(print(&vault_one, SECRET), print(&vault_one, "sk-or-v1-other"));
        assert_ne!(print(&vault_one, SECRET), print(&vault(), SECRET));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_again(text in "\\PC{0,200}", id in any::<i64>(), other in any::<i64>()) {
            let vault = vault();
            let secret = Secret::new(text.clone());
            let sealed = vault.seal(KeyId(id), &secret).expect("sealed");
            prop_assert_ne!(&sealed, &vault.seal(KeyId(id), &secret).expect("sealed"));
            let unsealed = vault.unseal(KeyId(id), &sealed).expect("unsealed");
            prop_assert_eq!(unsealed.expose(), text);
            prop_assert!(id == other || vault.unseal(KeyId(other), &sealed).is_none());
        }

        #[test]
        fn nonsense_never_opens(text in "\\PC{0,100}") {
            prop_assert!(vault().unseal(KeyId(1), &text).is_none());
            let versioned = format!("v1.{text}");
            prop_assert!(vault().unseal(KeyId(1), &versioned).is_none());
        }
    }
}
