-- What a machine identity may do in a project beside its roles: rules of its own, for good or for a time.
-- They belong to the membership and end with it. rules and packed are those of roles.
CREATE TABLE project_privileges (
    id ID PRIMARY KEY,
    member_id ID NOT NULL REFERENCES project_members (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    rules TEXT NOT NULL,
    packed BYTES NOT NULL,
    is_temporary BIGINT NOT NULL,
    temporary_range TEXT,
    starts_ms BIGINT,
    ends_ms BIGINT,
    version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (member_id, slug)
);
