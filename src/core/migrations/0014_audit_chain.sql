-- Each audit row costs its indexes: the chain is the key, and nobody asks for a row by its id.
CREATE TABLE audit_rows (
    node TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    id ID NOT NULL,
    previous_hash BYTES,
    hash BYTES NOT NULL,
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
    created_ms BIGINT NOT NULL,
    pruned_by ID,
    PRIMARY KEY (node, sequence)
);
INSERT INTO audit_rows (node, sequence, id, previous_hash, hash, org_id, project_id, event_type, metadata, actor_type, actor_id, actor_name,
    ip, user_agent, request_id, created_ms, pruned_by)
    SELECT node, sequence, id, previous_hash, hash, org_id, project_id, event_type, metadata, actor_type, actor_id, actor_name,
    ip, user_agent, request_id, created_ms, pruned_by FROM audit_log ORDER BY sequence;
DROP TABLE audit_log;
ALTER TABLE audit_rows RENAME TO audit_log;
CREATE INDEX audit_log_org ON audit_log (org_id, created_ms);
CREATE INDEX audit_log_project ON audit_log (project_id, created_ms);
CREATE INDEX audit_log_pruned ON audit_log (pruned_by) WHERE pruned_by IS NOT NULL;
