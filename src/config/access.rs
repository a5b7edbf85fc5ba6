//! `access`: who may use the data plane.

use super::reader::Reader;
use super::server::Server;
use super::sources::Source;
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

const PASS_THROUGH: Row = Row::new(
    "access.pass_through",
    Kind::Switch,
    "false",
    "Whether a client's own OpenRouter key (sk-or-…) is forwarded as it is.",
)
.env(&["PASS_THROUGH"])
.bare_flag("pass-through", "true");

const ANONYMOUS: Row = Row::new(
    "access.anonymous",
    Kind::Switch,
    "false",
    "Whether clients need no credential; beyond this machine only by flag or variable.",
)
.env(&["ALLOW_ANONYMOUS"])
.bare_flag("allow-anonymous", "true");

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[PASSWORD, ACCEPT_ADMIN_PASSWORD, PASS_THROUGH, ANONYMOUS];

/// Who may use the data plane.
#[derive(Debug, Clone)]
pub struct Access {
    /// The password of clients.
    pub password: Option<Secret>,
    /// Whether the admin password opens the data plane too.
    pub accept_admin_password: bool,
    /// Whether a client's own OpenRouter key is forwarded as it is.
    pub pass_through: bool,
    /// Whether clients need no credential.
    pub anonymous: bool,
}

impl Access {
    pub(super) fn read(reader: &mut Reader<'_>, server: &Server) -> Access {
        let password: Option<Secret> = reader.optional(&PASSWORD);
        let accept_admin_password = reader.optional(&ACCEPT_ADMIN_PASSWORD).unwrap_or(password.is_none());
        let pass_through = reader.get(&PASS_THROUGH);
        let anonymous: bool = reader.get(&ANONYMOUS);
        if anonymous && !server.host.is_loopback() {
            // A file is copied from machine to machine without being read again.
            if let Source::File(_) = reader.source(&ANONYMOUS) {
                let message = format!(
                    "would open {} to everyone who can reach it; say so with --allow-anonymous or \
                     ALLOW_ANONYMOUS, or set server.host to 127.0.0.1",
                    server.host
                );
                reader.fault(&ANONYMOUS, message);
            } else {
                reader
                    .warn(format!("everyone who can reach {}:{} may use the keys", server.host, server.port));
            }
        }
        Access { password, accept_admin_password, pass_through, anonymous }
    }
}
