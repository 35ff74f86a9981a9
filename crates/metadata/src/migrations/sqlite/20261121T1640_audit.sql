-- The audit: rows in chains (`{tenant}/1`; the installation's own is `/1`), each hashed with the one before it, and checkpoints.
-- The columns beside `body` are copies of what stands in it, to be found by.

CREATE TABLE audit_chains (
    chain TEXT NOT NULL PRIMARY KEY,
    -- The last row, and its hash.
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- The last row that a checkpoint seals, and the last one that was dropped; 0 is none.
    sealed_seq INTEGER NOT NULL,
    dropped_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_rows (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    principal TEXT,
    bucket TEXT,
    object_key TEXT,
    link_id BLOB CHECK (length(link_id) = 16),
    body TEXT NOT NULL,
    prev BLOB NOT NULL CHECK (length(prev) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_rows_by_link ON audit_rows (chain, link_id, seq) WHERE link_id IS NOT NULL;
CREATE INDEX audit_rows_by_object ON audit_rows (chain, bucket, object_key, seq) WHERE bucket IS NOT NULL;

-- What the digests in a row are of. Erased, the row still verifies.
CREATE TABLE audit_personal (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    address TEXT,
    address_salt BLOB,
    user_agent TEXT,
    user_agent_salt BLOB,
    label TEXT,
    label_salt BLOB,
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

-- Kept when rows are dropped.
CREATE TABLE audit_checkpoints (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    key_id TEXT NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_keys (
    id TEXT NOT NULL PRIMARY KEY,
    public BLOB NOT NULL CHECK (length(public) = 32),
    sealed_secret BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
