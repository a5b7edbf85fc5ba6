//! Configuration: flag, else environment, else `.env`, else configuration file, else default.
//!
//! One table of rows ([`table`]) says everything there is to say about a setting; one file for
//! each subject holds its rows, its typed struct and its own checks. No layering crate is used
//! because none collects *all* faults with the key and the source of each, and an operator should
//! mend them in one go. Never opens the files it names (but `NAME_FILE` of a secret), never
//! prints or exposes a secret, never changes the environment.

pub mod access;
pub mod admin;
pub mod aliases;
pub mod base_url;
pub mod database;
pub mod docs;
pub mod dotenv;
pub mod exposed;
pub mod fault;
pub mod file;
pub mod given;
pub mod host;
pub mod json;
pub mod live;
pub mod log;
pub mod mapping;
pub mod near;
pub mod numbers;
pub mod openrouter;
pub mod proxy;
pub mod public_origin;
pub mod reader;
pub mod schema;
pub mod server;
pub mod sources;
pub mod table;
pub mod usage;
pub mod weak;

use fault::Faults;
use reader::{Found, Origin, Reader};
use sources::Sources;

/// The exit code of a program that will not start with this configuration
/// (`EX_CONFIG` of BSD's sysexits).
pub const EXIT_CODE: u8 = 78;

/// Everything an operator can set, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data plane's port and its limits.
    pub server: server::Server,
    /// The operator's port, its password and its pages.
    pub admin: admin::Admin,
    /// Which database, and where the data on disk lies.
    pub database: database::Database,
    /// The upstream, its keys, and how long to wait for it.
    pub openrouter: openrouter::OpenRouter,
    /// What is done with a request.
    pub proxy: proxy::Proxy,
    /// Who may use the data plane.
    pub access: access::Access,
    /// What is recorded of each request.
    pub usage: usage::Usage,
    /// How much is logged, and in which form.
    pub log: log::Log,
    origins: Vec<Origin>,
    warnings: Vec<String>,
}

/// Reads every setting from `sources`.
///
/// # Errors
/// Everything that is wrong, not only the first thing.
pub fn load(sources: &Sources) -> Result<Settings, Faults> {
    let mut reader = Reader::new(sources);
    let server = server::Server::read(&mut reader);
    let admin = admin::Admin::read(&mut reader, &server);
    let database = database::Database::read(&mut reader);
    let openrouter = openrouter::OpenRouter::read(&mut reader);
    let proxy = proxy::Proxy::read(&mut reader);
    let access = access::Access::read(&mut reader, &server);
    let usage = usage::Usage::read(&mut reader);
    let log = log::Log::read(&mut reader);
    let Found { faults, origins, warnings } = reader.finish();
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    Ok(Settings { server, admin, database, openrouter, proxy, access, usage, log, origins, warnings })
}

/// The data plane's part alone, as far as it can be read: so that what its certificate lacks can be
/// said beside the faults of [`load`].
pub fn server_of(sources: &Sources) -> server::Server {
    server::Server::read(&mut Reader::new(sources))
}

impl Settings {
    /// Every effective value with the place it came from, secrets masked, in the table's order.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// What is allowed but should be known, one sentence each, for the log at start.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What `config show` prints: one line for each setting.
    pub fn show(&self) -> String {
        let width = |text: fn(&Origin) -> usize| self.origins.iter().map(text).max().unwrap_or(0);
        let keys = width(|origin| origin.key.chars().count());
        let values = width(|origin| origin.value.chars().count()).min(40);
        let lines = self
            .origins
            .iter()
            .map(|origin| format!("{:keys$} = {:values$}  # {}\n", origin.key, origin.value, origin.source));
        lines.collect()
    }
}

#[cfg(test)]
mod tests;
