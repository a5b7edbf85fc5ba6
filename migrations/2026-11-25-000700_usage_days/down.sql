DROP TABLE usage_day_times;
DROP TABLE usage_days;
