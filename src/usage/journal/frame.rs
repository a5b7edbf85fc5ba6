//! Frames: how a row lies in the journal's files. Pure: bytes in, bytes out.
//!
//! A frame is a mark, the version of its payload, its length, a checksum of the payload, a checksum of
//! all that; then the payload. The head is checked by itself, so that a torn frame, which merely
//! stops, is told from a damaged one, and the frame behind damage is found again. Never gives back a
//! payload whose checksum is wrong.

use crc32c::{crc32c, crc32c_append};

/// The largest payload of a frame, in bytes.
pub const LARGEST: usize = 256 * 1024;
/// Bytes of a frame beside its payload.
pub const HEAD: usize = 17;

/// No payload holds it: payloads are UTF-8, where these bytes never stand.
const MARK: [u8; 4] = [0xff, b'J', 0xfe, b'R'];

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole frame of `length` bytes whose checksums are right.
    Frame {
        /// The version of its payload.
        version: u8,
        /// Its payload.
        payload: &'a [u8],
        /// Its length with its head.
        length: usize,
    },
    /// Nothing but the beginning of a frame: more may come, or at the end of a file it is torn.
    Beginning,
    /// So many bytes, at least one, that belong to no whole frame.
    Damage(usize),
}

/// Appends `payload` to `bytes` as a frame. Errors: it is larger than [`LARGEST`].
pub fn put(version: u8, payload: &[u8], bytes: &mut Vec<u8>) -> Result<(), TooLarge> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= LARGEST).ok_or(TooLarge)?;
    let mut head = [0u8; HEAD - 4];
    let fields = MARK.into_iter().chain([version]).chain(length.to_le_bytes());
    for (byte, value) in head.iter_mut().zip(fields.chain(crc32c(payload).to_le_bytes())) {
        *byte = value;
    }
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(&crc32c(&head).to_le_bytes());
    bytes.extend_from_slice(payload);
    Ok(())
}

/// The payload does not fit into a frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of more than {LARGEST} bytes")]
pub struct TooLarge;

/// What stands at the beginning of `bytes`, which are not empty.
pub fn first(bytes: &[u8]) -> Found<'_> {
    match head(bytes) {
        Head::Right { version, length, sum } => {
            let Some(payload) = bytes.get(HEAD..HEAD + length) else { return Found::Beginning };
            if crc32c_append(0, payload) == sum {
                Found::Frame { version, payload, length: HEAD + length }
            } else {
                // The head is right, so the next frame begins where it says.
                Found::Damage(HEAD + length)
            }
        }
        Head::Short => Found::Beginning,
        // After a loss of power a file may end in zeros that were never written over.
        Head::Wrong if bytes.iter().all(|byte| *byte == 0) => Found::Beginning,
        Head::Wrong => Found::Damage(to_next(bytes)),
    }
}

enum Head {
    Right { version: u8, length: usize, sum: u32 },
    Short,
    Wrong,
}

fn head(bytes: &[u8]) -> Head {
    let Some((checked, rest)) = bytes.split_at_checked(HEAD - 4) else { return beginning(bytes) };
    let Some(&sum) = rest.first_chunk::<4>() else { return beginning(bytes) };
    if !checked.starts_with(&MARK) || crc32c(checked) != u32::from_le_bytes(sum) {
        return Head::Wrong;
    }
    let [_, _, _, _, version, l0, l1, l2, l3, s0, s1, s2, s3] = *checked else { return Head::Wrong };
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    if length > LARGEST {
        return Head::Wrong;
    }
    Head::Right { version, length, sum: u32::from_le_bytes([s0, s1, s2, s3]) }
}

fn beginning(bytes: &[u8]) -> Head {
    if bytes.iter().zip(&MARK).all(|(byte, mark)| byte == mark) { Head::Short } else { Head::Wrong }
}

/// From bytes that are no head to the next that may be one, or to their end.
fn to_next(bytes: &[u8]) -> usize {
    let marks = memchr::memchr_iter(MARK[0], bytes).filter(|at| *at > 0);
    let mut heads =
        marks.filter(|at| bytes.get(*at..).is_some_and(|rest| !matches!(head(rest), Head::Wrong)));
    heads.next().unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every payload that is found, and how many bytes belong to none; what is left is a beginning.
    fn all(mut bytes: &[u8]) -> (Vec<Vec<u8>>, usize, usize) {
        let (mut payloads, mut damaged) = (Vec::new(), 0);
        while !bytes.is_empty() {
            let step = match first(bytes) {
                Found::Frame { payload, length, version } => {
                    assert_eq!(version, 1);
                    payloads.push(payload.to_vec());
                    length
                }
                Found::Beginning => break,
                Found::Damage(length) => {
                    damaged += length;
                    length
                }
            };
            assert!(step > 0, "no step");
            bytes = &bytes[step..];
        }
        (payloads, damaged, bytes.len())
    }

    fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            put(1, payload, &mut bytes).expect("small");
        }
        bytes
    }

    fn sample() -> Vec<Vec<u8>> {
        ["{}", "", "{\"model\":\"\u{7fff}\"}", "x", "J\u{0}R"].map(|text| text.as_bytes().to_vec()).into()
    }

    #[test]
    fn every_cut_leaves_whole_frames_and_a_beginning() {
        let payloads = sample();
        let bytes = file(&payloads);
        let mut ends = vec![0];
        for payload in &payloads {
            ends.push(ends.last().expect("one") + HEAD + payload.len());
        }
        for cut in 0..=bytes.len() {
            let (found, damaged, left) = all(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!((found.as_slice(), damaged), (&payloads[..whole], 0), "cut at {cut}");
            assert_eq!(left, cut - ends[whole], "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_costs_one_frame() {
        let payloads = sample();
        let bytes = file(&payloads);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (found, damaged, left) = all(&flipped);
            assert_eq!(found.len(), payloads.len() - 1, "bit {bit}");
            assert!(damaged > 0 && left == 0, "bit {bit}");
            assert!(found.iter().all(|payload| payloads.contains(payload)), "bit {bit}");
        }
    }

    #[test]
    fn zeros_at_the_end_are_no_damage_and_large_rows_are_refused() {
        let mut bytes = file(&sample());
        let whole = bytes.len();
        bytes.resize(whole + 4096, 0);
        let (found, damaged, left) = all(&bytes);
        assert_eq!((found.len(), damaged, left), (sample().len(), 0, 4096));
        assert_eq!(put(1, &vec![b'x'; LARGEST + 1], &mut Vec::new()), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            all(&bytes);
        }

        #[test]
        fn frames_are_found_behind_any_rubbish(
            before in proptest::collection::vec("[ -~]{0,40}", 0..4),
            rubbish in proptest::collection::vec(any::<u8>(), 1..60),
            after in proptest::collection::vec("[ -~]{0,40}", 1..4),
        ) {
            let frames = |texts: &[String]| file(&texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
            let bytes = [frames(&before), rubbish, frames(&after)].concat();
            let (found, ..) = all(&bytes);
            let wanted: Vec<Vec<u8>> = before.iter().chain(&after).map(|text| text.as_bytes().to_vec()).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
