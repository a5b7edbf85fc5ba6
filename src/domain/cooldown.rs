//! What can rest, and how a rest is kept. The decisions are the pool's.

use super::ids::{AccountId, KeyId};
use super::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// What can rest. Its text form, e.g. `account:3` or `model:a/b:free`, is what is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// One key.
    Key(KeyId),
    /// One key, but only while there are others: a failure that is no key's fault happened with it.
    KeyPath(KeyId),
    /// All keys of an account.
    Account(AccountId),
    /// A model, for every key.
    Model(String),
    /// A model, for the keys of one account.
    AccountModel(AccountId, String),
    /// All of the upstream.
    Everything,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Key(key) => write!(f, "key:{key}"),
            Place::KeyPath(key) => write!(f, "path:{key}"),
            Place::Account(account) => write!(f, "account:{account}"),
            Place::Model(model) => write!(f, "model:{model}"),
            Place::AccountModel(account, model) => write!(f, "account_model:{account}:{model}"),
            Place::Everything => f.write_str("everything"),
        }
    }
}

/// The text names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such place")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Place, NoPlace> {
        let number = |text: &str| text.parse().map_err(|_| NoPlace);
        match text.split_once(':') {
            None if text == "everything" => Ok(Place::Everything),
            Some(("key", id)) => Ok(Place::Key(KeyId(number(id)?))),
            Some(("path", id)) => Ok(Place::KeyPath(KeyId(number(id)?))),
            Some(("account", id)) => Ok(Place::Account(AccountId(number(id)?))),
            Some(("model", model)) => Ok(Place::Model(model.to_owned())),
            Some(("account_model", rest)) => {
                let (id, model) = rest.split_once(':').ok_or(NoPlace)?;
                Ok(Place::AccountModel(AccountId(number(id)?), model.to_owned()))
            }
            _ => Err(NoPlace),
        }
    }
}

/// A rest as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CooldownRecord {
    /// What rests.
    pub place: Place,
    /// Why, in the words of the verdict table.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until the operator acts.
    pub until: Option<Timestamp>,
    /// How often in a row.
    pub strikes: u32,
    /// Whether its end was guessed, so that one request must probe.
    pub guessed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_and_read_alike() {
        let places = [
            Place::Key(KeyId(1)),
            Place::KeyPath(KeyId(2)),
            Place::Account(AccountId(3)),
            Place::Model("a/b:free".to_owned()),
            Place::AccountModel(AccountId(4), "a/b:free".to_owned()),
            Place::Everything,
        ];
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["", "key", "key:x", "account_model:3", "all"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
    }
}
