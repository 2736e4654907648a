-- Folders of environments, tags and imports of secrets. Each environment has a root, whose parent is NULL and path "/".
-- `path` is the whole path, kept with the tree: one look-up finds a folder, one range all that is below it.
CREATE TABLE folders (
    id ID PRIMARY KEY,
    environment_id ID NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    parent_id ID REFERENCES folders (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    description TEXT,
    version BIGINT NOT NULL,
    secrets_changed_ms BIGINT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (environment_id, path)
);
CREATE INDEX folders_parent ON folders (parent_id);
INSERT INTO folders (id, environment_id, name, path, version, created_ms, updated_ms)
    SELECT id, id, 'root', '/', 1, created_ms, updated_ms FROM environments;
CREATE TABLE secret_tags (
    id ID PRIMARY KEY,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    color TEXT NOT NULL,
    created_by ID,
    created_by_type TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (project_id, slug)
);
