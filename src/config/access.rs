//! `access`: who may use the data plane.

use super::reader::Reader;
use super::table::{Kind, Row};
use crate::domain::secret::Secret;

const PASSWORD: Row = Row::unset(
    "access.password",
    Kind::Secret,
    "the admin password opens the data plane too",
    "Password that clients send as their API key.",
);

const ACCEPT_ADMIN_PASSWORD: Row = Row::unset(
    "access.accept_admin_password",
    Kind::Switch,
    "true while access.password is not set, else false",
    "Whether the admin password opens the data plane too.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[PASSWORD, ACCEPT_ADMIN_PASSWORD];

/// Who may use the data plane.
#[derive(Debug, Clone)]
pub struct Access {
    /// The password of clients.
    pub password: Option<Secret>,
    /// Whether the admin password opens the data plane too.
    pub accept_admin_password: bool,
}

impl Access {
    pub(super) fn read(reader: &mut Reader<'_>) -> Access {
        let password: Option<Secret> = reader.optional(&PASSWORD);
        let accept_admin_password = reader.optional(&ACCEPT_ADMIN_PASSWORD).unwrap_or(password.is_none());
        Access { password, accept_admin_password }
    }
}
