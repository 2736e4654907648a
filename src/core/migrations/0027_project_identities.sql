-- Machine identities that belong to a project, and end with it: its people administer them, the organisation's do not.
ALTER TABLE identities ADD COLUMN project_id ID REFERENCES projects (id) ON DELETE CASCADE;
CREATE INDEX identities_project ON identities (project_id);
