-- Most rows have no client token, status 200 and the outcome 'completed': they stand in none of these
-- indexes any more. Whoever looks for them finds them by their time. src/store/usage/pages.rs asks in
-- the same words.
DROP INDEX usage_by_token;
CREATE INDEX usage_by_token ON usage (token_id, time, request_id) WHERE token_id IS NOT NULL;
DROP INDEX usage_by_status;
CREATE INDEX usage_by_status ON usage (status, time, request_id) WHERE status <> 200;
DROP INDEX usage_by_outcome;
CREATE INDEX usage_by_outcome ON usage (outcome, time, request_id) WHERE outcome <> 'completed';
