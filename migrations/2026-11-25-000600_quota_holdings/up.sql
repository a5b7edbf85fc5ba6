-- How much of what was handed out of each limit (quota_leases) is whose: one that was killed and is started
-- anew with its notebook learns here what it holds, whatever became of its last question.
CREATE TABLE quota_holdings (
    kind TEXT NOT NULL,
    subject BIGINT NOT NULL,
    period BIGINT NOT NULL,
    holder TEXT NOT NULL,
    held BIGINT NOT NULL,
    PRIMARY KEY (kind, subject, period, holder)
);
