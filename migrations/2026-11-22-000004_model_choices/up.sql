-- What the operator chose about models; one that has no row is enabled. Outlives every listing.
CREATE TABLE model_choices (
    model TEXT NOT NULL PRIMARY KEY,
    enabled BOOLEAN NOT NULL,
    changed_at BIGINT NOT NULL
);
