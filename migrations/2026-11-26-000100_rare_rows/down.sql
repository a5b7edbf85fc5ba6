DROP INDEX usage_by_token;
CREATE INDEX usage_by_token ON usage (token_id, time, request_id);
DROP INDEX usage_by_status;
CREATE INDEX usage_by_status ON usage (status, time, request_id);
DROP INDEX usage_by_outcome;
CREATE INDEX usage_by_outcome ON usage (outcome, time, request_id);
