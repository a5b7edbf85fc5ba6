//! Numbers, sizes and durations as settings. Limits come from the row's kind; nothing is clamped.

use super::given::{Given, Value, misfit, quote};
use super::json::Json;
use super::table::Kind;
use crate::domain::account::Limit;
use std::time::Duration;

fn whole(given: &Given, kind: &Kind) -> Result<u64, String> {
    let text = given.number(kind)?;
    let Kind::Whole { min, max } = *kind else { return Err(misfit(kind, "a whole number")) };
    let number = text.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| misfit(kind, &quote(&text)))
}

macro_rules! whole_value {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn read(given: &Given, kind: &Kind) -> Result<Self, String> {
                <$type>::try_from(whole(given, kind)?).map_err(|_| misfit(kind, "a larger one"))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_value!(u16, u32, usize);

impl Value for Limit {
    fn read(given: &Given, kind: &Kind) -> Result<Limit, String> {
        let text = given.number(kind)?;
        let number = text.parse::<i64>().ok().filter(|number| (-1..=i64::from(u32::MAX)).contains(number));
        number.map(Limit::from_number).ok_or_else(|| misfit(kind, &quote(&text)))
    }

    fn show(&self) -> String {
        self.number().to_string()
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteSize(pub u64);

impl Value for ByteSize {
    fn read(given: &Given, kind: &Kind) -> Result<ByteSize, String> {
        let text = match given {
            Given::Json(Json::Number(number)) => number.to_string(),
            _ => given.one_text(kind)?.trim().to_owned(),
        };
        let Kind::Bytes { min, max } = *kind else { return Err(misfit(kind, "a size")) };
        let bytes = bytes_of(&text).filter(|bytes| (min..=max).contains(bytes));
        bytes.map(ByteSize).ok_or_else(|| misfit(kind, &quote(&text)))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

fn bytes_of(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

impl Value for Duration {
    fn read(given: &Given, kind: &Kind) -> Result<Duration, String> {
        let text = given.number(kind)?;
        let Kind::Seconds { min, max } = *kind else { return Err(misfit(kind, "a time")) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| (min..=max).contains(seconds));
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.ok_or_else(|| misfit(kind, &quote(&text)))
    }

    fn show(&self) -> String {
        self.as_secs_f64().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Value>(kind: Kind, text: &str) -> Result<T, String> {
        T::read(&Given::text(text), &kind)
    }

    #[test]
    fn sizes_have_units() {
        let kind = Kind::Bytes { min: 1, max: 1 << 40 };
        for (text, bytes) in [
            ("1024", 1024),
            ("32 MiB", 32 << 20),
            ("32mib", 32 << 20),
            ("5 kB", 5_000),
            ("1G", 1 << 30),
            ("7b", 7),
        ] {
            assert_eq!(read::<ByteSize>(kind, text), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.5 MiB", "-1", "1 parsec", "99999999999999999999", "20000000 GiB", "0"] {
            assert!(read::<ByteSize>(kind, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_may_be_none() {
        for (text, limit) in [("-1", Limit::None), ("0", Limit::Of(0)), ("20", Limit::Of(20))] {
            assert_eq!(read::<Limit>(Kind::Limit, text), Ok(limit));
            assert_eq!(limit.show(), text);
        }
        for text in ["", "-2", "1.5", "none", "4294967296"] {
            assert!(read::<Limit>(Kind::Limit, text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_take_fractions() {
        let kind = Kind::Seconds { min: 0.001, max: 3600.0 };
        assert_eq!(read::<Duration>(kind, "0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(read::<Duration>(kind, "0.25").map(|value| value.show()), Ok("0.25".to_owned()));
        for text in ["", "0", "-1", "3601", "NaN", "inf", "1m", "1,5"] {
            assert!(read::<Duration>(kind, text).is_err(), "{text}");
        }
    }
}
