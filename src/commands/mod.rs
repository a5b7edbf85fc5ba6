//! The subcommands: what each does with the settings it is given. Prints for people and scripts;
//! decides nothing about requests.

mod admin;
mod config;
mod db;
mod demo;
mod healthcheck;
mod keys;
mod secret;
mod serve;
mod simulate;
mod tokens;
mod traffic;
mod usage;

use crate::app::{self, StartError};
use crate::cli::{Cli, Command};
use crate::config::fault::Faults;
use crate::config::sources::Sources;
use crate::config::{EXIT_CODE, load, server_of};
use crate::domain::time::Clock;
use crate::store::StoreError;
use std::io;
use std::process::ExitCode;

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The configuration is at fault; every fault is in it.
    #[error(transparent)]
    Configuration(#[from] Faults),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("database: {0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What was asked for cannot be done, or was not done in full.
    #[error("{0}")]
    Refused(String),
}

impl CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            CommandError::Configuration(_) => EXIT_CODE,
            CommandError::Start(error) => error.exit_code(),
            CommandError::Store(error) if error.is_configuration() => EXIT_CODE,
            _ => 1,
        }
    }
}

/// Runs what the command line asks for; the exit code says how it went.
pub fn run(cli: Cli) -> ExitCode {
    let hardened = app::hardening::forbid_dumps();
    if cli.command == Command::ConfigSchema {
        return ended(config::schema());
    }
    // The demo and the simulator bring their own surroundings: whatever lies in this folder is not
    // theirs.
    let sources = match cli.command {
        Command::Demo { .. } | Command::Simulate { .. } => {
            Sources { flags: cli.flags.clone(), ..Sources::default() }
        }
        _ => Sources::gather(cli.flags.clone(), cli.config.as_deref()),
    };
    if let Command::Demo { traffic } = cli.command {
        return ended(demo::run(sources, traffic));
    }
    let settings = match load(&sources) {
        Ok(settings) => settings,
        Err(faults) => {
            eprintln!("{faults}");
            // Configuration does not open the certificate, yet its faults belong to the same list.
            if let Err(faults) = app::check_certificate(&server_of(&sources), &Clock::system()) {
                eprintln!("{faults}");
            }
            return ExitCode::from(EXIT_CODE);
        }
    };
    sources.wipe();
    app::logging::start(&settings.log);
    if let Err(error) = hardened {
        log::warn!("core dumps could not be switched off: {error}");
    }
    ended(match cli.command {
        Command::Serve | Command::Demo { .. } => serve::run(&settings),
        Command::Simulate { port, threads } => simulate::run(port, threads),
        Command::Keys(keys) => keys::run(keys, &settings),
        Command::Tokens(tokens) => tokens::run(tokens, &settings),
        Command::UsageExport { format, since, until } => usage::export(&settings, format, since, until),
        Command::Db(db) => db::run(db, &settings),
        Command::ConfigCheck => config::check(&settings),
        Command::ConfigShow => config::show(&settings),
        Command::ConfigSchema => config::schema(),
        Command::SecretRotate { data_key, to } => secret::rotate(&settings, data_key, to.as_deref()),
        Command::ResetPassword { given } => admin::reset_password(&settings, given),
        Command::Healthcheck => healthcheck::run(&settings),
    })
}

fn ended(result: Result<(), CommandError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has enough of it: `usage export | head`.
        Err(CommandError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("openrouter-proxy: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
