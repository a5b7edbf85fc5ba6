//! `openrouter`: the upstream, its keys, and how long to wait for it.

use super::base_url::BaseUrl;
use super::reader::Reader;
use super::table::{Kind, Row};
use crate::domain::secret::Secret;
use std::time::Duration;

const BASE_URL: Row = Row::new(
    "openrouter.base_url",
    Kind::Text("an https:// URL"),
    "https://openrouter.ai/api/v1",
    "Where OpenRouter's API is; plain http:// only to this machine.",
)
.env(&["OPENROUTER_API_URL"])
.flag("openrouter-base-url");

const ALLOW_INSECURE_BASE_URL: Row = Row::new(
    "openrouter.allow_insecure_base_url",
    Kind::Switch,
    "false",
    "Whether base_url may be plain http:// to another machine, which shows the keys to the network.",
);

const API_KEYS: Row = Row::unset(
    "openrouter.api_keys",
    Kind::Secrets,
    "none",
    "API keys that are added to the pool at start, one or many, by comma or line break.",
)
.env(&["OPENROUTER_API_KEY"])
.also(&["api_key"]);

const HTTP_REFERER: Row = Row::unset(
    "openrouter.http_referer",
    Kind::Header,
    "none",
    "HTTP-Referer sent upstream; a client's own wins.",
);

const X_TITLE: Row =
    Row::unset("openrouter.x_title", Kind::Header, "none", "X-Title sent upstream; a client's own wins.");

const FREE_MODEL_SUFFIX: Row = Row::new(
    "openrouter.free_model_suffix",
    Kind::Text("a suffix such as \":free\""),
    ":free",
    "How the ids of free models end.",
);

const AUTO_UPDATE: Row = Row::new(
    "openrouter.auto_update_models_on_startup",
    Kind::Switch,
    "true",
    "Whether the list of models is fetched at start.",
);

const MODEL_CACHE_TIMEOUT: Row = Row::new(
    "openrouter.model_cache_timeout",
    Kind::Seconds { min: 1.0, max: 2_592_000.0 },
    "3600",
    "How old the list of models may grow before it is fetched again, in seconds.",
);

const CONNECT_TIMEOUT: Row = Row::new(
    "openrouter.connect_timeout",
    Kind::Seconds { min: 0.05, max: 300.0 },
    "5",
    "Longest wait for a connection upstream, in seconds.",
);

const FIRST_BYTE_TIMEOUT: Row = Row::new(
    "openrouter.first_byte_timeout",
    Kind::Seconds { min: 0.05, max: 3600.0 },
    "60",
    "Longest wait for the head of a streamed answer, in seconds.",
)
.live();

const IDLE_TIMEOUT: Row = Row::new(
    "openrouter.idle_timeout",
    Kind::Seconds { min: 0.05, max: 3600.0 },
    "60",
    "Longest silence between two pieces of a stream, in seconds; comments count as life.",
)
.live();

const KEY_CHECK_INTERVAL: Row = Row::new(
    "openrouter.key_check_interval",
    Kind::Seconds { min: 0.0, max: 86_400.0 },
    "300",
    "How often each key's limits are read with GET /key, which costs no quota, in seconds; 0: never.",
);

const REQUEST_TIMEOUT: Row = Row::new(
    "openrouter.request_timeout",
    Kind::Seconds { min: 0.05, max: 86_400.0 },
    "300",
    "Longest wait for the first content of a stream or the whole of a plain answer, in seconds.",
)
.live();

const STREAM_TIMEOUT: Row = Row::new(
    "openrouter.stream_timeout",
    Kind::Seconds { min: 0.05, max: 86_400.0 },
    "3600",
    "Longest duration of a whole stream, in seconds.",
)
.live();

/// The rows of this subject.
pub(super) const ROWS: &[Row] = &[
    BASE_URL,
    ALLOW_INSECURE_BASE_URL,
    API_KEYS,
    HTTP_REFERER,
    X_TITLE,
    FREE_MODEL_SUFFIX,
    AUTO_UPDATE,
    MODEL_CACHE_TIMEOUT,
    CONNECT_TIMEOUT,
    FIRST_BYTE_TIMEOUT,
    IDLE_TIMEOUT,
    KEY_CHECK_INTERVAL,
    REQUEST_TIMEOUT,
    STREAM_TIMEOUT,
];

/// The upstream, its keys, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct OpenRouter {
    /// Where its API is.
    pub base_url: BaseUrl,
    /// Keys to be in the pool from the start; each once, in the order given.
    pub api_keys: Vec<Secret>,
    /// `HTTP-Referer` for requests whose client sent none.
    pub http_referer: Option<String>,
    /// `X-Title` for requests whose client sent none.
    pub x_title: Option<String>,
    /// How the ids of free models end; never empty.
    pub free_model_suffix: String,
    /// Whether the list of models is fetched at start.
    pub auto_update_models_on_startup: bool,
    /// How old the list of models may grow.
    pub model_cache_timeout: Duration,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the head of a streamed answer.
    pub first_byte_timeout: Duration,
    /// Longest silence between two pieces of a stream.
    pub idle_timeout: Duration,
    /// How often each key is looked up with `GET /key`; zero: never.
    pub key_check_interval: Duration,
    /// Longest wait for the first content of a stream or the whole of a plain answer.
    pub request_timeout: Duration,
    /// Longest duration of a whole stream.
    pub stream_timeout: Duration,
}

impl OpenRouter {
    pub(super) fn read(reader: &mut Reader<'_>) -> OpenRouter {
        let base_url: BaseUrl = reader.get(&BASE_URL);
        let allow_insecure: bool = reader.get(&ALLOW_INSECURE_BASE_URL);
        match (base_url.is_https() || base_url.is_loopback(), allow_insecure) {
            (true, _) => {}
            (false, true) => {
                reader.warn("API keys go to OpenRouter over plain http://: the network can read them")
            }
            (false, false) => reader.fault(
                &BASE_URL,
                "plain http:// would show the API keys to the network; use https://, \
                 or set openrouter.allow_insecure_base_url",
            ),
        }
        OpenRouter {
            base_url,
            api_keys: reader.get(&API_KEYS),
            http_referer: reader.optional(&HTTP_REFERER),
            x_title: reader.optional(&X_TITLE),
            free_model_suffix: reader.get(&FREE_MODEL_SUFFIX),
            auto_update_models_on_startup: reader.get(&AUTO_UPDATE),
            model_cache_timeout: reader.get(&MODEL_CACHE_TIMEOUT),
            connect_timeout: reader.get(&CONNECT_TIMEOUT),
            first_byte_timeout: reader.get(&FIRST_BYTE_TIMEOUT),
            idle_timeout: reader.get(&IDLE_TIMEOUT),
            key_check_interval: reader.get(&KEY_CHECK_INTERVAL),
            request_timeout: reader.get(&REQUEST_TIMEOUT),
            stream_timeout: reader.get(&STREAM_TIMEOUT),
        }
    }
}
