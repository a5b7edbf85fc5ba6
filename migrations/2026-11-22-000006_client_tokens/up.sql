-- Client tokens: what we issue to clients. Of the token itself only the SHA-256 (hex) and its last
-- characters are kept. A revoked token keeps its row: ids are never reused. allowed_models is a JSON
-- list of ids and patterns, NULL for all.
CREATE TABLE client_tokens (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    allowed_models TEXT,
    requests_per_day BIGINT,
    requests_per_minute BIGINT,
    used_total BIGINT NOT NULL,
    last_used BIGINT
);

-- Requests per token and UTC day.
CREATE TABLE client_token_days (
    token_id BIGINT NOT NULL REFERENCES client_tokens (id),
    day INTEGER NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (token_id, day)
);
