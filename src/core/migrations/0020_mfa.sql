-- The second factor of people. A secret is sealed under the instance's key; `last_step` is the time step of the
-- code used last, and no code of that step or an earlier one is taken again.
CREATE TABLE user_totps (
    user_id ID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    sealed_secret BYTES NOT NULL,
    is_verified BIGINT NOT NULL DEFAULT 0,
    last_step BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    locked_until_ms BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL
);
-- 40 random bits each: a keyed hash, so that the database alone does not give them.
CREATE TABLE user_recovery_codes (
    user_id ID NOT NULL REFERENCES user_totps (user_id) ON DELETE CASCADE,
    mac BYTES NOT NULL,
    PRIMARY KEY (user_id, mac)
);
ALTER TABLE users ADD COLUMN is_mfa_enabled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE login_sessions ADD COLUMN is_mfa_verified BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orgs ADD COLUMN enforce_mfa BIGINT NOT NULL DEFAULT 0;
