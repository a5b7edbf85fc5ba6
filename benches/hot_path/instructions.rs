//! How many instructions each step takes, counted by callgrind: the same on a busy machine as on an idle
//! one. Held against what is written in `benches/instructions.txt`.

use crate::cases;
use std::collections::BTreeMap;
use std::process::Command;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
/// How much more a step may take than is written there.
const MORE: f64 = 1.05;
/// The difference of these two is what the steps take; what comes before them falls out.
const FEW: u64 = 10;
const MANY: u64 = 110;

/// Does the step `name` so many times.
pub fn repeat(name: &str, count: u64) {
    let mut case = cases::all().into_iter().find(|case| case.name == name).expect("a case of that name");
    for _ in 0..count {
        (case.step)();
    }
}

/// Counts all steps. With `keep` the counts become those that later ones are held against. Whether none
/// takes much more than before.
pub fn compare(keep: bool) -> bool {
    let compiler = compiler();
    let (written_by, before) = read();
    let counts: Vec<(&str, f64)> = cases::all()
        .iter()
        .map(|case| (case.name, (count(case.name, MANY) - count(case.name, FEW)) / (MANY - FEW) as f64))
        .collect();
    if keep {
        let lines: String = counts.iter().map(|(name, count)| format!("{count:.0}\t{name}\n")).collect();
        std::fs::write(BASELINE, format!("{compiler}\n{lines}")).expect("a file that can be written");
    }
    println!("| instructions | before | now | |\n| --- | --- | --- | --- |");
    let mut good = true;
    for (name, now) in counts {
        let Some(&before) = before.get(name) else {
            println!("| {name} | - | {now:.0} | |");
            continue;
        };
        good &= now <= before * MORE;
        println!("| {name} | {before:.0} | {now:.0} | {:+.1} % |", (now / before - 1.0) * 100.0);
    }
    if written_by != compiler {
        println!("Counted before with {written_by}, now with {compiler}: no judgement.");
        return true;
    }
    good || keep
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().expect("rustc answers");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn read() -> (String, BTreeMap<String, f64>) {
    let text = std::fs::read_to_string(BASELINE).unwrap_or_default();
    let (compiler, counts) = text.split_once('\n').unwrap_or_default();
    let count = |line: &str| {
        let (count, name) = line.split_once('\t')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    (compiler.to_owned(), counts.lines().filter_map(count).collect())
}

/// Instructions of a process that does the step so many times.
fn count(name: &str, times: u64) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--repeat", name, &times.to_string()])
        .output()
        .expect("valgrind is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.lines().find_map(|line| line.split_once("Collected :"));
    collected.and_then(|(_, count)| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count: {told}"))
}
