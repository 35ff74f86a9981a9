-- What uploaders wrote down with their objects.

ALTER TABLE objects ADD COLUMN user_metadata TEXT;
