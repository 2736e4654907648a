-- What subscriptions read on from: changes of a project's secrets in their order, without the reads between them (core/event/change.c).
CREATE INDEX audit_log_changes ON audit_log (project_id, sequence) WHERE event_type IN ('create-secret', 'create-secrets', 'update-secret',
    'update-secrets', 'delete-secret', 'delete-secrets', 'move-secrets', 'create-secret-import', 'update-secret-import', 'delete-secret-import');
