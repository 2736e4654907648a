-- Written with every version of inputs, and read by nobody: where a job goes is with the job.
ALTER TABLE lease_configs DROP COLUMN place;
