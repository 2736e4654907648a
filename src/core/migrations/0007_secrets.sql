-- Secrets, their versions and tags. Values, comments, notes and metadata are sealed under the project's key, for the
-- secret's id: a version is a copy of the row as it was. `user_id` names whose override it is; without one it is shared.
CREATE TABLE secrets (
    id ID PRIMARY KEY,
    project_id ID NOT NULL, -- of the folder, which ends with it
    folder_id ID NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    user_id ID REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    sealed_value BYTES NOT NULL,
    sealed_comment BYTES,
    sealed_note BYTES,
    sealed_metadata BYTES,
    has_tags BIGINT NOT NULL,
    skip_multiline BIGINT,
    reminder_days BIGINT,
    actor_type TEXT NOT NULL,
    actor_id ID,
    actor_name TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX secrets_name ON secrets (folder_id, name, COALESCE(user_id, folder_id));
CREATE INDEX secrets_user ON secrets (user_id) WHERE user_id IS NOT NULL;
CREATE TABLE secret_versions (
    id ID NOT NULL,
    secret_id ID NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    sealed_value BYTES NOT NULL,
    sealed_comment BYTES,
    sealed_note BYTES,
    sealed_metadata BYTES,
    skip_multiline BIGINT,
    reminder_days BIGINT,
    actor_type TEXT NOT NULL,
    actor_id ID,
    actor_name TEXT,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (secret_id, version)
);
CREATE TABLE secret_tag_links (
    secret_id ID NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    tag_id ID NOT NULL REFERENCES secret_tags (id) ON DELETE CASCADE,
    PRIMARY KEY (secret_id, tag_id)
);
CREATE INDEX secret_tag_links_tag ON secret_tag_links (tag_id);
