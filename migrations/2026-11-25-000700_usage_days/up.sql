-- Daily sums beside the hourly ones, so that an overview of a month reads thirty lines where it read
-- seven hundred. day counts UTC days since 1970-01-01; the rest is as in usage_hours and usage_times.
CREATE TABLE usage_days (
    part TEXT NOT NULL,
    day BIGINT NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    requests BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cost DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (part, day, name, outcome)
);

CREATE TABLE usage_day_times (
    day BIGINT NOT NULL,
    figure TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (day, figure, bucket)
);

-- The hours that are there already. Not the rows: of old ones only the hours are left.
INSERT INTO usage_days (part, day, name, outcome, requests, prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cost)
SELECT part, hour / 24, name, outcome, SUM(requests), SUM(prompt_tokens), SUM(completion_tokens),
    SUM(total_tokens), SUM(reasoning_tokens), SUM(cached_tokens), SUM(cost)
FROM usage_hours GROUP BY part, hour / 24, name, outcome;

INSERT INTO usage_day_times (day, figure, bucket, requests)
SELECT hour / 24, figure, bucket, SUM(requests) FROM usage_times GROUP BY hour / 24, figure, bucket;
