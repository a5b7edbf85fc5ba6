//! `serve`: both planes, until a signal ends them.

use super::CommandError;
use crate::app::{App, StartError, Stop};
use crate::config::Settings;
use crate::domain::time::Clock;
use std::io::{Write, stdout};
use std::time::Duration;
use tokio::time::sleep;

/// Threads that work on the database get so long to end when all else has ended.
const LAST_THREADS: Duration = Duration::from_secs(4);
/// The summary waits for the first model list: it looks this often, with this pause.
const LOOKS: u32 = 250;
const PAUSE: Duration = Duration::from_millis(20);

/// Serves until SIGTERM or SIGINT.
pub fn run(settings: &Settings) -> Result<(), CommandError> {
    let system = actix_web::rt::System::new();
    let stop = Stop::default();
    let result: Result<(), StartError> = system.block_on(async {
        let mut app = App::build(settings, Clock::system())?;
        announce_password(&mut app).map_err(StartError::Io)?;
        stop.on_signals();
        let summary = summary(&app, settings);
        actix_web::rt::spawn(summary);
        app.run(stop).await
    });
    if result.is_ok() {
        // Dropping the system waits for its threads, and a database that fell silent holds them for ever.
        // They are not left behind otherwise: OpenSSL cleans up at the exit, beneath who still uses it.
        std::thread::spawn(|| {
            std::thread::sleep(LAST_THREADS);
            std::process::exit(0);
        });
    }
    drop(system);
    Ok(result?)
}

/// The generated password is shown here, once, and nowhere else.
pub fn announce_password(app: &mut App) -> std::io::Result<()> {
    let Some(password) = app.take_new_password() else { return Ok(()) };
    writeln!(stdout(), "admin password (shown only this once): {}", password.as_str())?;
    stdout().flush()
}

fn summary(app: &App, settings: &Settings) -> impl Future<Output = ()> + use<> {
    let (shared, data, admin) = (app.shared(), app.data_address(), app.admin_address());
    let scheme = if settings.server.tls.is_some() { "https" } else { "http" };
    let (database, upstream) = (settings.database.url.to_string(), settings.openrouter.base_url.to_string());
    async move {
        for _ in 0..LOOKS {
            if !shared.catalog.get().is_empty() {
                break;
            }
            sleep(PAUSE).await;
        }
        let (catalog, pool) = (shared.catalog.get(), shared.pool.view());
        let lines = [
            format!("clients connect to {scheme}://{data}/v1"),
            format!("the operator connects to http://{admin}/"),
            format!("upstream {upstream}, database {database}"),
            format!(
                "{} keys ({} usable), {} models ({} free)",
                pool.keys.len(),
                pool.usable,
                catalog.all().len(),
                catalog.free().count()
            ),
        ];
        // A closed standard output is no reason to stop serving.
        let _ = writeln!(stdout(), "{}", lines.join("\n"));
        if pool.keys.is_empty() {
            let _ = writeln!(stdout(), "there is no key yet: run `openrouter-proxy keys add`");
        }
        let _ = stdout().flush();
    }
}
