-- What is said to who comes to log in. The organisation is no reference: one that is gone is none.
ALTER TABLE instance ADD COLUMN consent TEXT;
ALTER TABLE instance ADD COLUMN page_frame TEXT;
ALTER TABLE instance ADD COLUMN default_org_id ID;
ALTER TABLE instance ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0;
