-- Whether names of secrets are written in capitals.
ALTER TABLE projects ADD COLUMN auto_capitalization BIGINT NOT NULL DEFAULT 0;
