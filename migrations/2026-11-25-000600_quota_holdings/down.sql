DROP TABLE quota_holdings;
