-- Ledgers in the order in which they began: those that change at the same time stand together, and a change of a ledger writes one
-- page that its neighbours' changes write, too, instead of one of its own.

CREATE TABLE ledgers_in_order (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    signing_key TEXT NOT NULL,
    link_id BLOB NOT NULL CHECK (length(link_id) = 16),
    state TEXT NOT NULL,
    forget_at INTEGER NOT NULL
) STRICT;

INSERT INTO ledgers_in_order (tenant, signing_key, link_id, state, forget_at)
    SELECT tenant, signing_key, link_id, state, forget_at FROM ledgers ORDER BY forget_at;

DROP TABLE ledgers;

ALTER TABLE ledgers_in_order RENAME TO ledgers;

CREATE UNIQUE INDEX ledgers_by_grant ON ledgers (tenant, signing_key, link_id);
CREATE INDEX ledgers_by_expiry ON ledgers (forget_at);
