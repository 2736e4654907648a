-- Gateways, relays, their certificates, and Kubernetes access.
CREATE TABLE authorities (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    certificate TEXT NOT NULL,
    sealed_key BYTES NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    UNIQUE (org_id, kind)
);
CREATE TABLE gateways (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    token_version BIGINT NOT NULL,
    is_enrolled BIGINT NOT NULL DEFAULT 0,
    enroll_hash BYTES,
    enroll_expires_ms BIGINT,
    enroll_used_ms BIGINT,
    direct_address TEXT,
    direct_heartbeat_ms BIGINT,
    heartbeat_ms BIGINT,
    sealed_spool_key BYTES NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (org_id, name)
);
CREATE UNIQUE INDEX gateways_enroll ON gateways (enroll_hash);
CREATE TABLE relays (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    token_version BIGINT NOT NULL,
    is_enrolled BIGINT NOT NULL DEFAULT 0,
    enroll_hash BYTES,
    enroll_expires_ms BIGINT,
    enroll_used_ms BIGINT,
    heartbeat_ms BIGINT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (org_id, name)
);
CREATE UNIQUE INDEX relays_enroll ON relays (enroll_hash);
-- Which relay reports a live tunnel of which gateway: what "healthy" means.
CREATE TABLE tunnels (
    relay_id ID NOT NULL REFERENCES relays (id) ON DELETE CASCADE,
    gateway_id ID NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (relay_id, gateway_id)
);
CREATE INDEX tunnels_gateway ON tunnels (gateway_id);
CREATE TABLE pam_resources (
    id ID PRIMARY KEY,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    gateway_id ID REFERENCES gateways (id),
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    url TEXT NOT NULL,
    is_verified BIGINT NOT NULL,
    ca_certificate TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (project_id, name)
);
CREATE INDEX pam_resources_gateway ON pam_resources (gateway_id);
CREATE TABLE pam_accounts (
    id ID PRIMARY KEY,
    resource_id ID NOT NULL REFERENCES pam_resources (id) ON DELETE CASCADE,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    auth_method TEXT NOT NULL,
    sealed_token BYTES,
    namespace TEXT,
    service_account_name TEXT,
    max_duration_s BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (resource_id, name)
);
CREATE INDEX pam_accounts_project ON pam_accounts (project_id);
CREATE TABLE pam_sessions (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    account_id ID REFERENCES pam_accounts (id) ON DELETE SET NULL,
    gateway_id ID REFERENCES gateways (id) ON DELETE SET NULL,
    resource_name TEXT NOT NULL,
    account_name TEXT NOT NULL,
    gateway_name TEXT NOT NULL,
    user_id ID REFERENCES users (id) ON DELETE SET NULL,
    identity_id ID REFERENCES identities (id) ON DELETE SET NULL,
    actor_name TEXT NOT NULL,
    actor_ip TEXT,
    actor_user_agent TEXT,
    access_method TEXT NOT NULL,
    reason TEXT,
    status TEXT NOT NULL,
    end_reason TEXT,
    ended_by TEXT,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms BIGINT,
    expires_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX pam_sessions_project ON pam_sessions (project_id, created_ms);
CREATE INDEX pam_sessions_due ON pam_sessions (status, expires_ms);
CREATE INDEX pam_sessions_account ON pam_sessions (account_id);
CREATE INDEX pam_sessions_gateway ON pam_sessions (gateway_id);
CREATE TABLE pam_session_batches (
    session_id ID NOT NULL REFERENCES pam_sessions (id) ON DELETE CASCADE,
    start_offset BIGINT NOT NULL,
    end_offset BIGINT NOT NULL,
    events BIGINT NOT NULL,
    sha256 BYTES NOT NULL,
    sealed BYTES NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (session_id, start_offset)
);
