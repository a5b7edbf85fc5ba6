//! The names of all faults, each with what it does and what its amount means.
//!
//! Only names: what a fault does stands in the tables, and a test holds the two together.

macro_rules! faults {
    ($($(#[doc = $about:literal])+ $variant:ident = $name:literal,)+) => {
        /// A way to misbehave. Its name is what stands in a simulated key, in a message's
        /// directive and in the control API; a number after the name is its amount.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[doc = $about])+ $variant,)+
        }

        impl Fault {
            /// Every fault, in the order of the tables.
            pub const ALL: &[Fault] = &[$(Fault::$variant,)+];

            /// Its name: lower-case letters only.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name,)+ }
            }

            /// What it does, in one line.
            pub fn about(self) -> &'static str {
                match self { $(Fault::$variant => concat!($($about,)+),)+ }
            }
        }
    };
}

faults! {
    /// 401 `User not found.`: a revoked, deleted or mistyped key.
    Revoked = "revoked",
    /// 401 `No auth credentials found`.
    Unauthorized = "unauthorized",
    /// 401 `Missing Authentication header`.
    NoHeader = "noheader",
    /// 403 `Key limit exceeded (total limit)`.
    KeyLimit = "keylimit",
    /// 403 `Key limit exceeded (daily limit)`.
    KeyLimitDaily = "keylimitdaily",
    /// 403 `Key limit exceeded (weekly limit)`.
    KeyLimitWeekly = "keylimitweekly",
    /// 403 `Key limit exceeded (monthly limit)`.
    KeyLimitMonthly = "keylimitmonthly",
    /// 402 with `openrouter_key_limit`.
    KeyBudget = "keybudget",
    /// 402 with `openrouter_in_flight_budget` and Retry-After; amount: seconds.
    InFlight = "inflight",
    /// 402 with reason `weight_exceeds_budget`.
    Weight = "weight",
    /// 402 `This account never purchased credits`.
    Broke = "broke",
    /// 402 `can only afford K`; amount: K, in tokens.
    Afford = "afford",
    /// 403 `Workspace monthly budget of $500.00 exceeded`.
    Workspace = "workspace",
    /// 403 flagged by moderation.
    Moderation = "moderation",
    /// 403 content_policy_violation.
    Policy = "policy",
    /// 403 blocked by a guardrail's patterns.
    Guardrail = "guardrail",
    /// 403 only available on agentic harnesses.
    Harness = "harness",
    /// 403 attestation missing.
    Attestation = "attestation",
    /// 403 not available in your region.
    Region = "region",
    /// 403 only management keys can do this.
    Management = "management",
    /// 404 data policy (Free model publication).
    Privacy = "privacy",
    /// 404 guardrail restrictions and data policy, with `ineligibility_reasons`.
    DataGuard = "dataguard",
    /// 404 `No endpoints found for X.`
    Gone = "gone",
    /// 400 `X is not a valid model ID`.
    InvalidModel = "invalidmodel",
    /// 404 no endpoints that support tool use.
    NoTools = "notools",
    /// 404 no endpoints within the max price.
    MaxPrice = "maxprice",
    /// 404 no allowed providers.
    OnlyFilter = "onlyfilter",
    /// 400 `Invalid request parameters`.
    BadRequest = "badrequest",
    /// 400 maximum context length; amount: the tokens requested.
    Context = "context",
    /// 400 `Provider returned error` of one provider.
    ProviderRefused = "providerrefused",
    /// 413.
    TooLarge = "toolarge",
    /// 422.
    Unprocessable = "unprocessable",
    /// 408 `Operation timed out`.
    Timeout = "timeout",
    /// 500 `Internal Server Error`.
    Internal = "internal",
    /// 502 `Provider returned error`, `raw` a string.
    ProviderDown = "providerdown",
    /// 502 with `raw` an object.
    ProviderRaw = "providerraw",
    /// 503 `No instances available`.
    NoInstances = "noinstances",
    /// 503 with Retry-After; amount: seconds.
    NoWorkers = "noworkers",
    /// 504, typed `timeout`.
    GatewayTimeout = "gatewaytimeout",
    /// 524.
    EdgeTimeout = "edgetimeout",
    /// 529.
    Overloaded = "overloaded",
    /// 429 free-models-per-day.
    Daily = "daily",
    /// 429 free-models-per-day-high-balance.
    DailyHigh = "dailyhigh",
    /// 429 free-models-per-day as in 2025: no `limit_source`, no X-RateLimit headers.
    DailyOld = "dailyold",
    /// 429 free-models-per-min.
    Minute = "minute",
    /// 429 of a provider's shared pool.
    Pool = "pool",
    /// 429 of a provider as in 2025.
    PoolOld = "poolold",
    /// 429 of a provider with Retry-After; amount: seconds.
    PoolAfter = "poolafter",
    /// 429 `Rate limit exceeded` with X-RateLimit headers.
    Limited = "limited",
    /// 429 without any marker.
    Bare = "bare",
    /// 429 `capacity_exhausted` without `error.code`; amount: seconds.
    Capacity = "capacity",
    /// An error in the words of the request, in its message, code and metadata; amount: the status.
    Says = "says",
    /// Content, then an error in the words of the request, then `[DONE]`; amount: chunks before it.
    SaysMid = "saysmid",
    /// 502 as an HTML page of the edge.
    Html = "html",
    /// 429 as an HTML page with code 1015; amount: seconds.
    Cloudflare = "cloudflare",
    /// 307 to another host.
    Redirect = "redirect",
    /// A 200 with an error alone: the JSON body, or the first and only event.
    ErrorFirst = "errorfirst",
    /// Comments, then an error as the first event; amount: how many comments.
    ErrorLate = "errorlate",
    /// A bare error object without choices, then `[DONE]`.
    ErrorBare = "errorbare",
    /// Content, then an error, no `[DONE]`; amount: chunks before it.
    ErrorMid = "errormid",
    /// Content, then an error, then `[DONE]`; amount: chunks before it.
    ErrorMidDone = "errormiddone",
    /// Content, then an error whose code is a string; amount: chunks before it.
    ErrorCode = "errorcode",
    /// Content, then an error with usage and a null finish reason, then `[DONE]`.
    ErrorUsage = "errorusage",
    /// Finish reason `error` without an error object.
    ErrorFinish = "errorfinish",
    /// Partial content with an error in its choice.
    ErrorChoice = "errorchoice",
    /// A 200 whose body is empty.
    Empty = "empty",
    /// A 200 whose body is only whitespace, or only comments when streamed.
    Blank = "blank",
    /// A 200 that finishes without any content.
    NoContent = "nocontent",
    /// A 200 that is a web page, as of a captive portal.
    Page = "page",
    /// A 204.
    NoBody = "nobody",
    /// A 200 whose JSON is no answer of a model.
    OtherJson = "otherjson",
    /// No head, ever.
    Hang = "hang",
    /// The head late; amount: milliseconds.
    Late = "late",
    /// The head and then nothing, ever.
    HeadOnly = "headonly",
    /// Reset before the head.
    Reset = "reset",
    /// Closed before the head.
    Close = "close",
    /// Closed inside the head; amount: bytes of it.
    HalfHead = "halfhead",
    /// Reset inside the body; amount: bytes of it.
    ResetMid = "resetmid",
    /// Closed inside a chunk of the body; amount: bytes of it.
    Cut = "cut",
    /// Closed between two chunks, no terminator; amount: bytes of the body.
    CutClean = "cutclean",
    /// No `[DONE]`, the body else whole.
    NoDone = "nodone",
    /// A Content-Length longer than the body; amount: by how many bytes.
    Short = "short",
    /// Neither Content-Length nor Transfer-Encoding.
    Unframed = "unframed",
    /// A pause before every event; amount: milliseconds.
    Slow = "slow",
    /// Silence for ever inside the body; amount: bytes before it.
    Idle = "idle",
    /// Comments for ever inside the body; amount: bytes before them.
    IdleComments = "idlecomments",
    /// Content for ever behind the good content, in steps of 20 ms; amount: kilobytes a second.
    Flood = "flood",
    /// A body too big to keep; amount: MiB.
    Huge = "huge",
    /// Bytes that are not HTTP.
    Garbage = "garbage",
    /// A refusal that repeats the key in its text and a header; amount: its status.
    Echo = "echo",
    /// 401 that repeats the key, on every endpoint.
    EchoAuth = "echoauth",
    /// 502 as a page that repeats the key.
    EchoPage = "echopage",
    /// A 200 with an error alone that repeats the key.
    EchoFirst = "echofirst",
    /// Content, then an error that repeats the key; amount: chunks before it.
    EchoMid = "echomid",
}
