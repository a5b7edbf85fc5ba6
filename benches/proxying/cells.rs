//! The cells of the table: what is asked of whom.

use crate::load::Plan;
use crate::subjects::House;
use crate::upstream::MODEL;
use std::time::Duration;

/// One row of the table.
#[derive(Clone)]
pub struct Cell {
    /// Its name.
    pub name: &'static str,
    /// Connections.
    pub clients: usize,
    /// What the request says first.
    pub words: String,
    /// How long its prompt is.
    pub prompt: usize,
    /// Chunks of its stream; 0: plain.
    pub chunks: usize,
    /// Whether it leaves its output limit to the proxy, which has to count for it.
    pub counted: bool,
    /// Whether the upstream is asked without anybody in between, too.
    pub direct: bool,
    /// How long a client waits before it asks again.
    pub pause: Duration,
    /// How the proxy is set up.
    pub house: House,
    /// Whether a proxy with one key, one password and SQLite takes turns with it.
    pub against_plain: bool,
    /// Whether oha asks.
    pub by_oha: bool,
}

impl Cell {
    fn plain(name: &'static str, clients: usize) -> Cell {
        Cell {
            name,
            clients,
            words: "Say something short.".to_owned(),
            prompt: 0,
            chunks: 0,
            counted: false,
            direct: false,
            pause: Duration::ZERO,
            house: House::default(),
            against_plain: false,
            by_oha: false,
        }
    }

    fn stream(name: &'static str, clients: usize, chunks: usize, every: u64) -> Cell {
        Cell { words: format!("[[chunks={chunks} every={every}]]"), chunks, ..Cell::plain(name, clients) }
    }

    /// What the load does for a turn.
    pub fn plan(&self, turn: Duration) -> Plan {
        let limit = if self.counted { "" } else { r#""max_tokens":100,"# };
        let mut prompt = self.words.clone();
        while prompt.len() < self.prompt {
            prompt.push_str(" Each line of this text says the same in other words, number ########.");
        }
        let body = format!(
            r#"{{"model":"{MODEL}",{limit}"stream":{},"messages":[{{"role":"user","content":"{prompt}"}}]}}"#,
            self.chunks > 0
        );
        Plan { clients: self.clients, turn, pause: self.pause, body: body.into_bytes(), chunks: self.chunks }
    }
}

/// Small requests at half of what a machine of two cores takes, for as long as it pleases.
pub fn soak() -> Cell {
    Cell { pause: Duration::from_millis(9), ..Cell::plain("soak", 64) }
}

/// All of them; those on Postgres only where there is a server.
pub fn all(slow_streams: usize) -> Vec<Cell> {
    let with = |name, keys, tokens| {
        let house = House { keys, tokens, ..House::default() };
        Cell { house, against_plain: true, ..Cell::plain(name, 64) }
    };
    let house = House { postgres: true, ..House::default() };
    let on_postgres = std::env::var_os("TEST_POSTGRES_URL")
        .map(|_| Cell { house, ..Cell::plain("plain, 64, on Postgres", 64) });
    let long = |name, prompt| Cell { prompt, ..Cell::plain(name, 16) };
    vec![
        Cell { direct: true, ..Cell::plain("plain, 1 at a time", 1) },
        Cell::plain("plain, 64 at a time", 64),
        Cell { by_oha: true, ..Cell::plain("plain, 64 at a time, by oha", 64) },
        Cell::plain("plain, 100 at a time", 100),
        Cell::plain("plain, 256 at a time", 256),
        long("body of 64 KB, 16 at a time", 64 * 1024),
        long("body of 1 MB, 16 at a time", 1024 * 1024),
        Cell { counted: true, ..long("body of 64 KB, counted", 64 * 1024) },
        Cell::stream("one stream of 100 chunks", 1, 100, 0),
        Cell::stream("64 fast streams", 64, 100, 0),
        Cell::stream("slow streams", slow_streams, 40, 250),
        with("plain, 64, 10 keys", 10, 0),
        with("plain, 64, 200 keys", 200, 0),
        with("plain, 64, 10 tokens", 1, 10),
        with("plain, 64, 1000 tokens", 1, 1000),
    ]
    .into_iter()
    .chain(on_postgres)
    .collect()
}
