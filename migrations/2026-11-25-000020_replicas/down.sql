DROP TABLE admin_sessions;
DROP TABLE instances;
