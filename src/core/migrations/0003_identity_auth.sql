-- Auth methods of machine identities and the access tokens they issue.
-- What every method of an identity has alike: its terms. A token names the row it was issued under and lives
-- as long as that row, so detaching a method is one DELETE and no token survives it.
CREATE TABLE identity_auths (
    id ID PRIMARY KEY,
    identity_id ID NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    ttl_s BIGINT NOT NULL,
    max_ttl_s BIGINT NOT NULL,
    period_s BIGINT NOT NULL,
    uses_limit BIGINT NOT NULL,
    trusted_ips TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (identity_id, method)
);
-- auth_id and client_secret_id are no references: a token whose origin is gone is dead, not deleted.
ALTER TABLE identity_tokens ADD COLUMN auth_id ID;
ALTER TABLE identity_tokens ADD COLUMN client_secret_id ID;
ALTER TABLE identity_tokens ADD COLUMN ttl_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identity_tokens ADD COLUMN max_ttl_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identity_tokens ADD COLUMN period_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identity_tokens ADD COLUMN uses_limit BIGINT NOT NULL DEFAULT 0;
ALTER TABLE identity_tokens ADD COLUMN renewed_ms BIGINT;
-- Uses of tokens that are counted; apart, so that a use is no change of the token.
CREATE TABLE identity_token_uses (
    token_id ID PRIMARY KEY REFERENCES identity_tokens (id) ON DELETE CASCADE,
    uses BIGINT NOT NULL,
    last_used_ms BIGINT
);
DROP INDEX identity_tokens_identity;
CREATE INDEX identity_tokens_auth ON identity_tokens (identity_id, auth_id);
CREATE INDEX identity_tokens_due ON identity_tokens (expires_ms);
-- Tokens from before: each identity that has some gets Token Auth, under its own id.
INSERT INTO identity_auths (id, identity_id, method, ttl_s, max_ttl_s, period_s, uses_limit, trusted_ips, created_ms, updated_ms)
    SELECT i.id, i.id, 'token-auth', 0, 0, 0, 0,
        '[{"ipAddress":"0.0.0.0","type":"ipv4","prefix":0},{"ipAddress":"::","type":"ipv6","prefix":0}]',
        i.created_ms, i.created_ms
    FROM identities i WHERE EXISTS (SELECT 1 FROM identity_tokens t WHERE t.identity_id = i.id);
UPDATE identity_tokens SET auth_id = identity_id;
CREATE TABLE identity_logins (
    identity_id ID PRIMARY KEY REFERENCES identities (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    last_ms BIGINT NOT NULL
);
-- Universal Auth. A client secret is 256 random bits: its keyed hash needs no stretching.
CREATE TABLE universal_auths (
    auth_id ID PRIMARY KEY REFERENCES identity_auths (id) ON DELETE CASCADE,
    client_id ID NOT NULL UNIQUE,
    secret_trusted_ips TEXT NOT NULL,
    lockout_enabled BIGINT NOT NULL,
    lockout_threshold BIGINT NOT NULL,
    lockout_duration_s BIGINT NOT NULL,
    lockout_reset_s BIGINT NOT NULL
);
CREATE TABLE client_secrets (
    id ID PRIMARY KEY,
    auth_id ID NOT NULL REFERENCES identity_auths (id) ON DELETE CASCADE,
    description TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash BYTES NOT NULL,
    uses_limit BIGINT NOT NULL,
    ttl_s BIGINT NOT NULL,
    is_revoked BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (auth_id, hash)
);
CREATE TABLE client_secret_uses (
    secret_id ID PRIMARY KEY REFERENCES client_secrets (id) ON DELETE CASCADE,
    uses BIGINT NOT NULL,
    last_used_ms BIGINT
);
-- Failed logins per method and source address; the source '*' counts all of them.
CREATE TABLE auth_lockouts (
    auth_id ID NOT NULL REFERENCES identity_auths (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    failures BIGINT NOT NULL,
    locked_until_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    PRIMARY KEY (auth_id, source)
);
ALTER TABLE identities ADD COLUMN has_delete_protection BIGINT NOT NULL DEFAULT 0;
CREATE TABLE identity_metadata (
    id ID PRIMARY KEY,
    identity_id ID NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL
);
CREATE INDEX identity_metadata_identity ON identity_metadata (identity_id, position);
