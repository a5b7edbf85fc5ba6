//! The earlier proxy's database as its versions made it: whole, again, and in trouble.

use super::*;
use crate::domain::time::Day;
use crate::domain::usage::UsageRow;
use crate::domain::usage_query::{UsageOrder, UsageQuery};
use crate::store::testing::Bench;

/// 2026-11-22T15:04:05Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_359_845_000);

const SECOND_VERSION: &str = "
    CREATE TABLE api_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key_name TEXT NOT NULL,
        api_key TEXT NOT NULL UNIQUE, is_active BOOLEAN DEFAULT TRUE,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, last_used TIMESTAMP, usage_count INTEGER DEFAULT 0,
        daily_limit INTEGER DEFAULT -1, daily_usage INTEGER DEFAULT 0, last_reset_time TIMESTAMP);
    CREATE TABLE usage_logs (id INTEGER PRIMARY KEY AUTOINCREMENT, api_key_id INTEGER, model TEXT,
        prompt_tokens INTEGER, completion_tokens INTEGER, total_tokens INTEGER, cost REAL,
        request_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP, response_status INTEGER);
    CREATE TABLE free_models (id INTEGER PRIMARY KEY, model_id TEXT UNIQUE, model_name TEXT);
    INSERT INTO api_keys (key_name, api_key, is_active, last_used, usage_count, daily_limit, daily_usage) VALUES
        ('主力', 'sk-or-v1-one-0123456789abcdef', 1, '2026-11-22 08:00:00', 120, 50, 7),
        ('off', 'sk-or-v1-two-0123456789abcdef', 0, '2026-11-21 08:00:00', 9, -1, 9),
        ('none a day', 'sk-or-v1-three-0123456789abcdef', 1, NULL, 0, 0, 0),
        ('blank', '  ', 1, NULL, 0, -1, 0);
    INSERT INTO usage_logs (api_key_id, model, prompt_tokens, completion_tokens, total_tokens, cost,
        request_time, response_status) VALUES
        (1, 'openai/gpt-oss-20b:free', 10, 5, 15, 0.0, '2026-11-20 10:00:00', 200),
        (1, 'openai/gpt-oss-20b:free', 0, 0, 0, 0.0, '2026-11-20 10:00:00', 200),
        (2, 'z-ai/glm-4.5-air:free', 0, 0, 0, 0.0, '2026-11-20 10:00:01', 429),
        (7, 'gone:free', 1, 1, 2, 0.0, '2026-11-20 10:00:02', 200),
        (1, 'undated:free', 1, 1, 2, 0.0, NULL, 200);";

const FIRST_VERSION: &str = "
    CREATE TABLE api_keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key_name TEXT NOT NULL,
        api_key TEXT NOT NULL, is_active BOOLEAN DEFAULT TRUE, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        last_used TIMESTAMP, usage_count INTEGER DEFAULT 0);
    INSERT INTO api_keys (key_name, api_key) VALUES
        ('one', 'sk-or-v1-one-0123456789abcdef'), ('again', 'sk-or-v1-one-0123456789abcdef');";

struct Old {
    folder: tempfile::TempDir,
}

impl Old {
    fn new(statements: &str) -> Old {
        let old = Old { folder: tempfile::tempdir().expect("a folder") };
        old.write(statements);
        old
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("old.db")
    }

    fn connect(&self) -> SqliteConnection {
        SqliteConnection::establish(self.path().to_str().expect("UTF-8")).expect("a database")
    }

    fn write(&self, statements: &str) {
        self.connect().batch_execute(statements).expect("valid statements");
    }

    fn fault(&self) -> String {
        Earlier::open(&self.path()).err().expect("a fault").to_string()
    }
}

fn import(store: &Store, old: &Old, with_usage: bool) -> Result<Imported, StoreError> {
    store.import_earlier(&mut Earlier::open(&old.path())?, with_usage, NOW)
}

fn usage(store: &Store) -> Vec<UsageRow> {
    let query = UsageQuery { order: UsageOrder::OldestFirst, limit: 100, ..UsageQuery::default() };
    store.usage_page(&query).expect("rows").rows
}

#[test]
fn keys_come_with_label_limit_state_and_counts() {
    let (bench, old) = (Bench::new(), Old::new(SECOND_VERSION));
    let before = std::fs::read(old.path()).expect("a file");
    let store = bench.open();
    let done = import(&store, &old, false).expect("an import");
    assert_eq!((done.added, done.known, done.usage), (3, 0, None));
    assert_eq!(done.skipped, ["key in row 4: it is empty"]);

    let keys = store.keys(NOW.day()).expect("keys");
    let told: Vec<_> = keys
        .iter()
        .map(|key| (key.record.label.as_str(), key.record.enabled, key.record.daily_limit))
        .collect();
    assert_eq!(told, [("主力", true, Some(50)), ("off", false, None), ("none a day", false, None)]);
    assert_eq!(keys[0].secret.expose(), "sk-or-v1-one-0123456789abcdef");
    let counts: Vec<_> = keys.iter().map(|key| (key.record.used_today, key.record.used_total)).collect();
    assert_eq!(counts, [(7, 120), (0, 9), (0, 0)], "only what was used today counts today");
    assert_eq!(keys[0].record.last_used, Timestamp::parse("2026-11-22T08:00:00Z"));
    assert!(usage(&store).is_empty());

    assert_eq!(std::fs::read(old.path()).expect("a file"), before, "the old database stays as it is");
    let files: Vec<_> = std::fs::read_dir(old.folder.path()).expect("a folder").flatten().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn usage_rows_find_their_key_and_come_once() {
    let (bench, old) = (Bench::new(), Old::new(SECOND_VERSION));
    let store = bench.open();
    // The key is there already, under another name; its rows belong to it.
    let known = store.add_key(crate::store::testing::key("one"), NOW).expect("a key");
    let done = import(&store, &old, true).expect("an import");
    assert_eq!((done.added, done.known), (2, 1));
    assert_eq!(done.usage, Some(ImportedUsage { added: 4, known: 0, undated: 1 }));
    let rows = usage(&store);
    assert_eq!(rows.len(), 4);
    let counted = rows.iter().find(|row| row.tokens.total == Some(15)).expect("the counted row");
    assert_eq!((counted.key_id, counted.key_label.as_deref()), (Some(known.id), Some("one")));
    assert_eq!(counted.account_id, Some(known.account));
    assert_eq!(
        (counted.status, counted.outcome.as_str(), counted.tokens.cost),
        (200, "completed", Some(0.0))
    );
    assert_eq!(counted.time, Timestamp::parse("2026-11-20T10:00:00Z").expect("a time"));
    let uncounted = rows.iter().filter(|row| row.tokens.total.is_none()).count();
    assert_eq!(uncounted, 2, "zeros it did not count stay missing");
    assert_eq!((rows[2].status, rows[2].outcome.as_str()), (429, "failed"));
    assert_eq!((rows[3].model.as_str(), rows[3].key_id), ("gone:free", None));

    // Again, from a copy elsewhere, and after it has grown.
    let copy = Old { folder: tempfile::tempdir().expect("a folder") };
    std::fs::copy(old.path(), copy.path()).expect("a copy");
    copy.write(
        "INSERT INTO usage_logs (api_key_id, model, request_time, response_status) \
         VALUES (2, 'new:free', '2026-11-21 00:00:00', 200)",
    );
    let again = import(&store, &copy, true).expect("an import");
    assert_eq!((again.added, again.known), (0, 3));
    assert_eq!(again.usage, Some(ImportedUsage { added: 1, known: 4, undated: 1 }));
    assert_eq!(store.key_records(NOW.day()).expect("keys")[1].used_total, 9, "counts are not added twice");
}

#[test]
fn many_rows_come_in_pages() {
    let old = Old::new(SECOND_VERSION);
    old.write(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4500) \
         INSERT INTO usage_logs (api_key_id, model, total_tokens, response_status) SELECT 1, 'a:free', i, 200 FROM n",
    );
    let bench = Bench::new();
    let done = import(&bench.open(), &old, true).expect("an import");
    assert_eq!(done.usage, Some(ImportedUsage { added: 4504, known: 0, undated: 1 }));
}

#[test]
fn the_first_version_has_fewer_columns() {
    let (bench, old) = (Bench::new(), Old::new(FIRST_VERSION));
    let store = bench.open();
    let done = import(&store, &old, false).expect("an import");
    assert_eq!((done.added, done.known), (1, 1), "a key listed twice is added once");
    assert_eq!(store.key_records(Day(0)).expect("keys")[0].label, "one");
    let fault = import(&store, &old, true).expect_err("no usage table").to_string();
    assert!(
        fault.contains("looked for a table usage_logs") && fault.contains("found api_keys (id,"),
        "{fault}"
    );
}

#[test]
fn unusable_keys_stop_the_whole_import() {
    let (bench, old) = (Bench::new(), Old::new(SECOND_VERSION));
    old.write(
        "INSERT INTO api_keys (key_name, api_key) VALUES ('x', 'gAAAAABlsecret'), ('y', 'sk-or-v1-****cdef')",
    );
    let store = bench.open();
    let fault = import(&store, &old, true).expect_err("unusable keys").to_string();
    assert!(fault.contains("key in row 5: the key does not begin with sk-"), "{fault}");
    assert!(fault.contains("key in row 6: the key is masked") && !fault.contains("gAAAA"), "{fault}");
    assert!(store.key_records(NOW.day()).expect("keys").is_empty() && usage(&store).is_empty());
}

#[test]
fn what_is_not_the_earlier_proxys_is_refused() {
    let old = Old::new("CREATE TABLE notes (text TEXT)");
    let fault = old.fault();
    assert!(
        fault.contains("looked for a table api_keys") && fault.ends_with("found notes (text)"),
        "{fault}"
    );
    std::fs::write(
        old.path(),
        "not a database, but long enough to have a header of a hundred bytes ".repeat(9),
    )
    .expect("a file");
    assert!(old.fault().contains("is not a SQLite database"), "{}", old.fault());
    std::fs::write(old.path(), "").expect("a file");
    assert!(old.fault().ends_with("found no tables"), "{}", old.fault());
    std::fs::remove_file(old.path()).expect("a file");
    assert!(old.fault().contains("does not exist"), "{}", old.fault());
    assert!(!old.path().exists(), "looking must not create it");
    std::fs::create_dir(old.path()).expect("a folder");
    assert!(old.fault().contains("it is not a file"), "{}", old.fault());

    let bench = Bench::sqlite();
    drop(bench.open());
    let ours = Earlier::open(&bench.database()).err().expect("a fault").to_string();
    assert!(ours.contains("a database of this program"), "{ours}");
}

#[test]
fn a_writer_that_does_not_stop_is_named() {
    let old = Old::new(SECOND_VERSION);
    let mut writer = old.connect();
    writer.batch_execute("BEGIN EXCLUSIVE").expect("a lock");
    assert!(old.fault().contains("locked by another process"), "{}", old.fault());
}

#[test]
fn a_file_left_open_by_a_killed_writer_is_not_mended() {
    let old = Old::new(SECOND_VERSION);
    let mut writer = old.connect();
    // Pages reach the file before the commit, so the journal is needed to take them back.
    writer
        .batch_execute(
            "PRAGMA cache_size = 1; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
             WHERE i < 5000) INSERT INTO usage_logs (model) SELECT hex(randomblob(50)) FROM n",
        )
        .expect("a transaction");
    let killed = Old { folder: tempfile::tempdir().expect("a folder") };
    for suffix in ["", "-journal"] {
        let name = format!("old.db{suffix}");
        std::fs::copy(old.folder.path().join(&name), killed.folder.path().join(&name)).expect("a copy");
    }
    assert!(killed.fault().contains("was not closed cleanly"), "{}", killed.fault());
}

#[test]
fn a_start_on_it_says_how_to_bring_it_across() {
    let (bench, old) = (Bench::sqlite(), Old::new(SECOND_VERSION));
    std::fs::copy(old.path(), bench.database()).expect("a copy");
    let fault = bench.try_open().err().expect("another program's").to_string();
    assert!(fault.contains("keys import --from-sqlite"), "{fault}");
}
