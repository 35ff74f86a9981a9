-- What signing keys are limited to, as JSON; and API keys that were deleted, whose ids nobody gets again.

ALTER TABLE signing_keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
ALTER TABLE api_keys ADD COLUMN deleted_at INTEGER;

CREATE INDEX api_keys_by_tenant ON api_keys (tenant);
