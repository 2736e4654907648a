-- What a session did, and when it has been quiet for too long.
ALTER TABLE pam_accounts ADD COLUMN idle_timeout_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pam_sessions ADD COLUMN requests BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pam_sessions ADD COLUMN request_bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pam_sessions ADD COLUMN response_bytes BIGINT NOT NULL DEFAULT 0;
