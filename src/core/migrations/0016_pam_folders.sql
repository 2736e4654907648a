-- Folders are resources that need no cluster; accounts may bring their own; templates say what is common to several.
CREATE TABLE pam_templates (
    id ID PRIMARY KEY,
    project_id ID NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    max_duration_s BIGINT,
    needs_reason BIGINT NOT NULL DEFAULT 0,
    gateway_id ID REFERENCES gateways (id),
    gateway_pool_id ID REFERENCES gateway_pools (id),
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (project_id, name)
);
CREATE INDEX pam_templates_gateway ON pam_templates (gateway_id);
CREATE INDEX pam_templates_gateway_pool ON pam_templates (gateway_pool_id);
ALTER TABLE pam_resources ADD COLUMN description TEXT;
ALTER TABLE pam_accounts ADD COLUMN template_id ID REFERENCES pam_templates (id);
ALTER TABLE pam_accounts ADD COLUMN url TEXT;
ALTER TABLE pam_accounts ADD COLUMN is_verified BIGINT;
ALTER TABLE pam_accounts ADD COLUMN ca_certificate TEXT;
ALTER TABLE pam_accounts ADD COLUMN gateway_id ID REFERENCES gateways (id);
ALTER TABLE pam_accounts ADD COLUMN gateway_pool_id ID REFERENCES gateway_pools (id);
CREATE INDEX pam_accounts_template ON pam_accounts (template_id);
CREATE INDEX pam_accounts_gateway ON pam_accounts (gateway_id);
CREATE INDEX pam_accounts_gateway_pool ON pam_accounts (gateway_pool_id);
