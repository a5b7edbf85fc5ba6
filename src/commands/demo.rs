//! `demo`: both planes against the simulator, with keys good and bad, in a folder of its own that is
//! gone afterwards. Nothing to sign up for.

use super::traffic::{self, Cast, stage};
use super::{CommandError, serve};
use crate::app::{self, App, StartError, Stop};
use crate::config::load;
use crate::config::sources::Sources;
use crate::domain::time::Clock;
use crate::simulator::{Options, Simulator};
use std::io::{Write, stdout};

/// What clients send as their key.
const PASSWORD: &str = "demo";
/// Good keys beside a revoked one, one without quota, one that never answers and a slow one.
const KEYS: &str = "sk-or-v1-sim-good-0001,sk-or-v1-sim-good-0002,sk-or-v1-sim-revoked-0003,\
                    sk-or-v1-sim-daily-0004,sk-or-v1-sim-reset-0005,sk-or-v1-sim-slow-0006";

/// Runs until SIGTERM or SIGINT.
pub fn run(mut sources: Sources, traffic: Option<u32>) -> Result<(), CommandError> {
    let simulator = Simulator::start(Options::default())?;
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("demo.db").display().to_string();
    let mut preset = |variable: &str, value: String| sources.environment.insert(variable.to_owned(), value);
    preset("OPENROUTER_API_URL", simulator.base_url());
    preset("DATABASE_URL", database);
    preset("ACCESS_PASSWORD", PASSWORD.to_owned());
    preset("SERVER_HOST", "127.0.0.1".to_owned());
    preset("SERVER_DRAIN_DELAY", "0".to_owned());
    match traffic {
        Some(_) => preset("PROXY_FREE_MINUTE_LIMIT", stage::MINUTE_LIMIT.to_string()),
        None => preset("OPENROUTER_API_KEY", KEYS.to_owned()),
    };
    let settings = load(&sources)?;
    let tls = settings.server.tls.is_some();
    if tls && traffic.is_some() {
        let detail = "the demo's own traffic speaks plain http: leave --https or --traffic away";
        return Err(CommandError::Refused(detail.to_owned()));
    }
    app::logging::start(&settings.log);
    let stop = Stop::default();
    let clock = Clock::system();
    let mut tokens = Vec::new();
    if let Some(per_second) = traffic {
        tokens =
            stage::set(&app::open_store(&settings.database)?, &simulator.control(), per_second, clock.now())?;
    }
    let result: Result<(), StartError> = actix_web::rt::System::new().block_on(async {
        let mut app = App::build(&settings, clock)?;
        serve::announce_password(&mut app).map_err(StartError::Io)?;
        introduce(&app, &simulator, tls, traffic).await.map_err(StartError::Io)?;
        if let Some(per_second) = traffic {
            let models = stage::models(&app.shared().catalog.get());
            traffic::start(app.data_address(), per_second, Cast { tokens, models })?;
        }
        stop.on_signals();
        app.run(stop).await
    });
    Ok(result?)
}

async fn introduce(app: &App, simulator: &Simulator, tls: bool, traffic: Option<u32>) -> std::io::Result<()> {
    let shared = app.shared();
    let _ = shared.catalog.refresh().await;
    let catalog = shared.catalog.get();
    let model =
        catalog.free().find(|model| model.id.ends_with(":free")).map_or("", |model| model.id.as_str());
    let (data, admin) = (app.data_address(), app.admin_address());
    // A certificate given for a demonstration is rarely one that curl trusts.
    let (curl, scheme) = if tls { ("curl -k", "https") } else { ("curl", "http") };
    let mut out = stdout().lock();
    writeln!(out, "a simulated OpenRouter answers at {}", simulator.base_url())?;
    if let Some(per_second) = traffic {
        writeln!(
            out,
            "{per_second} requests a second come from the demo itself; two weeks of rows are made up"
        )?;
    } else {
        writeln!(
            out,
            "six keys stand behind this proxy: two are good, one is revoked, one has no quota left,"
        )?;
        writeln!(out, "one loses its connections and one is slow; you will not notice the bad ones")?;
    }
    writeln!(out, "the operator's page is at http://{admin}/")?;
    writeln!(out, "\nask it something:\n")?;
    writeln!(out, "{curl} {scheme}://{data}/v1/chat/completions \\")?;
    writeln!(out, "  -H 'Authorization: Bearer {PASSWORD}' -H 'Content-Type: application/json' \\")?;
    writeln!(
        out,
        "  -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'"
    )?;
    writeln!(out, "\nand see it stream:\n")?;
    writeln!(out, "{curl} -N {scheme}://{data}/v1/chat/completions \\")?;
    writeln!(out, "  -H 'Authorization: Bearer {PASSWORD}' -H 'Content-Type: application/json' \\")?;
    let steer = "Tell me a story [[chunks=40 delay_ms=60]]";
    writeln!(
        out,
        "  -d '{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"{steer}\"}}]}}'"
    )?;
    writeln!(out, "\nCtrl-C ends it.")?;
    out.flush()
}
