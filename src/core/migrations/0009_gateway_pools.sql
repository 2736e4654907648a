-- Gateways that stand in for each other.
CREATE TABLE gateway_pools (
    id ID PRIMARY KEY,
    org_id ID NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    UNIQUE (org_id, name)
);
CREATE TABLE gateway_pool_members (
    pool_id ID NOT NULL REFERENCES gateway_pools (id) ON DELETE CASCADE,
    gateway_id ID NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (pool_id, gateway_id)
);
CREATE INDEX gateway_pool_members_gateway ON gateway_pool_members (gateway_id);
ALTER TABLE pam_resources ADD COLUMN gateway_pool_id ID REFERENCES gateway_pools (id);
CREATE INDEX pam_resources_gateway_pool ON pam_resources (gateway_pool_id);
