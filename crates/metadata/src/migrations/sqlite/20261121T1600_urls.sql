-- URLs of either form, so that their owner can list them; and revocations of more than one URL.

-- One row for each that was issued here, without its secret or token, and for each that was signed elsewhere from its first use
-- on. The signing key of the link form is NULL. A prefix stands in the place of an object key.
CREATE TABLE urls (
    number INTEGER NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    link_id BLOB NOT NULL CHECK (length(link_id) = 16),
    signing_key TEXT,
    bucket TEXT NOT NULL,
    object_key TEXT NOT NULL,
    is_prefix INTEGER NOT NULL CHECK (is_prefix IN (0, 1)),
    permission TEXT NOT NULL CHECK (permission IN ('read', 'write', 'readwrite')),
    uses INTEGER CHECK (uses > 0),
    label TEXT,
    issuer TEXT,
    issued_at INTEGER NOT NULL,
    not_before INTEGER,
    expires_at INTEGER NOT NULL,
    n_requests INTEGER NOT NULL DEFAULT 0,
    last_used_at INTEGER
) STRICT;

-- A rowid is the last column of every index: the order within a page.
CREATE UNIQUE INDEX urls_by_link ON urls (tenant, link_id);
CREATE INDEX urls_by_time ON urls (tenant, issued_at);
CREATE INDEX urls_by_place ON urls (tenant, bucket, object_key);
CREATE INDEX urls_by_label ON urls (tenant, label) WHERE label IS NOT NULL;
CREATE INDEX urls_by_expiry ON urls (expires_at);

INSERT INTO urls (tenant, link_id, bucket, object_key, is_prefix, permission, uses, label, issuer, issued_at, not_before, expires_at)
    SELECT tenant, link_id, bucket, object_key, 0, json_extract(terms, '$.permission'), json_extract(terms, '$.uses'),
        json_extract(terms, '$.label'), json_extract(terms, '$.issuer'), issued_at, not_before, expires_at
    FROM links ORDER BY issued_at;

-- What was taken back by something that URLs have in common, as far as they were issued until an instant. What has no bucket, or
-- no value, has the empty text.
CREATE TABLE broad_revocations (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('label', 'object', 'prefix', 'api-key', 'signing-key', 'tenant')),
    bucket TEXT NOT NULL,
    value TEXT NOT NULL,
    issued_until INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL,
    forget_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, bucket, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX broad_revocations_by_expiry ON broad_revocations (forget_at);
