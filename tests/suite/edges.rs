//! The edge towards clients: what is malformed, slow, too much or never read.
//!
//! Each test has a short form for every run and its full figures under `./test.sh --long`.

mod fuzz;
mod malformed;
mod overload;
mod readers;
mod slow;

use crate::support::{CHAT, Call, PASSWORD, Program, Running, Wire, chat, key};
use openrouter_proxy::simulator::{Options, Simulator};
use std::net::SocketAddr;
use std::time::Duration;

/// The program in a process of its own, whose memory can be looked at, with its simulator.
struct Outside {
    simulator: Simulator,
    running: Running,
    address: SocketAddr,
    _program: Program,
}

impl Outside {
    /// Started with one worker and these settings.
    fn start(settings: &[(&str, &str)]) -> Outside {
        let options = Options { enforce_limits: false, keep: 2000, ..Options::default() };
        let simulator = Simulator::start(options).expect("a simulator");
        let program = Program::new()
            .set("OPENROUTER_API_URL", &simulator.base_url())
            .set("OPENROUTER_API_KEY", &key("good", 1))
            .set("PROXY_FREE_DAILY_LIMIT", "-1")
            .set("PROXY_FREE_MINUTE_LIMIT", "-1")
            .set("ACCESS_PASSWORD", PASSWORD)
            .set("SERVER_WORKERS", "1");
        let program = settings.iter().fold(program, |program, (name, value)| program.set(name, value));
        let mut running = program.start(&["serve"]);
        let address = running.address("clients connect to ");
        // Its tokenizer is loaded while it serves already; a prompt that must be counted waits for it.
        let counted = chat(&"some words to be counted, ".repeat(10_000), false);
        let answer = Wire::open(address).ask(&Call::post(CHAT, counted.to_string()));
        assert_eq!(answer.status, 200, "{answer}");
        std::thread::sleep(Duration::from_millis(500));
        Outside { simulator, running, address, _program: program }
    }

    /// Fails if anything panicked, as far as the program has said by its end; ends it.
    fn assert_sane(mut self) {
        self.running.signal("TERM");
        assert_eq!(self.running.ended(), 0);
        let panics: Vec<&String> =
            self.running.seen.iter().filter(|line| line.contains("panicked")).collect();
        assert!(panics.is_empty(), "{panics:#?}");
    }
}
