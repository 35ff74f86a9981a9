-- Calls that are to be done once, however often they are sent: by whom, under which key (its SHA-256), what was asked (SHA-256), and,
-- once it was answered, the answer, sealed under the master key: it can hold secrets.

CREATE TABLE idempotent_calls (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    api_key TEXT NOT NULL,
    call_key BLOB NOT NULL CHECK (length(call_key) = 32),
    request BLOB NOT NULL CHECK (length(request) = 32),
    began_at INTEGER NOT NULL,
    forget_at INTEGER NOT NULL,
    answer BLOB,
    n_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, api_key, call_key)
) STRICT;

CREATE INDEX idempotent_calls_by_end ON idempotent_calls (forget_at);
CREATE INDEX idempotent_calls_by_tenant ON idempotent_calls (tenant, n_bytes);
