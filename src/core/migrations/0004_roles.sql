-- Custom roles of organisations and projects. scope_id is the project's id, or the organisation's.
-- rules: JSON as the client sent it, to show it; packed: the same, to be asked (core/org/rules_pack.c).
CREATE TABLE roles (
    id ID PRIMARY KEY,
    scope_id ID NOT NULL,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    project_id ID REFERENCES projects (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    rules TEXT NOT NULL,
    packed BYTES NOT NULL,
    version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (scope_id, slug)
);
CREATE INDEX roles_org ON roles (org_id);
CREATE INDEX roles_project ON roles (project_id);
-- The order in which a member's roles were given: of their rules, the last that speaks decides.
ALTER TABLE project_member_roles ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
