-- Instants are microseconds since 1970 (UTC), ids are 16 random bytes, digests are SHA-256 unless they say otherwise.
-- Terms and ledgers are JSON. Texts compare bytewise.

CREATE TABLE time_floor (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    latest_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tenants (
    name TEXT NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (name),
    secret BLOB NOT NULL UNIQUE CHECK (length(secret) = 32),
    bearer BLOB UNIQUE CHECK (length(bearer) = 32),
    scopes TEXT NOT NULL,
    buckets TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    disabled_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (name),
    algorithm TEXT NOT NULL,
    sealed_secret BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'verify-only', 'revoked')),
    owner TEXT,
    max_lifetime_seconds INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE buckets (
    name TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (name),
    region TEXT NOT NULL,
    retention TEXT NOT NULL CHECK (retention IN ('persistent', 'transient', 'temporary')),
    public INTEGER NOT NULL CHECK (public IN (0, 1)),
    created_by TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX buckets_by_tenant ON buckets (tenant, name);
CREATE INDEX buckets_by_region ON buckets (tenant, region, name);

CREATE TABLE objects (
    bucket TEXT NOT NULL REFERENCES buckets (name),
    object_key TEXT NOT NULL,
    file_id BLOB NOT NULL CHECK (length(file_id) = 16),
    blob_id BLOB NOT NULL UNIQUE CHECK (length(blob_id) = 16),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    content_type TEXT,
    file_name TEXT,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    sha1 BLOB CHECK (length(sha1) = 20),
    md5 BLOB CHECK (length(md5) = 16),
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (bucket, object_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX objects_by_expiry ON objects (expires_at) WHERE expires_at IS NOT NULL;

-- Blobs that no object and no part names any more, until they are deleted.
CREATE TABLE doomed_blobs (
    blob_id BLOB NOT NULL PRIMARY KEY CHECK (length(blob_id) = 16),
    doomed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX doomed_blobs_by_time ON doomed_blobs (doomed_at, blob_id);

-- Issued URLs in link form, found by the digest of their secret.
CREATE TABLE links (
    secret BLOB NOT NULL PRIMARY KEY CHECK (length(secret) = 32),
    tenant TEXT NOT NULL,
    link_id BLOB NOT NULL CHECK (length(link_id) = 16),
    bucket TEXT NOT NULL,
    object_key TEXT NOT NULL,
    file_id BLOB CHECK (length(file_id) = 16),
    terms TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    not_before INTEGER,
    expires_at INTEGER NOT NULL,
    UNIQUE (tenant, link_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_expiry ON links (expires_at);

CREATE TABLE revocations (
    tenant TEXT NOT NULL,
    link_id BLOB NOT NULL CHECK (length(link_id) = 16),
    revoked_at INTEGER NOT NULL,
    forget_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, link_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_by_expiry ON revocations (forget_at);

-- The uses of limited grants. The signing key of the link form is the empty text.
CREATE TABLE ledgers (
    tenant TEXT NOT NULL,
    signing_key TEXT NOT NULL,
    link_id BLOB NOT NULL CHECK (length(link_id) = 16),
    state TEXT NOT NULL,
    forget_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, signing_key, link_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX ledgers_by_expiry ON ledgers (forget_at);

CREATE TABLE uploads (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant TEXT NOT NULL,
    bucket TEXT NOT NULL REFERENCES buckets (name),
    object_key TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_by_bucket ON uploads (bucket);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

CREATE TABLE parts (
    upload BLOB NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 0),
    blob_id BLOB NOT NULL UNIQUE CHECK (length(blob_id) = 16),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    md5 BLOB NOT NULL CHECK (length(md5) = 16),
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE upload_secrets (
    secret BLOB NOT NULL PRIMARY KEY CHECK (length(secret) = 32),
    upload BLOB NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX upload_secrets_by_upload ON upload_secrets (upload);
