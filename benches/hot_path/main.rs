//! The steps of the hot path that compute, without network: how long each takes, and with
//! `--instructions` how many instructions, held against those of before (`--keep` writes them anew).
//!
//! Instructions fail by more than 5 %; times never do.

mod cases;
mod instructions;

use criterion::Criterion;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |word: &str| arguments.iter().any(|argument| argument == word);
    if let [word, name, count] = arguments.as_slice()
        && word == "--repeat"
    {
        return instructions::repeat(name, count.parse().expect("a number"));
    }
    if given("--instructions") {
        assert!(instructions::compare(given("--keep")), "a step takes more than 5 % more instructions");
        return;
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    for mut case in cases::all() {
        criterion.bench_function(case.name, |bencher| bencher.iter(&mut case.step));
    }
    criterion.final_summary();
}
