//! What the program adds to the operator's Postgres URL: limits for a server that no longer answers, and
//! where the system's certificates are. What the operator says wins.

use crate::domain::secret::Secret;
use std::path::Path;
use zeroize::Zeroizing;

/// By default libpq waits for ever (stack facts 1.4). Seconds, but for tcp_user_timeout (milliseconds).
const LIMITS: [(&str, &str); 6] = [
    ("connect_timeout", "3"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "5000"),
    ("application_name", "openrouter-proxy"),
];

/// The URL as libpq gets it.
pub(super) fn complete(url: &Secret) -> Zeroizing<String> {
    with_options(url.expose(), openssl_probe::probe().cert_file.as_deref())
}

/// The same for where libpq found no certificates to trust in the place where it looks by itself.
pub(super) fn with_system_roots(url: &str, said: &str) -> Option<Zeroizing<String>> {
    let in_vain = said.contains("root certificate file")
        && ["/.postgresql/root.crt", "home directory"].iter().any(|place| said.contains(place));
    let system = openssl_probe::probe().cert_file.filter(|_| in_vain)?;
    let mut full = roomy(url);
    full.extend(["&sslrootcert=", &encoded(system.to_str()?)]);
    Some(full)
}

/// With room for everything, so that no copy of the password is left behind by growing.
fn roomy(url: &str) -> Zeroizing<String> {
    let mut full = Zeroizing::new(String::with_capacity(url.len() + 8192));
    full.push_str(url);
    full
}

fn with_options(url: &str, system: Option<&Path>) -> Zeroizing<String> {
    let mut full = roomy(url);
    let named: Vec<(&str, &str)> = url
        .split_once('?')
        .map_or("", |(_, options)| options)
        .split('&')
        .filter_map(|option| option.split_once('='))
        .collect();
    let mut add = |name: &str, value: &str| {
        let separator = if full.contains('?') { "&" } else { "?" };
        full.extend([separator, name, "=", value]);
    };
    for (name, limit) in LIMITS {
        if named.iter().all(|(known, _)| *known != name) {
            add(name, limit);
        }
    }
    // The OpenSSL inside this program knows no folder of the machine (stack facts A14): what libpq calls
    // `system` is named for it. It allows that with host names checked only.
    let roots = named.iter().rfind(|(name, _)| *name == "sslrootcert");
    if let (Some((_, "system")), Some(system)) = (roots, system.and_then(Path::to_str)) {
        add("sslmode", "verify-full");
        add("sslrootcert", &encoded(system));
    }
    full
}

/// As libpq reads values in a URL (RFC 3986, 2.1).
fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(url: &str) -> String {
        with_options(url, Some(Path::new("/etc/a b.pem"))).to_string()
    }

    #[test]
    fn our_limits_do_not_replace_the_operators() {
        let url = full("postgres://u:p@h/db?sslmode=require&connect_timeout=9");
        assert!(url.starts_with("postgres://u:p@h/db?sslmode=require&connect_timeout=9&keepalives_idle=10"));
        assert_eq!(url.matches("connect_timeout").count(), 1);
        assert!(full("postgres://h/db").starts_with("postgres://h/db?connect_timeout=3&"));
        assert!(full("postgres://connect_timeout=9@h/db").contains("?connect_timeout=3&"));
    }

    #[test]
    fn the_systems_certificates_are_named_where_they_are_asked_for() {
        for (options, ending) in [
            ("sslrootcert=system", "&sslmode=verify-full&sslrootcert=/etc/a%20b.pem"),
            ("sslmode=require&sslrootcert=system", "&sslmode=verify-full&sslrootcert=/etc/a%20b.pem"),
            ("sslmode=verify-full&sslrootcert=/own.pem", "application_name=openrouter-proxy"),
            ("sslmode=verify-full", "application_name=openrouter-proxy"),
        ] {
            let url = full(&format!("postgres://u:p@h/db?{options}"));
            assert!(url.ends_with(ending), "{url}");
        }
        let without = with_options("postgres://h/db?sslrootcert=system", None);
        assert!(!without.contains("verify-full"), "libpq says itself what it misses");
    }

    #[test]
    fn who_names_a_file_that_is_missing_gets_no_other() {
        let said = |file: &str| format!("… failed: root certificate file \"{file}\" does not exist");
        assert!(with_system_roots("postgres://h/db?a=b", &said("/pinned/ca.pem")).is_none());
        assert!(with_system_roots("postgres://h/db?a=b", "Connection refused").is_none());
        if openssl_probe::probe().cert_file.is_some() {
            let full = with_system_roots("postgres://h/db?a=b", &said("/root/.postgresql/root.crt"));
            assert!(full.is_some_and(|full| full.starts_with("postgres://h/db?a=b&sslrootcert=/")));
        }
    }
}
