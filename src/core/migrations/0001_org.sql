-- Organisations, people, machine identities, projects, sealed keys, audit.
-- ID: 16-byte UUID. BYTES: opaque bytes. Times: Unix milliseconds. Booleans: 0 or 1.
CREATE TABLE instance (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    instance_id ID NOT NULL,
    is_initialized BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE TABLE scope_keys (
    scope_id ID PRIMARY KEY,
    wrapped BYTES NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE TABLE users (
    id ID PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    password_hash TEXT,
    is_super_admin BIGINT NOT NULL,
    is_email_verified BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
-- Failed password logins by keyed hash of the address typed: unknown people lock like known ones.
CREATE TABLE login_failures (
    email_mac BYTES PRIMARY KEY,
    failures BIGINT NOT NULL,
    locked_until_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE TABLE login_sessions (
    id ID PRIMARY KEY,
    user_id ID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    ip TEXT,
    user_agent TEXT,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    is_revoked BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX login_sessions_user ON login_sessions (user_id);
CREATE TABLE orgs (
    id ID PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE TABLE org_members (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    user_id ID REFERENCES users (id) ON DELETE CASCADE,
    invite_email TEXT,
    invite_hash BYTES,
    invite_expires_ms BIGINT,
    role TEXT NOT NULL,
    status TEXT NOT NULL,
    is_active BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (org_id, user_id)
);
CREATE INDEX org_members_user ON org_members (user_id);
CREATE TABLE identities (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    is_instance_admin BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX identities_org ON identities (org_id);
CREATE TABLE identity_tokens (
    id ID PRIMARY KEY,
    identity_id ID NOT NULL REFERENCES identities (id) ON DELETE CASCADE,
    name TEXT,
    auth_method TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    is_revoked BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX identity_tokens_identity ON identity_tokens (identity_id);
CREATE TABLE projects (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    slug TEXT NOT NULL,
    type TEXT NOT NULL,
    has_delete_protection BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (org_id, slug)
);
CREATE TABLE environments (
    id ID PRIMARY KEY,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    position BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (project_id, slug)
);
-- One row per member and role; exactly one of user_id and identity_id is set.
CREATE TABLE project_members (
    id ID PRIMARY KEY,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    user_id ID REFERENCES users (id) ON DELETE CASCADE,
    identity_id ID REFERENCES identities (id) ON DELETE CASCADE,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (project_id, user_id),
    UNIQUE (project_id, identity_id)
);
CREATE INDEX project_members_user ON project_members (user_id);
CREATE INDEX project_members_identity ON project_members (identity_id);
CREATE TABLE project_member_roles (
    id ID PRIMARY KEY,
    member_id ID NOT NULL REFERENCES project_members (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    is_temporary BIGINT NOT NULL DEFAULT 0,
    temporary_range TEXT,
    starts_ms BIGINT,
    ends_ms BIGINT
);
CREATE INDEX project_member_roles_member ON project_member_roles (member_id);
CREATE TABLE audit_log (
    id ID PRIMARY KEY,
    node TEXT NOT NULL,
    sequence BIGINT,
    previous_hash BYTES,
    hash BYTES,
    org_id ID,
    project_id ID,
    event_type TEXT NOT NULL,
    metadata TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_id ID,
    actor_name TEXT,
    ip TEXT,
    user_agent TEXT,
    request_id TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX audit_log_org ON audit_log (org_id, created_ms);
CREATE INDEX audit_log_unsealed ON audit_log (node, sequence);
