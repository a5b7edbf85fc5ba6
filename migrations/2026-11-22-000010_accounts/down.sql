DROP TABLE cooldowns;
DROP TABLE account_days;
DROP TABLE account_users;
ALTER TABLE accounts DROP COLUMN minute_limit;
ALTER TABLE accounts DROP COLUMN daily_limit;
ALTER TABLE accounts DROP COLUMN learned_daily_limit;
ALTER TABLE accounts DROP COLUMN free_tier;
