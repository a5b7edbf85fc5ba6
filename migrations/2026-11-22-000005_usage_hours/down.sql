DROP INDEX usage_by_outcome;
DROP INDEX usage_by_status;
DROP INDEX usage_by_token;
DROP INDEX usage_by_model;
DROP INDEX usage_by_key;
DROP TABLE usage_times;
DROP TABLE usage_hours;
