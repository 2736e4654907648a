-- What a folder imports from others of its project. The source is a folder, so an import follows it when it is renamed.
CREATE TABLE secret_imports (
    id ID PRIMARY KEY,
    folder_id ID NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    from_folder_id ID NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    version BIGINT NOT NULL,
    is_replication BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (folder_id, from_folder_id)
);
CREATE INDEX secret_imports_from ON secret_imports (from_folder_id);
