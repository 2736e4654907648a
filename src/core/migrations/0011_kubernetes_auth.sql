-- Kubernetes Auth of identities: the cluster that vouches for workloads, and which of them may log in.
-- gateway_id and pool_id are no references: when what they name is gone, logins fail; they never go directly instead.
CREATE TABLE kubernetes_auths (
    auth_id ID PRIMARY KEY REFERENCES identity_auths (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    host TEXT,
    sealed_ca BYTES,
    sealed_reviewer BYTES,
    is_verified BIGINT NOT NULL,
    review_mode TEXT NOT NULL,
    verification TEXT NOT NULL,
    issuer TEXT NOT NULL,
    is_reviewed_too BIGINT NOT NULL,
    allowed_namespaces TEXT NOT NULL,
    allowed_names TEXT NOT NULL,
    allowed_audience TEXT NOT NULL,
    gateway_id ID,
    pool_id ID
);
