//! What can change while the program runs: read by the rows and rules of the start, so that nothing
//! is valid here that would not be valid there.
//!
//! A change stands above flag, variable and file, and is gone with the process: it is never stored.

use super::fault::Faults;
use super::file::ConfigFile;
use super::json::Json;
use super::log::Log;
use super::openrouter::OpenRouter;
use super::proxy::Proxy;
use super::reader::{Found, Reader};
use super::sources::{Source, Sources};
use super::table::{Preset, Row, rows};
use super::usage::Usage;
use super::{Settings, reader::Origin};
use std::collections::BTreeMap;

/// The settings that can change while the program runs.
pub fn live_rows() -> impl Iterator<Item = &'static Row> {
    rows().filter(|row| row.live)
}

impl Settings {
    /// These settings with `changes`, by key; `null` takes the value from one that may be without.
    ///
    /// # Errors
    /// Everything that is wrong with the changes.
    pub fn changed(&self, changes: &BTreeMap<&'static str, Json>) -> Result<Settings, Faults> {
        let mut sources = Sources::default();
        let mut entries = BTreeMap::new();
        for row in live_rows() {
            match changes.get(row.key) {
                Some(given) => {
                    entries.insert(row.key, given.clone());
                }
                // What is shown of a live setting is what it would be read from.
                None => sources.environment.extend(self.value(row).zip(row.variables().pop()).map(swapped)),
            }
        }
        sources.file = Some(ConfigFile { path: Source::Operator.to_string(), entries });
        let mut reader = Reader::new(&sources);
        let openrouter = OpenRouter::read(&mut reader);
        let proxy = Proxy::read(&mut reader);
        let usage = Usage::read(&mut reader);
        let log = Log::read(&mut reader);
        let Found { faults, origins, .. } = reader.finish();
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        Ok(Settings {
            openrouter: OpenRouter {
                first_byte_timeout: openrouter.first_byte_timeout,
                idle_timeout: openrouter.idle_timeout,
                request_timeout: openrouter.request_timeout,
                stream_timeout: openrouter.stream_timeout,
                ..self.openrouter.clone()
            },
            proxy: Proxy {
                model_provider_mapping: self.proxy.model_provider_mapping.clone(),
                model_aliases: self.proxy.model_aliases.clone(),
                ..proxy
            },
            usage: Usage { retention_days: usage.retention_days, ..self.usage.clone() },
            log: Log { level: log.level, ..self.log.clone() },
            origins: self.origins.iter().map(|origin| renewed(origin, changes, &origins)).collect(),
            ..self.clone()
        })
    }

    /// The value of a row as it is shown; `None`: it has none.
    fn value(&self, row: &Row) -> Option<String> {
        let origin = self.origins.iter().find(|origin| origin.key == row.key)?;
        let unset = match row.preset {
            Preset::Unset(otherwise) => origin.value == format!("({otherwise})"),
            Preset::Value(_) => false,
        };
        (!unset).then(|| origin.value.clone())
    }
}

fn swapped<A, B>((one, other): (A, B)) -> (B, A) {
    (other, one)
}

fn renewed(origin: &Origin, changes: &BTreeMap<&'static str, Json>, found: &[Origin]) -> Origin {
    match found.iter().find(|found| found.key == origin.key && changes.contains_key(found.key)) {
        Some(found) => Origin { value: found.value.clone(), source: Source::Operator, ..origin.clone() },
        None => origin.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::domain::account::Limit;
    use crate::domain::strategy::Strategy;
    use std::time::Duration;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources { environment: environment.collect(), ..Sources::default() };
        load(&sources).unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn changes(json: &str) -> BTreeMap<&'static str, Json> {
        let Ok(Json::Object(members)) = serde_json::from_str::<Json>(json) else { panic!("an object") };
        let key = |name: &str| live_rows().find(|row| row.key == name).expect("a live setting").key;
        members.into_iter().map(|(name, value)| (key(&name), value)).collect()
    }

    #[test]
    fn what_is_changed_changes_and_the_rest_stays() {
        let before = settings(&[
            ("PROXY_MAX_ATTEMPTS", "7"),
            ("PROXY_FREE_DAILY_LIMIT", "30"),
            ("PROXY_QUEUE_TIMEOUT", "0.5"),
            ("PROXY_MODEL_ALIASES", r#"{"fast": ["a:free"]}"#),
            ("OPENROUTER_API_KEY", "sk-or-v1-x"),
            ("RUST_LOG", "warn"),
        ]);
        let change = r#"{"proxy.load_balance_strategy": "random", "proxy.free_daily_limit": null,
            "proxy.free_minute_limit": -1, "usage.retention_days": 0, "openrouter.idle_timeout": 1.5,
            "proxy.max_tokens": "off", "proxy.early_headers": true, "log.level": "debug"}"#;
        let after = before.changed(&changes(change)).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(after.proxy.load_balance_strategy, Strategy::Random);
        assert_eq!((after.proxy.free_daily_limit, after.proxy.free_minute_limit), (None, Some(Limit::None)));
        assert_eq!((after.usage.retention_days, after.openrouter.idle_timeout.as_millis()), (None, 1500));
        assert!(!after.proxy.auto_max_tokens && after.proxy.early_headers.is_some());
        assert_eq!((after.proxy.max_attempts, after.proxy.queue_timeout), (7, Duration::from_millis(500)));
        assert_eq!((after.proxy.model_aliases.len(), after.openrouter.api_keys.len()), (1, 1));
        assert_eq!((after.log.level.as_str(), after.log.format), ("debug", before.log.format));
        let origin = |settings: &Settings, key: &str| {
            let origin = settings.origins().iter().find(|origin| origin.key == key).expect("a setting");
            (origin.value.clone(), origin.source.to_string())
        };
        assert_eq!(origin(&after, "log.level"), ("debug".to_owned(), "changed here".to_owned()));
        assert_eq!(origin(&after, "proxy.max_attempts"), origin(&before, "proxy.max_attempts"));
        // Changed once more, from where it stands now.
        let last = after
            .changed(&changes(r#"{"proxy.max_attempts": 2}"#))
            .unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!((last.proxy.max_attempts, last.proxy.free_daily_limit), (2, None));
        assert_eq!(last.proxy.load_balance_strategy, Strategy::Random);
    }

    #[test]
    fn every_fault_is_told_and_nothing_changes() {
        let change = r#"{"proxy.max_attempts": 0, "proxy.free_models_only": null, "log.level": "debg",
            "proxy.queue_timeout": "5", "proxy.cache_control": "always"}"#;
        let faults = settings(&[]).changed(&changes(change)).expect_err("faults");
        assert_eq!(faults.0.len(), 5, "{faults}");
    }

    #[test]
    fn the_presets_of_live_settings_are_read_from_what_is_shown() {
        let before = settings(&[]);
        let after = before.changed(&BTreeMap::new()).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    }
}
