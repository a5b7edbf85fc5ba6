ALTER TABLE usage DROP COLUMN attempt_log;
