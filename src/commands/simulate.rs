//! `simulate`: the fake OpenRouter alone, for tests, benchmarks and curious people.

use super::CommandError;
use crate::simulator::{Options, Simulator};
use std::io::{Write, stdout};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::signal::unix::{SignalKind, signal};

/// Runs it on the loopback until a signal ends it.
pub fn run(port: u16, threads: usize) -> Result<(), CommandError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut simulator = Simulator::start(Options { address, threads, ..Options::default() })?;
    writeln!(stdout(), "the simulated OpenRouter answers at {}", simulator.base_url())?;
    stdout().flush()?;
    actix_web::rt::System::new().block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::io::Result::Ok(())
    })?;
    simulator.stop();
    Ok(())
}
