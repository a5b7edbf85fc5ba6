//! The porch: reads the command line and hands over.

use mimalloc::MiMalloc;
use openrouter_proxy::{cli, commands};
use std::process::ExitCode;

/// Memory that is free goes back to the system soon, also after bodies of megabytes and when another
/// thread frees it. The system's own allocator keeps it: 50 MB after a few hundred such bodies, and half
/// as much again for each slow reader.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(cli) => commands::run(cli),
        Err(error) => error.exit(),
    }
}
