-- What is to happen at a time: one row each, claimed before it is run. `claim` rises with every claim, so that a run
-- that was overtaken is told from the one that holds it. `place`: what can be dead ("" is this server itself).
CREATE TABLE jobs (
    kind TEXT NOT NULL,
    id ID NOT NULL,
    place TEXT NOT NULL,
    due_ms BIGINT NOT NULL,
    claim BIGINT NOT NULL,
    claimed_until_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    failing_since_ms BIGINT,
    last_error TEXT,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX jobs_due ON jobs (place, due_ms);
CREATE INDEX jobs_failing ON jobs (failing_since_ms);

-- Where the clock of leases had come: it goes on from there, whatever was done to the wall clock meanwhile.
CREATE TABLE lease_clock (
    id BIGINT PRIMARY KEY,
    latest_ms BIGINT NOT NULL
);

CREATE TABLE dynamic_secrets (
    id ID PRIMARY KEY,
    folder_id ID NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    config_id ID NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    default_ttl TEXT NOT NULL,
    max_ttl TEXT,
    username_template TEXT,
    metadata TEXT NOT NULL,
    status TEXT,
    status_details TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (folder_id, name)
);

-- Versions of inputs, never changed. They and leases name no folder and no project: they outlive both, until the
-- cluster is clean, and are sealed under the organisation's key.
CREATE TABLE lease_configs (
    id ID PRIMARY KEY,
    dynamic_secret_id ID NOT NULL,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    place TEXT NOT NULL,
    gateway_id ID,
    pool_id ID,
    inputs TEXT NOT NULL,
    sealed_token BYTES,
    created_ms BIGINT NOT NULL
);
CREATE INDEX lease_configs_dynamic_secret ON lease_configs (dynamic_secret_id, created_ms);

CREATE TABLE leases (
    id ID PRIMARY KEY,
    dynamic_secret_id ID NOT NULL,
    config_id ID NOT NULL REFERENCES lease_configs (id),
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    project_id ID NOT NULL,
    environment TEXT NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    external_entity_id TEXT NOT NULL,
    config TEXT,
    plan TEXT NOT NULL,
    jti TEXT,
    token_end_ms BIGINT NOT NULL,
    expire_ms BIGINT NOT NULL,
    status_details TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX leases_dynamic_secret ON leases (dynamic_secret_id, created_ms);
CREATE INDEX leases_config ON leases (config_id);
