//! The table: medians of several turns with their spread, ratios, and the targets.

use crate::cells::Cell;
use crate::load::Told;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one subject showed in one cell, a figure for each turn.
#[derive(Debug, Default)]
struct Figures(BTreeMap<&'static str, Vec<f64>>);

impl Figures {
    fn add(&mut self, name: &'static str, value: f64) {
        self.0.entry(name).or_default().push(value);
    }

    fn median(&self, name: &str) -> Option<f64> {
        let mut values = self.0.get(name)?.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// The largest less the smallest, as a share of the median.
    fn spread(&self, name: &str) -> Option<f64> {
        let values = self.0.get(name)?;
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        Some((most - least) / self.median(name)?)
    }

    fn take(&mut self, cell: &Cell, told: &Told, cpu: Option<Duration>) {
        let answers = (told.answers.max(1)) as f64;
        let units = if cell.chunks > 0 { answers * cell.chunks as f64 } else { answers };
        if let Some(cpu) = cpu {
            self.add("cpu", cpu.as_secs_f64() * 1e3 / units * 1e3);
        }
        self.add("rate", answers / told.took.as_secs_f64());
        let (p50, p99) = told.percentiles.map_or_else(
            || (Told::at(&told.requests, 0.5), Told::at(&told.requests, 0.99)),
            |(p50, p99)| (p50 as f64 / 1e3, p99 as f64 / 1e3),
        );
        self.add("p50", p50);
        self.add("p99", p99);
        if !told.chunks.is_empty() {
            self.add("chunk_p50", Told::at(&told.chunks, 0.5));
            self.add("chunk_p99", Told::at(&told.chunks, 0.99));
        }
    }

    fn json(&self) -> Value {
        let figure = |name: &&'static str| json!({"median": self.median(name), "spread": self.spread(name)});
        self.0.keys().map(|name| ((*name).to_owned(), figure(name))).collect::<serde_json::Map<_, _>>().into()
    }
}

/// One row.
#[derive(Debug, Default)]
struct Row {
    direct: Figures,
    nginx: Figures,
    plain: Figures,
    proxy: Figures,
}

impl Row {
    /// The proxy's figure as a multiple of nginx's.
    fn ratio(&self, name: &str) -> Option<f64> {
        Some(self.proxy.median(name)? / self.nginx.median(name)?)
    }
}

/// All rows.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<(&'static str, Row)>,
    start: Option<(Duration, u64)>,
    errors: u64,
}

impl Report {
    fn row(&mut self, cell: &Cell) -> &mut Row {
        if self.rows.last().is_none_or(|(name, _)| *name != cell.name) {
            self.rows.push((cell.name, Row::default()));
        }
        let at = self.rows.len() - 1;
        &mut self.rows[at].1
    }

    fn wrong(&mut self, cell: &Cell, subject: &str, errors: u64) {
        // nginx does not send a request again whose kept connection turned out closed; that makes its
        // figure worth less, and is no fault of what is measured here.
        if subject != "nginx" {
            self.errors += errors;
        }
        if errors > 0 {
            println!("{}: {errors} answers of {subject} were wrong or did not come", cell.name);
        }
    }

    /// The upstream itself was asked.
    pub fn direct(&mut self, cell: &Cell, told: Told) {
        self.wrong(cell, "the upstream", told.errors);
        self.row(cell).direct.take(cell, &told, None);
    }

    /// nginx was asked, and took so much processor time.
    pub fn nginx(&mut self, cell: &Cell, told: Told, cpu: Duration) {
        self.wrong(cell, "nginx", told.errors);
        self.row(cell).nginx.take(cell, &told, Some(cpu));
    }

    /// A proxy with one key and one password was asked, and took so much processor time.
    pub fn plain(&mut self, cell: &Cell, told: Told, cpu: Duration) {
        self.wrong(cell, "the plain proxy", told.errors);
        self.row(cell).plain.take(cell, &told, Some(cpu));
    }

    /// The proxy was asked; `before` was its memory until then.
    pub fn proxy(&mut self, cell: &Cell, told: Told, cpu: Duration, before: u64) {
        self.wrong(cell, "the proxy", told.errors);
        let figures = &mut self.row(cell).proxy;
        figures.take(cell, &told, Some(cpu));
        if told.most > 0 {
            let grown = told.most.saturating_sub(before) as f64 / 1024.0;
            figures.add("kib_each", grown / cell.clients as f64);
        }
    }

    /// How long the start took, and the memory after it.
    pub fn start(&mut self, ready: Duration, resident: u64) {
        self.start = Some((ready, resident));
    }

    /// Answers of the proxy or of the upstream that were wrong.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    fn find(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|(row, _)| *row == name).map(|(_, row)| row)
    }

    /// Name, figure, bound, and whether it must be at least (rather than at most) that.
    fn targets(&self) -> Vec<(String, Option<f64>, f64, bool)> {
        let ratio = |row: &str, figure: &str| self.find(row).and_then(|row| row.ratio(figure));
        let figure = |row: &str, name: &str| self.find(row).and_then(|row| row.proxy.median(name));
        let over_direct = |name: &str| {
            let row = self.find("plain, 1 at a time")?;
            Some(row.proxy.median(name)? - row.direct.median(name)?)
        };
        let flat = |row: &str| Some(figure(row, "cpu")? / self.find(row)?.plain.median("cpu")?);
        let mut targets: Vec<(String, Option<f64>, f64, bool)> = Vec::new();
        let mut most = |name: &str, value, bound| targets.push((name.to_owned(), value, bound, false));
        most("plain, 64: CPU / nginx", ratio("plain, 64 at a time", "cpu"), 2.0);
        most("plain, 100: p99, ms", figure("plain, 100 at a time", "p99").map(|us| us / 1e3), 50.0);
        most("64 KB: CPU / nginx", ratio("body of 64 KB, 16 at a time", "cpu"), 2.0);
        most("1 MB: CPU / nginx", ratio("body of 1 MB, 16 at a time", "cpu"), 2.0);
        most("1 at a time: p50 over direct, µs", over_direct("p50"), 150.0);
        most("1 at a time: p99 over direct, µs", over_direct("p99"), 1000.0);
        most("one stream: time / nginx", ratio("one stream of 100 chunks", "p50"), 2.0);
        most("64 fast streams: CPU / nginx", ratio("64 fast streams", "cpu"), 1.3);
        most("slow streams: CPU / nginx", ratio("slow streams", "cpu"), 1.3);
        most("slow streams: chunk p50 / nginx", ratio("slow streams", "chunk_p50"), 1.0);
        most("slow streams: chunk p99 / nginx", ratio("slow streams", "chunk_p99"), 1.0);
        most("slow streams: KiB each", figure("slow streams", "kib_each"), 40.0);
        most("10 keys: CPU / 1 key", flat("plain, 64, 10 keys"), 1.1);
        most("200 keys: CPU / 1 key", flat("plain, 64, 200 keys"), 1.1);
        most("1000 tokens: CPU / 1 key", flat("plain, 64, 1000 tokens"), 1.1);
        most("start to ready, s", self.start.map(|(ready, _)| ready.as_secs_f64()), 0.5);
        most("resident when idle, MB", self.start.map(|(_, resident)| resident as f64 / 1e6), 90.0);
        let mut least = |name: &str, value, bound| targets.push((name.to_owned(), value, bound, true));
        least("plain, 64: throughput / nginx", ratio("plain, 64 at a time", "rate"), 0.6);
        least("plain, 100: requests a second", figure("plain, 100 at a time", "rate"), 2000.0);
        targets.retain(|(_, value, ..)| value.is_some());
        targets
    }

    /// Prints all of it.
    pub fn print(&self) {
        println!(
            "\nCPU is milliseconds for 1,000 requests, of streams for 1,000 chunks; times are microseconds.\n"
        );
        println!(
            "| cell | nginx CPU | CPU | ratio | spread | rate / nginx | p50 | p99 | chunk p50 / p99 | KiB each |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for (name, row) in &self.rows {
            let tell = |value: Option<f64>, digits: usize| {
                value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
            };
            let figure = |name| row.proxy.median(name);
            println!(
                "| {name} | {} | {} | {} | {} | {} | {} | {} | {} / {} | {} |",
                tell(row.nginx.median("cpu"), 1),
                tell(figure("cpu"), 1),
                tell(row.ratio("cpu"), 2),
                tell(row.proxy.spread("cpu"), 2),
                tell(row.ratio("rate"), 2),
                tell(figure("p50"), 0),
                tell(figure("p99"), 0),
                tell(figure("chunk_p50"), 0),
                tell(figure("chunk_p99"), 0),
                tell(figure("kib_each"), 0),
            );
        }
        println!("\n| target | figure | bound | |\n| --- | --- | --- | --- |");
        for (name, value, bound, least) in self.targets() {
            let value = value.unwrap_or(f64::NAN);
            let reached = if least { value >= bound } else { value <= bound };
            let sign = if least { "≥" } else { "≤" };
            println!(
                "| {name} | {value:.2} | {sign} {bound} | {} |",
                if reached { "reached" } else { "not reached" }
            );
        }
    }

    /// Writes all of it.
    pub fn write(&self, path: &str) {
        let row = |(name, row): &(&str, Row)| json!({"cell": name, "direct": row.direct.json(), "nginx": row.nginx.json(), "plain": row.plain.json(), "proxy": row.proxy.json()});
        let target = |(name, value, bound, least): (String, Option<f64>, f64, bool)| {
            let reached = value.is_some_and(|value| if least { value >= bound } else { value <= bound });
            json!({"target": name, "figure": value, "bound": bound, "at_least": least, "reached": reached})
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        let targets: Vec<Value> = self.targets().into_iter().map(target).collect();
        let text = json!({"cells": rows, "targets": targets, "errors": self.errors}).to_string();
        if let Err(error) = std::fs::write(path, text) {
            println!("{path} could not be written: {error}");
        }
    }
}
