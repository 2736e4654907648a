-- Whose a job is: an organisation's dead clusters hold up its own jobs, and nobody else's.
ALTER TABLE jobs ADD COLUMN org_id ID;
UPDATE jobs SET org_id = (SELECT l.org_id FROM leases l WHERE l.id = jobs.id) WHERE kind = 'lease';
UPDATE jobs SET org_id = (SELECT s.org_id FROM lease_sweeps s WHERE s.dynamic_secret_id = jobs.id)
    WHERE kind = 'lease-sweep';
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (due_ms, claimed_until_ms, org_id, place); -- what is due now, and nothing else is looked at
CREATE INDEX jobs_place ON jobs (org_id, place, due_ms);
