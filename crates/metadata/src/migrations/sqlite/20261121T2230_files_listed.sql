-- The files of a bucket, in the order in which they began: objects that are listed, and reservations. An object that is not listed
-- is one whose file has ended and whose bytes stay.

ALTER TABLE objects ADD COLUMN listed INTEGER NOT NULL DEFAULT 1 CHECK (listed IN (0, 1));

-- With all that a page needs to know of what it steps over.
CREATE INDEX objects_by_time ON objects (bucket, listed, created_at, file_number, expires_at);
CREATE INDEX reservations_by_time ON reservations (bucket, created_at, file_number, expires_at);

-- What uploaders wrote down with their objects.

ALTER TABLE objects ADD COLUMN user_metadata TEXT;

-- By which URL an upload in ranges was begun, that no URL has too many of them.

ALTER TABLE uploads ADD COLUMN holder BLOB CHECK (length(holder) = 32);

-- What a complete one has become: kept for a while, for who has not heard of it.

ALTER TABLE uploads ADD COLUMN completed_as BLOB CHECK (length(completed_as) = 16);

CREATE INDEX uploads_by_holder ON uploads (holder, expires_at) WHERE holder IS NOT NULL;
