-- Most audit rows are never pruned: an index of those that are costs the others nothing.
DROP INDEX audit_log_pruned;
CREATE INDEX audit_log_pruned ON audit_log (pruned_by) WHERE pruned_by IS NOT NULL;
