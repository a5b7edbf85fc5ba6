//! Looks for traces of secrets: any piece of twelve bytes, as it is, in hex or in base64 of any alignment.

use aho_corasick::AhoCorasick;
use openssl::base64;

/// Shorter pieces say too little, and the last four characters may be shown.
const PIECE: usize = 12;

/// Secrets to look for.
pub struct Traces {
    names: Vec<String>,
    search: AhoCorasick,
}

impl Traces {
    /// Of these secrets, each with the name to call it by.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Traces {
        let mut names = Vec::new();
        let mut patterns = Vec::new();
        for (name, secret) in secrets {
            assert!(secret.len() >= PIECE, "{name} is too short to be looked for");
            for piece in secret.windows(PIECE) {
                for spelling in spellings(piece) {
                    names.push(name.to_owned());
                    patterns.push(spelling);
                }
            }
        }
        Traces { names, search: AhoCorasick::new(patterns).expect("a search") }
    }

    /// What of them `bytes` hold; each secret once.
    pub fn in_bytes(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found: Vec<&str> =
            self.search.find_overlapping_iter(bytes).map(|hit| self.names[hit.pattern()].as_str()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// A piece in every spelling. Base64 writes three bytes at a time, so whatever the alignment of a whole,
/// some of its pieces of twelve bytes stand in it as they are written alone.
fn spellings(piece: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::encode_block(piece);
    let percent = |upper: bool| -> String {
        let written = |byte: &u8| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => {
                char::from(*byte).to_string()
            }
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        };
        piece.iter().map(written).collect()
    };
    let mut all = vec![
        piece.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        base64.replace('+', "-").replace('/', "_").into_bytes(),
        base64.into_bytes(),
        percent(true).into_bytes(),
        percent(false).into_bytes(),
    ];
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn every_spelling_is_found_and_nothing_else() {
    let secret = "Za9+/q&xcvbnMQWERTYuiop45678";
    let traces = Traces::new([("it", secret.as_bytes())]);
    let found = |bytes: &[u8]| traces.in_bytes(bytes) == ["it"];
    let hex: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
    assert!(found(secret.as_bytes()) && found(hex.as_bytes()) && found(hex.to_lowercase().as_bytes()));
    assert!(found(b"?k=Za9%2B%2Fq%26xcvbnM") && found(b"?k=%2b%2fq%26xcvbnMQW&"));
    for before in 0..3 {
        let whole = format!("{}{secret}..", &"abc"[..before]);
        assert!(found(base64::encode_block(whole.as_bytes()).as_bytes()), "{before}");
    }
    for start in 0..=secret.len() - PIECE {
        assert!(found(format!("x{}x", &secret[start..start + PIECE]).as_bytes()));
    }
    assert!(traces.in_bytes(&secret.as_bytes()[..PIECE - 1]).is_empty());
    assert!(traces.in_bytes(b"nothing of it, only the hint \xe2\x80\xa65678").is_empty());
}
