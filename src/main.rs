//! The porch: reads the command line and hands over.

use openrouter_proxy::{cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(cli) => commands::run(cli),
        Err(error) => error.exit(),
    }
}
