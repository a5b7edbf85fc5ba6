-- The first schema. Runs unchanged on SQLite and on Postgres, so it keeps to BIGINT, INTEGER, TEXT,
-- BOOLEAN and DOUBLE PRECISION, and ids are given by the program. Times are milliseconds since
-- 1970-01-01 UTC, days are UTC days since then.

-- Single values by name: the admin password's hash, the wrapped data key.
CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- OpenRouter accounts: what quotas belong to. upstream_user is what GET /key calls creator_user_id.
CREATE TABLE accounts (
    id BIGINT NOT NULL PRIMARY KEY,
    upstream_user TEXT UNIQUE,
    created_at BIGINT NOT NULL
);

-- Upstream keys. Removing one wipes sealed and fingerprint and keeps the row: ids are never reused,
-- and usage rows keep the key they name.
CREATE TABLE keys (
    id BIGINT NOT NULL PRIMARY KEY,
    label TEXT NOT NULL,
    hint TEXT NOT NULL,
    sealed TEXT,
    fingerprint TEXT UNIQUE,
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    enabled BOOLEAN NOT NULL,
    daily_limit BIGINT,
    used_total BIGINT NOT NULL,
    last_used BIGINT,
    fault TEXT,
    created_at BIGINT NOT NULL,
    removed_at BIGINT
);

-- Attempts per key and day.
CREATE TABLE key_days (
    key_id BIGINT NOT NULL REFERENCES keys (id),
    day INTEGER NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (key_id, day)
);

-- The upstream's lists as last fetched, byte for byte.
CREATE TABLE listings (
    name TEXT NOT NULL PRIMARY KEY,
    fetched_at BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- One row per request. No foreign keys: a row outlives what it names.
CREATE TABLE usage (
    request_id TEXT NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    model_served TEXT,
    key_id BIGINT,
    key_label TEXT,
    account_id BIGINT,
    token_id BIGINT,
    client_kind TEXT NOT NULL,
    client_hint TEXT,
    stream BOOLEAN NOT NULL,
    status INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    error_kind TEXT,
    prompt_tokens BIGINT,
    completion_tokens BIGINT,
    total_tokens BIGINT,
    reasoning_tokens BIGINT,
    cached_tokens BIGINT,
    cost DOUBLE PRECISION,
    attempts INTEGER NOT NULL,
    first_content_ms BIGINT,
    duration_ms BIGINT NOT NULL,
    provider TEXT,
    generation_id TEXT
);

CREATE INDEX usage_by_time ON usage (time, request_id);
