-- How long a project's audit rows are kept (NULL: for good), and which row says that others were emptied.
ALTER TABLE projects ADD COLUMN audit_retention_days BIGINT;
ALTER TABLE audit_log ADD COLUMN pruned_by ID;
CREATE INDEX audit_log_project ON audit_log (project_id, created_ms);
CREATE INDEX audit_log_pruned ON audit_log (pruned_by);
