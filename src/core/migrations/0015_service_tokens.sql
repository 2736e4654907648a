-- Service tokens (platform.md §5.5): bearers of a project, with rules of their own instead of a role. Uses are apart, so that
-- noting one makes nobody's remembered bearer look up again.
CREATE TABLE service_tokens (
    id ID PRIMARY KEY,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    created_by ID REFERENCES users (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    hash BYTES NOT NULL,
    scopes TEXT NOT NULL,
    permissions TEXT NOT NULL,
    rules TEXT NOT NULL,
    packed BYTES NOT NULL,
    expires_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX service_tokens_project ON service_tokens (project_id, created_ms);
CREATE INDEX service_tokens_due ON service_tokens (expires_ms);
CREATE INDEX service_tokens_creator ON service_tokens (created_by) WHERE created_by IS NOT NULL;
CREATE TABLE service_token_uses (
    token_id ID PRIMARY KEY REFERENCES service_tokens (id) ON DELETE CASCADE,
    last_used_ms BIGINT NOT NULL
);
