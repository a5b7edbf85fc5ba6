-- What became of each attempt of a request, as a JSON list (src/store/usage/attempts.rs). Rows from
-- before have none.
ALTER TABLE usage ADD COLUMN attempt_log TEXT;
