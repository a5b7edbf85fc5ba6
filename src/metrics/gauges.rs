//! What stands at some figure now: read when it is asked for, from what others publish.

use super::NAMESPACE;
use prometheus::{GaugeVec, Opts, Registry};

/// Every figure of one moment.
#[derive(Debug, Clone, Default)]
pub struct Gauges {
    /// Requests of clients being served.
    pub requests_in_flight: usize,
    /// Requests that wait for a key.
    pub requests_waiting: usize,
    /// Attempts under way with pooled keys.
    pub leases_in_flight: u64,
    /// Keys by state.
    pub keys: Vec<(&'static str, usize)>,
    /// What rests, by kind of place.
    pub cooldowns: Vec<(&'static str, usize)>,
    /// Quotas of accounts.
    pub accounts: Vec<AccountGauge>,
    /// Usage rows that have not reached the database.
    pub usage_rows_waiting: usize,
    /// Bytes that they take in the journal.
    pub journal_bytes: u64,
    /// Whether new requests are turned away because no row can be kept.
    pub journal_full: bool,
    /// Files of the journal that were damaged and are kept aside.
    pub journal_damaged_files: usize,
    /// Whether the database answered when it was last asked.
    pub database_up: bool,
    /// Models on offer, and free ones among them.
    pub models: (usize, usize),
    /// Seconds since the model list was fetched; `None`: never.
    pub models_age: Option<u64>,
    /// Wrong admin credentials since the start.
    pub sign_ins_refused: u64,
    /// Uses of the admin password by clients since the start.
    pub admin_password_as_client: u64,
    /// Pages that listen to live events.
    pub listeners: usize,
    /// Seconds since the start.
    pub uptime: u64,
}

/// The quota of one account.
#[derive(Debug, Clone, Copy)]
pub struct AccountGauge {
    /// Its id.
    pub id: i64,
    /// Requests to free models today.
    pub used: u64,
    /// How many are allowed; `None`: no limit.
    pub limit: Option<u32>,
}

impl Gauges {
    /// A registry that holds these figures alone.
    pub(super) fn registry(&self) -> Result<Registry, prometheus::Error> {
        let mut board = Board(Registry::new());
        board.plain(
            "requests_in_flight",
            "Requests of clients being served.",
            count(self.requests_in_flight),
        )?;
        board.plain("requests_waiting", "Requests that wait for a key.", count(self.requests_waiting))?;
        board.plain(
            "leases_in_flight",
            "Attempts under way with pooled keys.",
            figure(self.leases_in_flight),
        )?;
        board.by("keys", "Upstream keys by state.", "state", &self.keys)?;
        board.by("cooldowns", "What rests, by kind of place.", "place", &self.cooldowns)?;
        self.accounts(&mut board)?;
        board.plain(
            "usage_rows_waiting",
            "Usage rows that have not reached the database.",
            count(self.usage_rows_waiting),
        )?;
        self.journal(&mut board)?;
        board.plain(
            "database_up",
            "Whether the database answered last.",
            f64::from(u8::from(self.database_up)),
        )?;
        board.by(
            "models",
            "Models on offer.",
            "class",
            &[("all", self.models.0), ("free", self.models.1)],
        )?;
        if let Some(age) = self.models_age {
            board.plain("models_age_seconds", "Since the model list was fetched.", figure(age))?;
        }
        board.plain(
            "sign_ins_refused",
            "Wrong admin credentials since the start.",
            figure(self.sign_ins_refused),
        )?;
        board.plain(
            "admin_password_as_client",
            "Uses of the admin password by clients since the start.",
            figure(self.admin_password_as_client),
        )?;
        board.plain("event_listeners", "Pages that listen to live events.", count(self.listeners))?;
        board.plain("uptime_seconds", "Since the start.", figure(self.uptime))?;
        let build = board.vector("build_info", "The version that runs.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        Ok(board.0)
    }

    fn journal(&self, board: &mut Board) -> Result<(), prometheus::Error> {
        board.plain(
            "journal_bytes",
            "Bytes of usage rows in the journal that have not reached the database.",
            figure(self.journal_bytes),
        )?;
        board.plain(
            "journal_full",
            "Whether new requests are turned away because no usage row can be kept.",
            f64::from(u8::from(self.journal_full)),
        )?;
        board.plain(
            "journal_damaged_files",
            "Files of the journal that were damaged and are kept aside.",
            count(self.journal_damaged_files),
        )
    }

    fn accounts(&self, board: &mut Board) -> Result<(), prometheus::Error> {
        let used = board.vector("quota_used", "Requests to free models today.", &["account"])?;
        let limit = board.vector("quota_limit", "Requests to free models allowed today.", &["account"])?;
        let left = board.vector("quota_left", "Requests to free models left today.", &["account"])?;
        for account in &self.accounts {
            let id = account.id.to_string();
            used.with_label_values(&[id.as_str()]).set(figure(account.used));
            if let Some(allowed) = account.limit {
                let remaining = u64::from(allowed).saturating_sub(account.used);
                limit.with_label_values(&[id.as_str()]).set(f64::from(allowed));
                left.with_label_values(&[id.as_str()]).set(figure(remaining));
            }
        }
        Ok(())
    }
}

/// A registry that is being filled.
struct Board(Registry);

impl Board {
    fn vector(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        let gauge = GaugeVec::new(Opts::new(name, help).namespace(NAMESPACE), labels)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn plain(&mut self, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
        self.vector(name, help, &[])?.with_label_values::<&str>(&[]).set(value);
        Ok(())
    }

    fn by(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&'static str, usize)],
    ) -> Result<(), prometheus::Error> {
        let gauge = self.vector(name, help, &[label])?;
        for (word, value) in values {
            gauge.with_label_values(&[*word]).set(count(*value));
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts in a process are far below 2^52")]
fn figure(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> f64 {
    figure(u64::try_from(value).unwrap_or(u64::MAX))
}
