-- What is swept is found by its end: counters that anybody's failed logins make are looked through every minute.
CREATE INDEX auth_lockouts_due ON auth_lockouts (expires_ms);
CREATE INDEX login_failures_due ON login_failures (expires_ms);
CREATE INDEX login_sessions_due ON login_sessions (expires_ms);
