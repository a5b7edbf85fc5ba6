-- What accounts are known by, may do and have done, and what rests. An account may go by several
-- upstream users (GET /key and error bodies name it), so they have a table of their own;
-- accounts.upstream_user of the first schema is not used.
ALTER TABLE accounts ADD COLUMN free_tier BOOLEAN;
-- Requests to free models a UTC day, as GET /key said.
ALTER TABLE accounts ADD COLUMN learned_daily_limit BIGINT;
-- The operator's own figures; -1: no limit.
ALTER TABLE accounts ADD COLUMN daily_limit BIGINT;
ALTER TABLE accounts ADD COLUMN minute_limit BIGINT;

CREATE TABLE account_users (
    upstream_user TEXT NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES accounts (id)
);

-- Attempts for free models per account and day.
CREATE TABLE account_days (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    day INTEGER NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (account_id, day)
);

-- What rests, why and until when; ends_at NULL: until the operator acts.
CREATE TABLE cooldowns (
    place TEXT NOT NULL PRIMARY KEY,
    cause TEXT NOT NULL,
    since BIGINT NOT NULL,
    ends_at BIGINT,
    strikes INTEGER NOT NULL,
    guessed BOOLEAN NOT NULL
);
