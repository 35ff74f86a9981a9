-- Every incarnation has a number beside its file id, for protocols whose ids are integers: 1 to 2^53 - 1, random.

ALTER TABLE objects ADD COLUMN file_number INTEGER CHECK (file_number > 0);

UPDATE objects SET file_number = abs(random() % 9007199254740991) + 1;

CREATE UNIQUE INDEX objects_by_file_number ON objects (file_number);
CREATE UNIQUE INDEX objects_by_file_id ON objects (file_id);

-- For a binary that does not know the column yet.
CREATE TRIGGER objects_without_file_number AFTER INSERT ON objects WHEN NEW.file_number IS NULL BEGIN
    UPDATE objects SET file_number = abs(random() % 9007199254740991) + 1
        WHERE bucket = NEW.bucket AND object_key = NEW.object_key;
END;

-- Files whose ids are told before their bytes are there. What is published at such a place takes these ids.
CREATE TABLE reservations (
    file_id BLOB NOT NULL PRIMARY KEY CHECK (length(file_id) = 16),
    file_number INTEGER NOT NULL UNIQUE CHECK (file_number > 0),
    tenant TEXT NOT NULL,
    bucket TEXT NOT NULL REFERENCES buckets (name) ON DELETE CASCADE,
    object_key TEXT NOT NULL,
    name TEXT NOT NULL,
    content_type TEXT,
    needs_confirmation INTEGER NOT NULL CHECK (needs_confirmation IN (0, 1)),
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (bucket, object_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX reservations_by_expiry ON reservations (expires_at);
