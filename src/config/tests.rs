use super::sources::{Source, Sources};
use super::table::rows;
use super::*;
use std::time::Duration;

/// Sources from `(flag, value)`, `(variable, value)`, `(variable in .env, value)` and a file.
fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], dotenv: &str, file: &str) -> Sources {
    let mut sources = Sources::default();
    for (name, value) in flags {
        sources.flags.entry((*name).to_owned()).or_default().push((*value).to_owned());
    }
    sources.environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    sources.add_dotenv(dotenv);
    if !file.is_empty() {
        sources.add_file("config.json", file);
    }
    sources
}

fn faults(sources: &Sources) -> Vec<String> {
    load(sources).expect_err("faults").0.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_those_of_the_design() {
    let settings = load(&Sources::default()).expect("defaults are valid");
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("0.0.0.0", 8000));
    assert_eq!((settings.admin.host.as_str(), settings.admin.port), ("127.0.0.1", 8001));
    assert!(settings.server.workers >= 1 && settings.server.max_body_bytes == 32 << 20);
    assert_eq!(settings.openrouter.base_url.as_str(), "https://openrouter.ai/api/v1");
    assert_eq!(settings.openrouter.request_timeout, Duration::from_secs(300));
    assert!(settings.proxy.free_models_only && settings.access.accept_admin_password);
    assert_eq!(settings.database.url.to_string(), "openrouter_proxy.db");
    assert_eq!(settings.database.data_dir, std::path::Path::new("."));
}

#[test]
fn every_row_is_read_once() {
    let settings = load(&Sources::default()).expect("defaults are valid");
    let read: Vec<&str> = settings.origins().iter().map(|origin| origin.key).collect();
    assert_eq!(read, rows().map(|row| row.key).collect::<Vec<_>>());
}

#[test]
fn the_stronger_source_wins() {
    let file = r#"{"server":{"port":1}}"#;
    let cases = [
        (sources(&[("port", "4")], &[("PORT", "3")], "PORT=2", file), 4, Source::Flag("port")),
        (sources(&[], &[("SERVER_PORT", "3")], "PORT=2", file), 3, Source::Environment("SERVER_PORT".into())),
        (sources(&[], &[], "PORT=2", file), 2, Source::DotEnv("PORT".into())),
        (sources(&[], &[], "", file), 1, Source::File("config.json".into())),
        (sources(&[], &[], "", ""), 8000, Source::Preset),
    ];
    for (sources, port, source) in cases {
        let settings = load(&sources).expect("valid");
        assert_eq!(settings.server.port, port);
        let origin = settings.origins().iter().find(|origin| origin.key == "server.port");
        assert_eq!(origin.map(|origin| &origin.source), Some(&source));
    }
}

#[test]
fn all_faults_come_at_once_with_key_and_source() {
    let sources = sources(
        &[("port", "eighty"), ("host", " ")],
        &[("ADMIN_PASSWORD", ""), ("PROXY_MAX_ATTEMPTS", "0"), ("OPENROUTER_API_URL", "http://evil.example")],
        "WORKERS=many\nBROKEN LINE\n",
        r#"{"server":{"port":"8000","max_body_bytes":"32 apples"},"proxy":{"free_models_only":"true","speed":9}}"#,
    );
    let expected = [
        ".env: line 2 is not NAME=value",
        "proxy.speed (config.json): unknown key; `config schema` lists the known ones",
        "server.host (flag --host): is set but empty; give it a value or leave it out",
        "server.port (flag --port): expected a whole number from 0 to 65535, found \"eighty\"",
        "server.port (config.json): expected a whole number from 0 to 65535, found a text",
        "server.workers (WORKERS in .env): expected a whole number from 1 to 1024, found \"many\"",
        "server.max_body_bytes (config.json): expected a size from 1024 to 1073741824 bytes, such as 1048576 or \"32 MiB\", found \"32 apples\"",
        "admin.password (environment variable ADMIN_PASSWORD): is set but empty; give it a value or leave it out",
        "openrouter.base_url (environment variable OPENROUTER_API_URL): plain http:// would show the API keys to the network; use https://, or set openrouter.allow_insecure_base_url",
        "proxy.free_models_only (config.json): expected true or false, found a text",
        "proxy.max_attempts (environment variable PROXY_MAX_ATTEMPTS): expected a whole number from 1 to 100, found \"0\"",
    ];
    assert_eq!(faults(&sources), expected);
}

#[test]
fn two_names_for_one_setting_must_agree() {
    let agreeing = sources(&[], &[("PORT", "9"), ("SERVER_PORT", "9")], "", "");
    assert_eq!(load(&agreeing).expect("they agree").server.port, 9);
    let quarrelling = sources(&[], &[("PORT", "9"), ("SERVER_PORT", "8")], "", "");
    assert_eq!(
        faults(&quarrelling),
        [
            "server.port (environment variable SERVER_PORT): environment variable PORT sets it too; keep one of the two"
        ]
    );
    // The real environment silently wins over .env, whatever the names.
    let layered = sources(&[], &[("PORT", "9")], "SERVER_PORT=8", "");
    assert_eq!(load(&layered).expect("layers do not quarrel").server.port, 9);
}

#[test]
fn secrets_may_come_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    std::fs::write(&path, "sk-or-v1-aaaaaaaaaaaaaaaa\nsk-or-v1-bbbbbbbbbbbbbbbb\n").expect("written");
    let path = path.to_str().expect("UTF-8");
    let settings = load(&sources(&[], &[("OPENROUTER_API_KEY_FILE", path)], "", "")).expect("valid");
    assert_eq!(settings.openrouter.api_keys.len(), 2);
    assert!(settings.show().contains("(2 set: …aaaa, …bbbb)"), "{}", settings.show());
    assert!(settings.show().contains("# environment variable OPENROUTER_API_KEY_FILE"));

    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").expect("written");
    let missing = folder.path().join("missing");
    let cases = [
        (vec![("ADMIN_PASSWORD", "x"), ("ADMIN_PASSWORD_FILE", path)], "ADMIN_PASSWORD sets it too"),
        (vec![("ADMIN_PASSWORD_FILE", missing.to_str().expect("UTF-8"))], "cannot read"),
        (vec![("ADMIN_PASSWORD_FILE", empty.to_str().expect("UTF-8"))], "is empty"),
        (vec![("ADMIN_PASSWORD_FILE", "")], "is set but empty"),
        (vec![("ADMIN_PASSWORD_FILE", path)], "a line break"),
    ];
    for (environment, message) in cases {
        let found = faults(&sources(&[], &environment, "", ""));
        assert!(found.len() == 1 && found[0].contains(message), "{found:?}");
        assert!(found[0].starts_with("admin.password ("), "{found:?}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let given = [
        ("ADMIN_PASSWORD", "hunter2-hunter2-hunter2"),
        ("ACCESS_PASSWORD", "hunter2-hunter2-hunter2"),
        ("SECRET_KEY", "hunter2-hunter2-hunter2"),
        ("OPENROUTER_API_KEYS", "sk-or-v1-hunter2hunter2-abcd"),
        ("DATABASE_URL", "postgres://me:hunter2@db/x"),
    ];
    let settings = load(&sources(&[], &given, "", "")).expect("valid");
    for text in [settings.show(), format!("{settings:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(settings.show().contains("postgres://me:…@db/x"));
    assert!(!settings.access.accept_admin_password);

    let broken = [
        ("ADMIN_PASSWORD", "hunter2\u{7}"),
        ("OPENROUTER_API_KEYS", "hunter2 hunter2"),
        ("DATABASE_URL", "mysql://me:hunter2@db/x"),
        ("OPENROUTER_BASE_URL", "https://hunter2@openrouter.ai"),
    ];
    let dotenv = "OPENROUTER_API_KEY=hunter2 hunter2\nADMIN_PASSWORD=\"hunter2";
    let file = r#"{"access":{"password":["hunter2"]},"openrouter":{"api_keys":[1,"hunter2"]}}"#;
    let text = load(&sources(&[], &broken, dotenv, file)).expect_err("faults").to_string();
    assert!(!text.contains("hunter2") && text.lines().count() == 8, "{text}");
}

#[test]
fn an_empty_header_text_counts_as_not_given() {
    let sources = sources(&[], &[("OPENROUTER_X_TITLE", "")], "", r#"{"openrouter":{"http_referer":""}}"#);
    let settings = load(&sources).expect("valid");
    assert_eq!((settings.openrouter.http_referer, settings.openrouter.x_title), (None, None));
}

#[test]
fn null_means_unset_only_where_there_is_no_default() {
    let sources = sources(&[], &[], "", r#"{"admin":{"password":null},"server":{"port":null}}"#);
    assert_eq!(
        faults(&sources),
        ["server.port (config.json): expected a whole number from 0 to 65535, found null"]
    );
}

#[test]
fn the_planes_need_two_ports() {
    let clash = sources(&[("port", "8001")], &[], "", "");
    assert_eq!(
        faults(&clash),
        [
            "admin.port (default): 8001 is also the data plane's port (flag --port); give one of the two another port"
        ]
    );
    assert!(load(&sources(&[("port", "0"), ("admin-port", "0")], &[], "", "")).is_ok());
    assert!(load(&sources(&[("port", "8001"), ("host", "127.0.0.2")], &[], "", "")).is_ok());
}

#[test]
fn plain_http_needs_leave() {
    let local = sources(&[("openrouter-base-url", "http://127.0.0.1:9")], &[], "", "");
    assert!(load(&local).is_ok());
    let remote =
        [("OPENROUTER_API_URL", "http://mirror.lan/v1"), ("OPENROUTER_ALLOW_INSECURE_BASE_URL", "yes")];
    assert!(load(&sources(&[], &remote, "", "")).is_ok());
}

#[test]
fn a_dotenv_file_is_read_like_a_shell_would() {
    let sources = sources(&[], &[], "\u{feff}export PORT=7 # mine\nADMIN_PASSWORD='a #b'\nPORT=7\n", "");
    assert_eq!(load(&sources).expect("valid").server.port, 7);
    let mut twice = Sources::default();
    twice.add_dotenv("PORT=1\nPORT=2\n");
    assert_eq!(faults(&twice), [".env: PORT is given twice with different values; keep one"]);
}

#[test]
fn https_needs_a_certificate_and_a_key() {
    assert_eq!(
        faults(&sources(&[("https", "true")], &[], "", "")),
        [
            "server.cert_path (default): HTTPS is on; give the path of a PEM file",
            "server.key_path (default): HTTPS is on; give the path of a PEM file",
        ]
    );
    let empty = faults(&sources(&[("https", "true"), ("cert-path", ""), ("key-path", "k.pem")], &[], "", ""));
    assert_eq!(
        empty,
        ["server.cert_path (flag --cert-path): is set but empty; give it a value or leave it out"]
    );
    let whole =
        load(&sources(&[("https", "true"), ("cert-path", "c.pem"), ("key-path", "k.pem")], &[], "", ""));
    let tls = whole.expect("valid").server.tls.expect("HTTPS is on");
    assert_eq!((tls.cert_path.to_str(), tls.key_path.to_str()), (Some("c.pem"), Some("k.pem")));
    let off = load(&sources(&[("cert-path", "c.pem")], &[], "", "")).expect("valid");
    assert!(off.server.tls.is_none() && off.warnings().len() == 1);
}

#[test]
fn anonymous_clients_beyond_this_machine_are_a_deliberate_choice() {
    let file = r#"{"access":{"anonymous":true}}"#;
    let open = faults(&sources(&[], &[], "", file));
    assert!(
        open.len() == 1 && open[0].starts_with("access.anonymous (config.json): would open 0.0.0.0"),
        "{open:?}"
    );
    let local = load(&sources(&[("host", "127.0.0.1")], &[], "", file)).expect("only this machine");
    assert!(local.access.anonymous && local.warnings().is_empty());
    for chosen in [
        sources(&[("allow-anonymous", "true")], &[], "", file),
        sources(&[], &[("ALLOW_ANONYMOUS", "1")], "", ""),
        sources(&[], &[], "ALLOW_ANONYMOUS=yes", ""),
    ] {
        let settings = load(&chosen).expect("chosen");
        assert!(settings.access.anonymous && settings.warnings().len() == 1);
    }
}

/// The settings of the Python proxy's README, and the same in other spellings.
#[test]
fn coming_from_the_python_key_pool() {
    let documented = r#"{
        "server": {"host": "0.0.0.0", "port": 8000},
        "admin": {"password": "admin123"},
        "database": {"url": "openrouter_proxy.db"},
        "openrouter": {
            "base_url": "https://openrouter.ai/api/v1",
            "http_referer": "https://your-domain.com",
            "x_title": "OpenRouter Proxy",
            "free_model_suffix": ":free",
            "auto_update_models_on_startup": true,
            "model_cache_timeout": 3600,
            "request_timeout": 60.0
        },
        "proxy": {"load_balance_strategy": "least_used"}
    }"#;
    let camel = documented
        .replace("base_url", "baseUrl")
        .replace("http_referer", "httpReferer")
        .replace("x_title", "xTitle")
        .replace("free_model_suffix", "freeModelSuffix")
        .replace("auto_update_models_on_startup", "autoUpdateModelsOnStartup")
        .replace("model_cache_timeout", "modelCacheTimeout")
        .replace("request_timeout", "requestTimeout")
        .replace("load_balance_strategy", "loadBalancingStrategy")
        .replace("least_used", "leastUsed");
    for file in [documented, &camel] {
        let settings = load(&sources(&[], &[("PORT", "9000")], "", file)).expect("valid");
        assert_eq!(settings.server.port, 9000);
        assert_eq!(settings.openrouter.request_timeout, Duration::from_secs(60));
        assert_eq!(settings.openrouter.x_title.as_deref(), Some("OpenRouter Proxy"));
        assert_eq!(settings.proxy.load_balance_strategy, crate::domain::strategy::Strategy::LeastUsed);
        assert!(settings.admin.password.is_some() && settings.access.accept_admin_password);
    }
    let twice = r#"{"proxy":{"load_balance_strategy":"random","load_balancing_strategy":"random"}}"#;
    assert_eq!(
        faults(&sources(&[], &[], "", twice)),
        ["proxy.load_balance_strategy (config.json): is given twice; keep one"]
    );
}

#[test]
fn coming_from_the_cache_control_proxy() {
    let dotenv = "ANTHROPIC_API_URL=https://api.anthropic.com\nPROXY_HOST=0.0.0.0\nPROXY_PORT=9999\n\
                  CACHE_CONTROL_TTL=1h  # 5m or 1h\nLOG_LEVEL=INFO\n\
                  OPENROUTER_API_URL=https://openrouter.ai/api\n\
                  OPENROUTER_API_KEY=your-openrouter-api-key\n\
                  OPENAI_PROXY_HOST=0.0.0.0\nOPENAI_PROXY_PORT=9998\n";
    let settings = load(&sources(&[("cache-control", "last_message")], &[], dotenv, "")).expect("valid");
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("0.0.0.0", 9998));
    assert_eq!(settings.openrouter.base_url.as_str(), "https://openrouter.ai/api/v1");
    assert_eq!(settings.openrouter.api_keys.len(), 1);
    assert_eq!(settings.proxy.cache_control, crate::domain::cache_control::CacheControl::LastMessage);
}

#[test]
fn rules_and_aliases_come_from_every_source() {
    let variable = [
        ("MODEL_PROVIDER_MAPPING", "*anthropic/claude*=Anthropic,Google;gpt-4=OpenAI"),
        ("PROXY_MODEL_ALIASES", r#"{"fast":["a:free","b:free"]}"#),
    ];
    let settings = load(&sources(&[], &variable, "", "")).expect("valid");
    assert_eq!(settings.proxy.model_provider_mapping.len(), 2);
    assert!(settings.show().contains("*anthropic/claude*=anthropic,google-vertex; gpt-4=openai"));
    assert_eq!(settings.proxy.model_aliases[0].models, ["a:free", "b:free"]);

    let flags = [("model-provider-mapping", "z=Groq"), ("model-provider-mapping", "a=Azure")];
    let file = r#"{"proxy":{"model_provider_mapping":{"b":["x"]},"model_aliases":{"z":"1","a":"2"}}}"#;
    let settings = load(&sources(&flags, &[], "", file)).expect("valid");
    let patterns: Vec<&str> =
        settings.proxy.model_provider_mapping.iter().map(|rule| rule.pattern.as_str()).collect();
    assert_eq!(patterns, ["z", "a"], "the flag wins and keeps its order");
    assert_eq!(settings.proxy.model_aliases[0].name, "z");
}

#[test]
fn a_weak_admin_password_is_refused_from_a_file_beyond_this_machine() {
    let file = r#"{"admin":{"password":"admin123","host":"0.0.0.0"}}"#;
    let faults = load(&sources(&[], &[], "", file)).expect_err("a fault").to_string();
    assert!(faults.contains("admin.password") && !faults.contains("admin123"), "{faults}");
    let settings = load(&sources(&[], &[("ADMIN_PASSWORD", "admin123")], "", file)).expect("allowed");
    assert!(settings.warnings().iter().any(|warning| warning.contains("admin password")));
    let local = r#"{"admin":{"password":"admin123"}}"#;
    assert!(load(&sources(&[], &[], "", local)).is_ok_and(|settings| settings.warnings().is_empty()));
}
