DROP TABLE client_token_days;
DROP TABLE client_tokens;
