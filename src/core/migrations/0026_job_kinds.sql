-- Live sessions have a row each, as leases have; what recurs has one of the server's own (core/job), where it had one while it failed.
DELETE FROM jobs WHERE org_id IS NULL;
INSERT INTO jobs (kind, id, org_id, place, due_ms, claim, claimed_until_ms, attempts, created_ms)
    SELECT 'pam-session', id, org_id, '', expires_ms, 0, 0, 0, created_ms FROM pam_sessions WHERE status IN ('starting', 'active');
-- Which kind is looked at too: what only a newer program knows is passed by.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (due_ms, claimed_until_ms, org_id, place, kind);
