-- The processes that share this database. beat_at is the time of the last heartbeat, by the clock of
-- the database's server where it has one.
CREATE TABLE instances (
    id TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    data_address TEXT NOT NULL,
    admin_address TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    beat_at BIGINT NOT NULL,
    draining BOOLEAN NOT NULL
);

-- Who is signed in to the dashboard: SHA-256 of the cookie, and a mark of the admin password that the
-- session began with, so that another password ends it.
CREATE TABLE admin_sessions (
    cookie TEXT NOT NULL PRIMARY KEY,
    password TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL
);
