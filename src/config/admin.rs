//! `admin`: the operator's port, its password and its pages.

use super::host::Host;
use super::public_origin::PublicOrigin;
use super::reader::Reader;
use super::server::{self, Server};
use super::sources::Source;
use super::table::{Kind, Row};
use super::weak::weakness;
use crate::domain::secret::Secret;
use std::path::PathBuf;

const HOST: Row = Row::new(
    "admin.host",
    Kind::Text("an address or host name"),
    "127.0.0.1",
    "Address of the dashboard and its API.",
)
.flag("admin-host");

const PORT: Row = Row::new(
    "admin.port",
    Kind::Whole { min: 0, max: 65535 },
    "8001",
    "Port of the dashboard and its API; 0 takes any free one.",
)
.flag("admin-port");

const PASSWORD: Row = Row::unset(
    "admin.password",
    Kind::Secret,
    "generated at the first start and printed once",
    "Password of the dashboard and its API.",
);

const PUBLIC_ORIGIN: Row = Row::unset(
    "admin.public_origin",
    Kind::Text("an origin such as https://admin.example.com"),
    "none",
    "Origin under which browsers see the dashboard, when it is not the address itself.",
);

const STATIC_DIR: Row = Row::unset(
    "admin.static_dir",
    Kind::Path,
    "`static`, else the folder `static` beside the program",
    "Folder of the dashboard's pages.",
);

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[HOST, PORT, PASSWORD, PUBLIC_ORIGIN, STATIC_DIR];

/// The operator's port, its password and its pages.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where it listens.
    pub host: Host,
    /// The port it listens on; 0: any free one.
    pub port: u16,
    /// The password; `None`: the stored one, which the first start generates.
    pub password: Option<Secret>,
    /// Why the password is guessed soon, if it is.
    pub weakness: Option<&'static str>,
    /// The origin under which browsers see the pages, if it is not the address itself.
    pub public_origin: Option<PublicOrigin>,
    /// The folder of the pages; `None`: found at start.
    pub static_dir: Option<PathBuf>,
}

impl Admin {
    pub(super) fn read(reader: &mut Reader<'_>, server: &Server) -> Admin {
        let mut admin = Admin {
            host: reader.get(&HOST),
            port: reader.get(&PORT),
            password: reader.optional(&PASSWORD),
            weakness: None,
            public_origin: reader.optional(&PUBLIC_ORIGIN),
            static_dir: reader.optional(&STATIC_DIR),
        };
        let one_host =
            admin.host == server.host || admin.host.is_unspecified() || server.host.is_unspecified();
        if admin.port != 0 && admin.port == server.port && one_host {
            let message = format!(
                "{} is also the data plane's port ({}); give one of the two another port",
                admin.port,
                reader.source(&server::PORT)
            );
            reader.fault(&PORT, message);
        }
        admin.weakness = admin.password.as_ref().and_then(weakness);
        admin.judge_password(reader);
        admin
    }

    /// A weak password may not be what stands between a network and the keys, unless whoever starts
    /// the program says so: a file is copied from machine to machine without being read again.
    fn judge_password(&self, reader: &mut Reader<'_>) {
        let Some(weakness) = self.weakness else { return };
        if self.host.is_loopback() {
            return;
        }
        if let Source::File(_) = reader.source(&PASSWORD) {
            let message = format!(
                "{weakness}, and {} is open to other machines; choose another, give this one as \
                 ADMIN_PASSWORD if you must, or set admin.host to 127.0.0.1",
                self.host
            );
            reader.fault(&PASSWORD, message);
        } else {
            reader.warn(format!(
                "the admin password {weakness}, and everyone who can reach {}:{} may try it: change it",
                self.host, self.port
            ));
        }
    }
}
