-- Hourly sums beside the usage rows, kept in the transaction that inserts the rows, so that the
-- overview costs the same with ten thousand rows and with ten million, and outlives the rows.
-- hour counts UTC hours since 1970-01-01.

-- Each request counts once in part 'all' (name ''), once in 'model' (name: the model asked for; ''
-- when no key of ours and no answer vouches for that name), and once in 'key' and 'token' (name: the
-- id) where it has one.
CREATE TABLE usage_hours (
    part TEXT NOT NULL,
    hour BIGINT NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    requests BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cost DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (part, hour, name, outcome)
);

-- How many requests took how long: figure 'first_content' or 'duration', bucket as
-- src/domain/buckets.rs numbers them.
CREATE TABLE usage_times (
    hour BIGINT NOT NULL,
    figure TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (hour, figure, bucket)
);

-- A page of rows newest first, by one filter, is read from one of these without a sort.
CREATE INDEX usage_by_key ON usage (key_id, time, request_id);
CREATE INDEX usage_by_model ON usage (model, time, request_id);
CREATE INDEX usage_by_token ON usage (token_id, time, request_id);
CREATE INDEX usage_by_status ON usage (status, time, request_id);
CREATE INDEX usage_by_outcome ON usage (outcome, time, request_id);

-- The rows that are there already.
INSERT INTO usage_hours (part, hour, name, outcome, requests, prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cost)
SELECT 'all', time / 3600000, '', outcome, COUNT(*),
    COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0), COALESCE(SUM(total_tokens), 0),
    COALESCE(SUM(reasoning_tokens), 0), COALESCE(SUM(cached_tokens), 0), COALESCE(SUM(cost), 0)
FROM usage GROUP BY 2, 3, 4;

INSERT INTO usage_hours (part, hour, name, outcome, requests, prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cost)
SELECT 'model', time / 3600000, CASE WHEN key_id IS NOT NULL OR outcome = 'completed' THEN model ELSE '' END, outcome, COUNT(*),
    COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0), COALESCE(SUM(total_tokens), 0),
    COALESCE(SUM(reasoning_tokens), 0), COALESCE(SUM(cached_tokens), 0), COALESCE(SUM(cost), 0)
FROM usage GROUP BY 2, 3, 4;

INSERT INTO usage_hours (part, hour, name, outcome, requests, prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cost)
SELECT 'key', time / 3600000, CAST(key_id AS TEXT), outcome, COUNT(*),
    COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0), COALESCE(SUM(total_tokens), 0),
    COALESCE(SUM(reasoning_tokens), 0), COALESCE(SUM(cached_tokens), 0), COALESCE(SUM(cost), 0)
FROM usage WHERE key_id IS NOT NULL GROUP BY 2, 3, 4;

INSERT INTO usage_hours (part, hour, name, outcome, requests, prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cost)
SELECT 'token', time / 3600000, CAST(token_id AS TEXT), outcome, COUNT(*),
    COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(completion_tokens), 0), COALESCE(SUM(total_tokens), 0),
    COALESCE(SUM(reasoning_tokens), 0), COALESCE(SUM(cached_tokens), 0), COALESCE(SUM(cost), 0)
FROM usage WHERE token_id IS NOT NULL GROUP BY 2, 3, 4;

INSERT INTO usage_times (hour, figure, bucket, requests)
SELECT hour, figure,
    CASE WHEN ms < 0 THEN 0 WHEN ms < 16 THEN ms
        WHEN ms < 32 THEN 8 + ms / 2
        WHEN ms < 64 THEN 16 + ms / 4
        WHEN ms < 128 THEN 24 + ms / 8
        WHEN ms < 256 THEN 32 + ms / 16
        WHEN ms < 512 THEN 40 + ms / 32
        WHEN ms < 1024 THEN 48 + ms / 64
        WHEN ms < 2048 THEN 56 + ms / 128
        WHEN ms < 4096 THEN 64 + ms / 256
        WHEN ms < 8192 THEN 72 + ms / 512
        WHEN ms < 16384 THEN 80 + ms / 1024
        WHEN ms < 32768 THEN 88 + ms / 2048
        WHEN ms < 65536 THEN 96 + ms / 4096
        WHEN ms < 131072 THEN 104 + ms / 8192
        WHEN ms < 262144 THEN 112 + ms / 16384
        WHEN ms < 524288 THEN 120 + ms / 32768
        WHEN ms < 1048576 THEN 128 + ms / 65536
        WHEN ms < 2097152 THEN 136 + ms / 131072
        WHEN ms < 4194304 THEN 144 + ms / 262144
        WHEN ms < 8388608 THEN 152 + ms / 524288
        WHEN ms < 16777216 THEN 160 + ms / 1048576
        WHEN ms < 33554432 THEN 168 + ms / 2097152
        WHEN ms < 67108864 THEN 176 + ms / 4194304
        WHEN ms < 134217728 THEN 184 + ms / 8388608
        ELSE 200 END,
    COUNT(*)
FROM (
    SELECT time / 3600000 AS hour, 'first_content' AS figure, first_content_ms AS ms
    FROM usage WHERE first_content_ms IS NOT NULL
    UNION ALL
    SELECT time / 3600000, 'duration', duration_ms FROM usage
) AS taken
GROUP BY 1, 2, 3;
