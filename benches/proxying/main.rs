//! What a request costs through this proxy, as a multiple of what it costs through nginx as a plain
//! reverse proxy: both stand in front of the same upstream in the same run and take turns.
//!
//! Prints a table, writes it as JSON too, and says of each target whether it was reached. Fails on errors
//! only, never on time. `docs/BENCHMARKS.md` tells the method and the figures.

mod cells;
mod load;
mod oha;
mod report;
mod subjects;
mod upstream;

use cells::Cell;
use report::Report;
use std::path::Path;
use std::time::Duration;
use subjects::{House, Nginx, Proxy};

/// How much is measured.
struct Size {
    rounds: usize,
    turn: Duration,
    slow_streams: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let quick = arguments.iter().any(|word| word == "--quick");
    let size = if quick {
        Size { rounds: 1, turn: Duration::from_millis(500), slow_streams: 100 }
    } else {
        Size { rounds: 3, turn: Duration::from_secs(1), slow_streams: 1000 }
    };
    if let Some(at) = arguments.iter().position(|word| word == "--soak") {
        let minutes = arguments.get(at + 1).and_then(|minutes| minutes.parse().ok());
        return soak(minutes.unwrap_or(30));
    }
    let only = arguments.iter().find(|word| !word.starts_with("--"));
    let upstream = upstream::start();
    let nginx = Nginx::start(upstream);
    if nginx.is_none() {
        println!("nginx is not installed: no figure can be given as a ratio");
    }
    let oha = oha::find().filter(|_| !quick);
    if oha.is_none() && !quick {
        println!("oha is not installed: its row is left out");
    }
    let mut report = Report::default();
    for cell in cells::all(size.slow_streams) {
        if cell.by_oha && oha.is_none() {
            continue;
        }
        if only.is_none_or(|name| cell.name.contains(name.as_str())) {
            measure(&cell, &size, upstream, nginx.as_ref(), oha.as_deref(), &mut report);
        }
    }
    if only.is_none() {
        let (ready, resident) = subjects::start_up(upstream);
        report.start(ready, resident);
    }
    report.print();
    if !quick {
        report.write("target/bench.json");
    }
    assert!(report.errors() == 0, "{} answers were wrong", report.errors());
}

/// Takes turns between the upstream itself, nginx, this proxy, and where the cell asks for it a second one
/// as people run it.
fn measure(
    cell: &Cell,
    size: &Size,
    upstream: std::net::SocketAddr,
    nginx: Option<&Nginx>,
    oha: Option<&Path>,
    report: &mut Report,
) {
    let proxy = Proxy::start(upstream, &cell.house);
    let plain = cell.against_plain.then(|| Proxy::start(upstream, &House::default()));
    // Everything that is made at the first request is made now.
    let warm = load::Plan { turn: Duration::from_millis(300), ..cell.plan(size.turn) };
    for proxy in plain.iter().chain([&proxy]) {
        load::run(proxy.address, &proxy.credentials, &warm);
    }
    let oha = oha.filter(|_| cell.by_oha);
    let plan = cell.plan(size.turn);
    let ask = |address, credentials: &[String], watch: &dyn Fn() -> u64| match (oha, credentials.first()) {
        (Some(oha), Some(credential)) => oha::run(oha, address, credential, &plan),
        _ => load::run_watched(address, credentials, &plan, watch),
    };
    for _ in 0..size.rounds {
        if cell.direct {
            report.direct(cell, ask(upstream, &proxy.credentials, &|| 0));
        }
        if let Some(nginx) = nginx {
            let before = nginx.cpu();
            let told = ask(nginx.address, &proxy.credentials, &|| 0);
            report.nginx(cell, told, nginx.cpu().saturating_sub(before));
        }
        if let Some(plain) = &plain {
            let before = plain.cpu();
            let told = ask(plain.address, &plain.credentials, &|| 0);
            report.plain(cell, told, plain.cpu().saturating_sub(before));
        }
        let before = (proxy.cpu(), proxy.resident());
        let told = ask(proxy.address, &proxy.credentials, &|| proxy.resident());
        report.proxy(cell, told, proxy.cpu().saturating_sub(before.0), before.1);
    }
}

/// Half load for so many minutes: whether memory, and what a request costs, stay as they are while the
/// stored rows become millions.
fn soak(minutes: u32) {
    let upstream = upstream::start();
    let proxy = Proxy::start(upstream, &House::default());
    let plan = cells::soak().plan(Duration::from_secs(60));
    println!(
        "| minute | rows | database, MB | requests a second | CPU, ms for 1,000 | p99, ms | resident, MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (mut rows, mut errors) = (0, 0);
    for minute in 1..=minutes {
        let before = proxy.cpu();
        let told = load::run(proxy.address, &proxy.credentials, &plan);
        let cpu = proxy.cpu().saturating_sub(before);
        rows += told.answers;
        errors += told.errors;
        println!(
            "| {minute} | {rows} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} |",
            proxy.stored() as f64 / 1e6,
            told.answers as f64 / told.took.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / told.answers as f64,
            load::Told::at(&told.requests, 0.99) / 1e3,
            proxy.resident() as f64 / 1e6,
        );
    }
    assert!(errors == 0, "{errors} answers were wrong");
}
