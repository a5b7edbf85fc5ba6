DROP TABLE usage;
DROP TABLE listings;
DROP TABLE key_days;
DROP TABLE keys;
DROP TABLE accounts;
DROP TABLE settings;
