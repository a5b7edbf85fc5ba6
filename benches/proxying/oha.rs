//! The load of a tool that others wrote and know: oha, for plain requests. It asks the same again and again and
//! checks no more than the status; what it sees of times is its own.

use crate::load::{Plan, Told};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where `bench.sh` puts it.
const HERE: &str = "target/tools/bin/oha";

/// The program, if it is installed.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).map(|folder| folder.join("oha"));
    std::iter::once(PathBuf::from(HERE)).chain(places).find(|place| place.is_file())
}

/// Runs the plan against `address`.
pub fn run(oha: &Path, address: SocketAddr, credential: &str, plan: &Plan) -> Told {
    let output = Command::new(oha)
        .args(["--no-tui", "--output-format", "json", "-w", "-m", "POST", "-T", "application/json"])
        .args(["-c", &plan.clients.to_string(), "-z", &format!("{}ms", plan.turn.as_millis())])
        .args(["-H", &format!("Authorization: Bearer {credential}"), "-d"])
        .arg(String::from_utf8_lossy(&plan.body).as_ref())
        .arg(format!("http://{address}/api/v1/chat/completions"))
        .output()
        .expect("oha starts");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("oha said nothing of use ({error}): {}", String::from_utf8_lossy(&output.stderr))
    });
    let count =
        |value: &Value| value.as_object().map_or(0, |all| all.values().filter_map(Value::as_u64).sum());
    let answers = told["statusCodeDistribution"]["200"].as_u64().unwrap_or(0);
    let nanoseconds = |value: &Value| (value.as_f64().unwrap_or(0.0) * 1e9) as u64;
    let percentiles = &told["latencyPercentiles"];
    Told {
        answers,
        errors: count(&told["statusCodeDistribution"]) - answers + count(&told["errorDistribution"]),
        took: Duration::from_nanos(nanoseconds(&told["summary"]["total"])),
        percentiles: Some((nanoseconds(&percentiles["p50"]), nanoseconds(&percentiles["p99"]))),
        ..Told::default()
    }
}
