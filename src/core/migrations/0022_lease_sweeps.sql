-- The last sweep of a dynamic secret: how far it has come, so that it goes on after a restart, and what came of it.
CREATE TABLE lease_sweeps (
    dynamic_secret_id ID PRIMARY KEY REFERENCES dynamic_secrets (id) ON DELETE CASCADE,
    config_id ID NOT NULL,
    org_id ID NOT NULL,
    project_id ID NOT NULL,
    environment TEXT NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    requester TEXT NOT NULL,
    state TEXT NOT NULL,
    step BIGINT NOT NULL,
    next TEXT,
    pages BIGINT NOT NULL,
    removed BIGINT NOT NULL,
    error TEXT,
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT
);
