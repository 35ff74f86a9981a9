-- Uploads in ranges of bytes beside those in numbered parts: under a name of their client's, of a length that may be known. They may be
-- begun under a grant that no API key stands behind, and their pieces have no MD5.

CREATE TABLE uploads_of_both (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant TEXT NOT NULL,
    bucket TEXT NOT NULL REFERENCES buckets (name),
    object_key TEXT NOT NULL,
    created_by TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    name BLOB CHECK (length(name) = 32),
    total_bytes INTEGER CHECK (total_bytes >= 0),
    content_type TEXT,
    file_name TEXT
) STRICT, WITHOUT ROWID;

INSERT INTO uploads_of_both (id, tenant, bucket, object_key, created_by, created_at, expires_at)
    SELECT id, tenant, bucket, object_key, created_by, created_at, expires_at FROM uploads;

CREATE TABLE pieces (
    upload BLOB NOT NULL REFERENCES uploads_of_both (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    blob_id BLOB NOT NULL UNIQUE CHECK (length(blob_id) = 16),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    md5 BLOB CHECK (length(md5) = 16),
    PRIMARY KEY (upload, position)
) STRICT, WITHOUT ROWID;

INSERT INTO pieces (upload, position, blob_id, size_bytes, md5) SELECT upload, number, blob_id, size_bytes, md5 FROM parts;

CREATE TABLE secrets_of_both (
    secret BLOB NOT NULL PRIMARY KEY CHECK (length(secret) = 32),
    upload BLOB NOT NULL REFERENCES uploads_of_both (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO secrets_of_both (secret, upload, expires_at) SELECT secret, upload, expires_at FROM upload_secrets;

-- First what refers to uploads, so that their end takes nothing with it.
DROP TABLE parts;
DROP TABLE upload_secrets;
DROP TABLE uploads;

ALTER TABLE uploads_of_both RENAME TO uploads;
ALTER TABLE secrets_of_both RENAME TO upload_secrets;

CREATE INDEX uploads_by_bucket ON uploads (bucket);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);
CREATE INDEX uploads_by_tenant ON uploads (tenant, created_at, id);
CREATE UNIQUE INDEX uploads_by_name ON uploads (name) WHERE name IS NOT NULL;
CREATE INDEX upload_secrets_by_upload ON upload_secrets (upload);
