-- The audit: rows in chains (`{tenant}/1`; the installation's own is `/1`), each hashed with the one before it, and checkpoints.
-- The columns beside `body` are copies of what stands in it, to be found by.

CREATE TABLE audit_chains (
    chain TEXT NOT NULL PRIMARY KEY,
    -- The last row, and its hash.
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- The last row that a checkpoint seals, and the last one that was dropped; 0 is none.
    sealed_seq INTEGER NOT NULL,
    dropped_seq INTEGER NOT NULL,
    -- The last row that `audit_refs` knows.
    indexed_seq INTEGER NOT NULL
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

-- By what rows are found: `l` and a link id, or `o` and the beginning of a digest of bucket and object key. Filled in sorted lots, a
-- little behind, and apart for each 65,536 rows (`seq >> 16`): an index of random values over all rows, in each act's own
-- transaction, would write more than the act.
CREATE TABLE audit_refs (
    chain TEXT NOT NULL,
    part INTEGER NOT NULL,
    target BLOB NOT NULL CHECK (length(target) = 17),
    seq INTEGER NOT NULL,
    PRIMARY KEY (chain, part, target, seq)
) STRICT, WITHOUT ROWID;

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
