-- How much of each limit has been handed out to processes. kind says whose limit it is (src/domain/quota.rs);
-- period is the UTC day or the UTC minute since 1970-01-01.
CREATE TABLE quota_leases (
    kind TEXT NOT NULL,
    subject BIGINT NOT NULL,
    period BIGINT NOT NULL,
    leased BIGINT NOT NULL,
    PRIMARY KEY (kind, subject, period)
);
