//! The SQL that every engine runs.
//!
//! One text serves SQLite and PostgreSQL: parameters are `$1`, `$2`, … and appear for the first time in ascending order (SQLite
//! numbers them by first appearance, PostgreSQL by name); upserts are `ON CONFLICT`, and nothing here is one engine's own.
//! What is, such as pragmas and locks, stands in that engine's module.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $($text:expr),+;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = concat!($($text),+);)*
        /// Every statement, so that a test can prepare each.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

macro_rules! api_key_columns {
    () => {
        "id, tenant, secret, bearer, scopes, buckets, created_at, expires_at, disabled_at, deleted_at"
    };
}

macro_rules! signing_key_columns {
    () => {
        "id, tenant, algorithm, sealed_secret, state, owner, max_lifetime_seconds, created_at, limits"
    };
}

macro_rules! bucket_columns {
    () => {
        "name, tenant, region, retention, public, created_by, created_at"
    };
}

macro_rules! object_columns {
    () => {
        "bucket, object_key, file_id, blob_id, size_bytes, content_type, file_name, sha256, sha1, md5, created_at, \
         modified_at, expires_at, file_number, user_metadata"
    };
}

macro_rules! is_withheld {
    () => {
        ", listed = 0 OR EXISTS (SELECT 1 FROM reservations WHERE reservations.file_id = objects.file_id) AS is_withheld"
    };
}

macro_rules! reservation_columns {
    () => {
        "file_id, file_number, tenant, bucket, object_key, name, content_type, needs_confirmation, created_by, created_at, \
         expires_at"
    };
}

/// The listed objects of the bucket `$1` that are live at `$2`.
macro_rules! listed_objects {
    () => {
        " FROM objects WHERE bucket = $1 AND listed = 1 AND (expires_at IS NULL OR expires_at > $2)"
    };
}

/// The same, those only that wait for no confirmation.
macro_rules! ready_objects {
    () => {
        concat!(listed_objects!(), " AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.file_number = objects.file_number)")
    };
}

/// The reservations of the bucket `$1` that are live at `$2` and wait for their bytes.
macro_rules! waiting_reservations {
    () => {
        " FROM reservations WHERE bucket = $1 AND expires_at > $2 AND NOT EXISTS (SELECT 1 FROM objects o \
         WHERE o.file_number = reservations.file_number AND (o.expires_at IS NULL OR o.expires_at > $2))"
    };
}

macro_rules! link_columns {
    () => {
        "secret, tenant, link_id, bucket, object_key, file_id, terms, issued_at, not_before, expires_at"
    };
}

macro_rules! idempotent_call_columns {
    () => {
        "tenant, api_key, call_key, request, began_at, forget_at, answer"
    };
}

macro_rules! url_columns {
    () => {
        "tenant, link_id, signing_key, bucket, object_key, is_prefix, permission, uses, label, issuer, issued_at, not_before, \
         expires_at, n_requests, last_used_at"
    };
}

macro_rules! broad_revocation_columns {
    () => {
        "tenant, kind, bucket, value, issued_until, revoked_at, forget_at"
    };
}

macro_rules! upload_columns {
    () => {
        "id, tenant, bucket, object_key, created_by, created_at, expires_at, name, holder, total_bytes, content_type, file_name, completed_as"
    };
}

macro_rules! piece_columns {
    () => {
        "upload, position, blob_id, size_bytes, md5"
    };
}

macro_rules! audit_row_columns {
    () => {
        "r.seq, r.prev, r.hash, r.body, p.address, p.address_salt, p.user_agent, p.user_agent_salt, p.label, p.label_salt"
    };
}

macro_rules! audit_rows_from {
    () => {
        " FROM audit_rows r LEFT JOIN audit_personal p ON p.chain = r.chain AND p.seq = r.seq WHERE r.chain = $1 "
    };
}

macro_rules! audit_row_filter {
    () => {
        "AND ($4 IS NULL OR r.outcome = $4) AND ($5 IS NULL OR r.principal = $5) AND ($6 IS NULL OR r.bucket = $6) \
        AND ($7 IS NULL OR r.object_key = $7) AND ($8 IS NULL OR r.link_id = $8) "
    };
}

macro_rules! checkpoint_columns {
    () => {
        "chain, seq, at, hash, key_id, signature"
    };
}

statements! {
    TIME_FLOOR = "SELECT latest_at FROM time_floor";
    RAISE_TIME_FLOOR = "INSERT INTO time_floor (id, latest_at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE \
        SET latest_at = excluded.latest_at WHERE excluded.latest_at > time_floor.latest_at";

    INSERT_TENANT = "INSERT INTO tenants (name, created_at) VALUES ($1, $2)";
    TENANTS = "SELECT name, created_at FROM tenants ORDER BY name";

    INSERT_API_KEY = "INSERT INTO api_keys (", api_key_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    /// A credential is found by its digest alone, so that one key's secret may not be another's bearer value.
    CREDENTIAL_TAKEN = "SELECT 1 FROM api_keys WHERE secret = $1 OR bearer = $1 LIMIT 1";
    API_KEYS = "SELECT ", api_key_columns!(), " FROM api_keys ORDER BY id";
    API_KEY = "SELECT ", api_key_columns!(), " FROM api_keys WHERE id = $1 AND tenant = $2";
    OTHER_API_KEYS = "SELECT ", api_key_columns!(), " FROM api_keys WHERE tenant = $1 AND id <> $2 AND disabled_at IS NULL";
    UPDATE_API_KEY = "UPDATE api_keys SET secret = $1, scopes = $2, buckets = $3, expires_at = $4, disabled_at = $5, \
        deleted_at = $6 WHERE id = $7";

    INSERT_SIGNING_KEY = "INSERT INTO signing_keys (", signing_key_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    SIGNING_KEYS = "SELECT ", signing_key_columns!(), " FROM signing_keys ORDER BY id";
    SIGNING_KEY = "SELECT ", signing_key_columns!(), " FROM signing_keys WHERE id = $1 AND tenant = $2";
    SET_SIGNING_KEY_STATE = "UPDATE signing_keys SET state = $1 WHERE id = $2";

    INSERT_BUCKET = "INSERT INTO buckets (", bucket_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7)";
    BUCKET = "SELECT ", bucket_columns!(), " FROM buckets WHERE name = $1";
    BUCKET_OF_TENANT = "SELECT ", bucket_columns!(), " FROM buckets WHERE name = $1 AND tenant = $2";
    SET_BUCKET_PUBLIC = "UPDATE buckets SET public = $1 WHERE name = $2 AND tenant = $3";
    BUCKETS = "SELECT ", bucket_columns!(), " FROM buckets WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3";
    BUCKETS_OF_REGION = "SELECT ", bucket_columns!(), " FROM buckets WHERE tenant = $1 AND region = $2 AND name > $3 \
        ORDER BY name LIMIT $4";
    BUCKET_HOLDS_LIVE_OBJECT = "SELECT 1 FROM objects WHERE bucket = $1 AND (expires_at IS NULL OR expires_at > $2) LIMIT 1";
    DELETE_OBJECTS_OF_BUCKET = "DELETE FROM objects WHERE bucket = $1 RETURNING blob_id";
    UPLOADS_OF_BUCKET = "SELECT id FROM uploads WHERE bucket = $1";
    DELETE_BUCKET = "DELETE FROM buckets WHERE name = $1";

    OBJECT = "SELECT ", object_columns!(), " FROM objects WHERE bucket = $1 AND object_key = $2";
    OBJECTS_FROM = "SELECT ", object_columns!(), " FROM objects WHERE bucket = $1 AND object_key >= $2 \
        ORDER BY object_key LIMIT $3";
    OBJECTS_BETWEEN = "SELECT ", object_columns!(), " FROM objects WHERE bucket = $1 AND object_key >= $2 AND object_key < $3 \
        ORDER BY object_key LIMIT $4";
    /// With whether each is no file any more, or provisional yet: its reservation ends with its confirmation.
    READY_OBJECTS_FROM = "SELECT ", object_columns!(), is_withheld!(), " FROM objects WHERE bucket = $1 AND object_key >= $2 \
        ORDER BY object_key LIMIT $3";
    READY_OBJECTS_BETWEEN = "SELECT ", object_columns!(), is_withheld!(), " FROM objects WHERE bucket = $1 \
        AND object_key >= $2 AND object_key < $3 ORDER BY object_key LIMIT $4";
    UPSERT_OBJECT = "INSERT INTO objects (", object_columns!(), ") \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (bucket, object_key) DO UPDATE SET \
        file_id = excluded.file_id, blob_id = excluded.blob_id, size_bytes = excluded.size_bytes, \
        content_type = excluded.content_type, file_name = excluded.file_name, sha256 = excluded.sha256, \
        sha1 = excluded.sha1, md5 = excluded.md5, created_at = excluded.created_at, modified_at = excluded.modified_at, \
        expires_at = excluded.expires_at, file_number = excluded.file_number, user_metadata = excluded.user_metadata, \
        listed = CASE WHEN objects.file_id = excluded.file_id THEN objects.listed ELSE 1 END";
    OBJECT_BY_FILE_ID = "SELECT ", object_columns!(), " FROM objects WHERE file_id = $1";
    OBJECT_BY_FILE_NUMBER = "SELECT ", object_columns!(), " FROM objects WHERE file_number = $1";
    DELETE_OBJECT = "DELETE FROM objects WHERE bucket = $1 AND object_key = $2";
    DETACH_OBJECT = "UPDATE objects SET file_id = $1, file_number = $2, listed = 0 WHERE bucket = $3 AND object_key = $4";
    RECORD_DIGESTS = "UPDATE objects SET sha1 = $1, md5 = $2 WHERE blob_id = $3";

    INSERT_RESERVATION = "INSERT INTO reservations (", reservation_columns!(), ") \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    RESERVATION = "SELECT ", reservation_columns!(), " FROM reservations WHERE bucket = $1 AND object_key = $2";
    RESERVATION_BY_FILE_ID = "SELECT ", reservation_columns!(), " FROM reservations WHERE file_id = $1";
    RESERVATION_BY_FILE_NUMBER = "SELECT ", reservation_columns!(), " FROM reservations WHERE file_number = $1";
    DELETE_RESERVATION = "DELETE FROM reservations WHERE file_id = $1";
    FILE_NUMBER_IS_TAKEN = "SELECT 1 WHERE EXISTS (SELECT 1 FROM objects WHERE file_number = $1) \
        OR EXISTS (SELECT 1 FROM reservations WHERE file_number = $1)";
    FILE_OR_PLACE_IS_TAKEN = "SELECT 1 WHERE EXISTS (SELECT 1 FROM objects WHERE file_id = $1) \
        OR EXISTS (SELECT 1 FROM objects WHERE bucket = $2 AND object_key = $3)";

    FILES_NEWEST_FIRST = "SELECT created_at, file_number", listed_objects!(), " AND (created_at, file_number) < ($3, $4) \
        UNION ALL SELECT created_at, file_number", waiting_reservations!(), " AND (created_at, file_number) < ($3, $4) \
        ORDER BY created_at DESC, file_number DESC LIMIT $5 OFFSET $6";
    FILES_OLDEST_FIRST = "SELECT created_at, file_number", listed_objects!(), " AND (created_at, file_number) > ($3, $4) \
        UNION ALL SELECT created_at, file_number", waiting_reservations!(), " AND (created_at, file_number) > ($3, $4) \
        ORDER BY created_at, file_number LIMIT $5 OFFSET $6";
    READY_FILES_NEWEST_FIRST = "SELECT created_at, file_number", ready_objects!(), " AND (created_at, file_number) < ($3, $4) \
        ORDER BY created_at DESC, file_number DESC LIMIT $5 OFFSET $6";
    READY_FILES_OLDEST_FIRST = "SELECT created_at, file_number", ready_objects!(), " AND (created_at, file_number) > ($3, $4) \
        ORDER BY created_at, file_number LIMIT $5 OFFSET $6";
    N_FILES = "SELECT (SELECT count(*)", listed_objects!(), ") + (SELECT count(*)", waiting_reservations!(), ")";
    N_READY_FILES = "SELECT count(*)", ready_objects!();

    BLOB_IS_KNOWN = "SELECT 1 WHERE EXISTS (SELECT 1 FROM objects WHERE blob_id = $1) \
        OR EXISTS (SELECT 1 FROM pieces WHERE blob_id = $1) OR EXISTS (SELECT 1 FROM doomed_blobs WHERE blob_id = $1)";
    BLOB_IS_DOOMED = "SELECT 1 FROM doomed_blobs WHERE blob_id = $1";
    DOOM_BLOB = "INSERT INTO doomed_blobs (blob_id, doomed_at) VALUES ($1, $2) ON CONFLICT (blob_id) DO NOTHING";
    DOOMED_BLOBS = "SELECT blob_id FROM doomed_blobs WHERE doomed_at <= $1 ORDER BY doomed_at, blob_id LIMIT $2";
    FORGET_BLOB = "DELETE FROM doomed_blobs WHERE blob_id = $1";

    INSERT_LINK = "INSERT INTO links (", link_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    LINK_BY_SECRET = "SELECT ", link_columns!(), " FROM links WHERE secret = $1";
    LINK = "SELECT ", link_columns!(), " FROM links WHERE tenant = $1 AND link_id = $2";

    INSERT_URL_IF_NEW = "INSERT INTO urls (", url_columns!(), ") \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (tenant, link_id) DO NOTHING";
    URL = "SELECT ", url_columns!(), ", number FROM urls WHERE tenant = $1 AND link_id = $2";
    URLS_OF_TENANT = "SELECT ", url_columns!(), ", number FROM urls WHERE tenant = $1 AND (issued_at, number) < ($2, $3) \
        ORDER BY issued_at DESC, number DESC LIMIT $4";
    URLS_OF_LABEL = "SELECT ", url_columns!(), ", number FROM urls WHERE tenant = $1 AND label = $2 AND number < $3 \
        ORDER BY number DESC LIMIT $4";
    URLS_OF_BUCKET = "SELECT ", url_columns!(), ", number FROM urls WHERE tenant = $1 AND bucket = $2 \
        AND (object_key, number) > ($3, $4) ORDER BY object_key, number LIMIT $5";
    URLS_OF_OBJECT = "SELECT ", url_columns!(), ", number FROM urls WHERE tenant = $1 AND bucket = $2 AND object_key = $3 \
        AND is_prefix = 0 AND number < $4 ORDER BY number DESC LIMIT $5";
    TOUCH_URL = "UPDATE urls SET n_requests = n_requests + $1, last_used_at = CASE WHEN last_used_at > $2 THEN last_used_at \
        ELSE $2 END WHERE tenant = $3 AND link_id = $4";
    LATEST_ISSUE = "SELECT issued_at FROM urls WHERE tenant = $1 AND issued_at <= $2 ORDER BY issued_at DESC LIMIT 1";
    LATEST_UPLOAD = "SELECT max(uploads.created_at) FROM buckets JOIN uploads ON uploads.bucket = buckets.name \
        WHERE buckets.tenant = $1 AND uploads.created_at <= $2";

    REVOKE = "INSERT INTO revocations (tenant, link_id, revoked_at, forget_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (tenant, link_id) DO UPDATE SET forget_at = excluded.forget_at \
        WHERE excluded.forget_at > revocations.forget_at";
    REVOCATION = "SELECT tenant, link_id, revoked_at, forget_at FROM revocations WHERE tenant = $1 AND link_id = $2";
    REVOCATIONS = "SELECT tenant, link_id, revoked_at, forget_at FROM revocations WHERE (tenant, link_id) > ($1, $2) \
        AND forget_at > $3 ORDER BY tenant, link_id LIMIT $4";
    N_REVOCATIONS = "SELECT count(*) FROM revocations";
    IS_REVOKED = "SELECT 1 FROM revocations WHERE tenant = $1 AND link_id = $2";
    REVOKE_BROADLY = "INSERT INTO broad_revocations (", broad_revocation_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (tenant, kind, bucket, value) DO UPDATE SET issued_until = CASE WHEN excluded.issued_until > \
        broad_revocations.issued_until THEN excluded.issued_until ELSE broad_revocations.issued_until END, forget_at = \
        CASE WHEN excluded.forget_at > broad_revocations.forget_at THEN excluded.forget_at ELSE broad_revocations.forget_at END";
    BROAD_REVOCATION = "SELECT ", broad_revocation_columns!(), " FROM broad_revocations \
        WHERE tenant = $1 AND kind = $2 AND bucket = $3 AND value = $4";
    BROAD_REVOCATIONS = "SELECT ", broad_revocation_columns!(), " FROM broad_revocations \
        WHERE (tenant, kind, bucket, value) > ($1, $2, $3, $4) AND forget_at > $5 ORDER BY tenant, kind, bucket, value LIMIT $6";
    HAS_BROAD_REVOCATIONS = "SELECT 1 FROM broad_revocations WHERE tenant = $1 LIMIT 1";
    IS_REVOKED_BROADLY = "SELECT 1 FROM broad_revocations WHERE tenant = $1 AND kind = $2 AND bucket = $3 AND value = $4 \
        AND issued_until >= $5";

    LEDGER = "SELECT state FROM ledgers WHERE tenant = $1 AND signing_key = $2 AND link_id = $3";
    UPSERT_LEDGER = "INSERT INTO ledgers (tenant, signing_key, link_id, state, forget_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (tenant, signing_key, link_id) DO UPDATE SET state = excluded.state, forget_at = \
        CASE WHEN excluded.forget_at > ledgers.forget_at THEN excluded.forget_at ELSE ledgers.forget_at END";
    UPDATE_LEDGER = "UPDATE ledgers SET state = $1 WHERE tenant = $2 AND signing_key = $3 AND link_id = $4";

    INSERT_IDEMPOTENT_CALL = "INSERT INTO idempotent_calls (", idempotent_call_columns!(), ", n_bytes) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    IDEMPOTENT_CALL = "SELECT ", idempotent_call_columns!(), " FROM idempotent_calls \
        WHERE tenant = $1 AND api_key = $2 AND call_key = $3";
    FORGET_IDEMPOTENT_CALL = "DELETE FROM idempotent_calls WHERE tenant = $1 AND api_key = $2 AND call_key = $3";
    ANSWER_IDEMPOTENT_CALL = "UPDATE idempotent_calls SET answer = $1, n_bytes = $2 \
        WHERE tenant = $3 AND api_key = $4 AND call_key = $5";
    IDEMPOTENT_CALLS = "SELECT tenant, count(*), sum(n_bytes) FROM idempotent_calls GROUP BY tenant";

    INSERT_UPLOAD = "INSERT INTO uploads (", upload_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    COMPLETE_UPLOAD = "UPDATE uploads SET completed_as = $1, expires_at = $2 WHERE id = $3";
    UPLOADS_OF_URL_BUT_LATEST = "SELECT id FROM uploads WHERE holder = $1 AND completed_as IS NULL ORDER BY expires_at DESC LIMIT -1 OFFSET $2";
    UPLOAD = "SELECT ", upload_columns!(), " FROM uploads WHERE id = $1";
    UPLOAD_BY_NAME = "SELECT ", upload_columns!(), " FROM uploads WHERE name = $1";
    UPLOADS = "SELECT ", upload_columns!(), " FROM uploads WHERE tenant = $1 AND completed_as IS NULL AND (created_at, id) > ($2, $3) \
        ORDER BY created_at, id LIMIT $4";
    UPLOAD_IN_PARTS_EXISTS = "SELECT 1 FROM uploads WHERE id = $1 AND name IS NULL";
    RECEIVED = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM pieces WHERE upload = $1";
    LAST_PIECE_BEFORE = "SELECT position, size_bytes FROM pieces WHERE upload = $1 AND position < $2 ORDER BY position DESC LIMIT 1";
    INSERT_PIECE = "INSERT INTO pieces (", piece_columns!(), ") VALUES ($1, $2, $3, $4, $5)";
    RANGE_RECEIVED = "UPDATE uploads SET total_bytes = $1, expires_at = max(expires_at, $2) WHERE id = $3";
    PIECES = "SELECT ", piece_columns!(), " FROM pieces WHERE upload = $1 ORDER BY position";
    BLOB_OF_PIECE = "SELECT blob_id FROM pieces WHERE upload = $1 AND position = $2";
    UPSERT_PIECE = "INSERT INTO pieces (", piece_columns!(), ") VALUES ($1, $2, $3, $4, $5) ON CONFLICT (upload, position) \
        DO UPDATE SET blob_id = excluded.blob_id, size_bytes = excluded.size_bytes, md5 = excluded.md5";
    DELETE_PIECES = "DELETE FROM pieces WHERE upload = $1 RETURNING blob_id";
    DELETE_UPLOAD = "DELETE FROM uploads WHERE id = $1";
    INSERT_UPLOAD_SECRET = "INSERT INTO upload_secrets (secret, upload, expires_at) VALUES ($1, $2, $3)";
    UPLOAD_BY_SECRET = "SELECT u.id, u.tenant, u.bucket, u.object_key, u.created_by, u.created_at, u.expires_at, \
        u.name, u.holder, u.total_bytes, u.content_type, u.file_name, u.completed_as, s.expires_at \
        FROM upload_secrets s JOIN uploads u ON u.id = s.upload WHERE s.secret = $1";

    SWEEP_OBJECTS = "DELETE FROM objects WHERE (bucket, object_key) IN (SELECT bucket, object_key FROM objects \
        WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) RETURNING blob_id, bucket, object_key";
    SWEEP_LINKS = "DELETE FROM links WHERE secret IN (SELECT secret FROM links WHERE expires_at <= $1 \
        ORDER BY expires_at LIMIT $2)";
    SWEEP_REVOCATIONS = "DELETE FROM revocations WHERE (tenant, link_id) IN (SELECT tenant, link_id FROM revocations \
        WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2)";
    SWEEP_URLS = "DELETE FROM urls WHERE number IN (SELECT number FROM urls WHERE expires_at <= $1 \
        ORDER BY expires_at LIMIT $2)";
    SWEEP_BROAD_REVOCATIONS = "DELETE FROM broad_revocations WHERE (tenant, kind, bucket, value) IN (SELECT tenant, kind, \
        bucket, value FROM broad_revocations WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2)";
    SWEEP_LEDGERS = "DELETE FROM ledgers WHERE id IN (SELECT id FROM ledgers WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2)";
    SWEEP_RESERVATIONS = "DELETE FROM reservations WHERE file_id IN (SELECT file_id FROM reservations WHERE expires_at <= $1 \
        ORDER BY expires_at LIMIT $2)";
    SWEEP_IDEMPOTENT_CALLS = "DELETE FROM idempotent_calls WHERE id IN (SELECT id FROM idempotent_calls WHERE forget_at <= $1 \
        ORDER BY forget_at LIMIT $2)";
    AUDIT_HEAD = "SELECT seq, hash, sealed_seq, dropped_seq, indexed_seq FROM audit_chains WHERE chain = $1";
    PUT_AUDIT_HEAD = "INSERT INTO audit_chains (chain, seq, hash, sealed_seq, dropped_seq, indexed_seq) VALUES ($1, $2, $3, $4, 0, 0) \
        ON CONFLICT (chain) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, sealed_seq = excluded.sealed_seq";
    INSERT_AUDIT_ROW = "INSERT INTO audit_rows (chain, seq, at, outcome, principal, bucket, object_key, link_id, body, prev, hash) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    INSERT_AUDIT_PERSONAL = "INSERT INTO audit_personal (chain, seq, address, address_salt, user_agent, user_agent_salt, label, \
        label_salt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    AUDIT_ROWS = "SELECT ", audit_row_columns!(), audit_rows_from!(), "AND r.seq < $2 AND r.seq >= $3 ", audit_row_filter!(),
        "ORDER BY r.seq DESC LIMIT $9";
    AUDIT_ROWS_OF_TARGET = "SELECT ", audit_row_columns!(), " FROM audit_refs f JOIN audit_rows r ON r.chain = f.chain AND r.seq = f.seq \
        LEFT JOIN audit_personal p ON p.chain = r.chain AND p.seq = r.seq WHERE f.chain = $1 AND f.seq < $2 AND f.seq >= $3 ",
        audit_row_filter!(), "AND f.part = $9 AND f.target = $10 ORDER BY f.seq DESC LIMIT $11";
    UNINDEXED_AUDIT_CHAINS = "SELECT chain, max(indexed_seq, dropped_seq) FROM audit_chains WHERE seq > indexed_seq LIMIT $1";
    AUDIT_TARGETS = "SELECT seq, bucket, object_key, link_id FROM audit_rows WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    INSERT_AUDIT_REF = "INSERT INTO audit_refs (chain, part, target, seq) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    DROP_AUDIT_REFS = "DELETE FROM audit_refs WHERE chain = $1 AND part < $2";
    SET_AUDIT_INDEXED = "UPDATE audit_chains SET indexed_seq = $1 WHERE chain = $2 AND indexed_seq < $1";
    AUDIT_STRETCH = "SELECT ", audit_row_columns!(), audit_rows_from!(), "AND r.seq > $2 ORDER BY r.seq LIMIT $3";
    AUDIT_ROW_AT = "SELECT at FROM audit_rows WHERE chain = $1 AND seq = $2";
    UNSEALED_AUDIT_CHAINS = "SELECT chain, seq, hash FROM audit_chains WHERE seq > sealed_seq LIMIT $1";
    SET_AUDIT_SEALED = "UPDATE audit_chains SET sealed_seq = $1 WHERE chain = $2 AND sealed_seq < $1";
    INSERT_AUDIT_CHECKPOINT = "INSERT INTO audit_checkpoints (", checkpoint_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6)";
    AUDIT_CHECKPOINTS = "SELECT ", checkpoint_columns!(), " FROM audit_checkpoints WHERE chain = $1 AND seq > $2 AND seq <= $3 \
        ORDER BY seq LIMIT $4";
    AUDIT_CHAINS_KEPT = "SELECT chain, dropped_seq FROM audit_chains WHERE sealed_seq > dropped_seq";
    AUDIT_SEGMENT_END = "SELECT seq, at FROM audit_checkpoints WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT 1";
    DROP_AUDIT_ROWS = "DELETE FROM audit_rows WHERE chain = $1 AND seq <= $2";
    DROP_AUDIT_PERSONAL = "DELETE FROM audit_personal WHERE chain = $1 AND seq <= $2";
    SET_AUDIT_DROPPED = "UPDATE audit_chains SET dropped_seq = $1 WHERE chain = $2";
    AUDIT_PERSONAL_END = "SELECT max(seq) FROM (SELECT seq FROM audit_personal WHERE chain = $1 AND seq > $2 ORDER BY seq LIMIT $3)";
    ERASE_ADDRESS = "UPDATE audit_personal SET address = NULL, address_salt = NULL WHERE chain = $1 AND seq > $2 AND seq <= $3 \
        AND address = $4";
    ERASE_USER_AGENT = "UPDATE audit_personal SET user_agent = NULL, user_agent_salt = NULL WHERE chain = $1 AND seq > $2 \
        AND seq <= $3 AND user_agent = $4";
    ERASE_LABEL = "UPDATE audit_personal SET label = NULL, label_salt = NULL WHERE chain = $1 AND seq > $2 AND seq <= $3 \
        AND label = $4";
    AUDIT_STATE = "SELECT coalesce(sum(seq), 0), coalesce(sum(seq - sealed_seq), 0) FROM audit_chains";
    INSERT_AUDIT_KEY = "INSERT INTO audit_keys (id, public, sealed_secret, created_at) VALUES ($1, $2, $3, $4)";
    AUDIT_KEYS = "SELECT id, public, sealed_secret, created_at FROM audit_keys ORDER BY created_at, id";

    EXPIRED_UPLOADS = "SELECT id FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2";
}

/// The least text above every text that begins with `prefix`, bytewise; `None` if there is none. UTF-8 sorts as its
/// characters do, so that the last character's successor is enough.
pub(crate) fn prefix_end(prefix: &str) -> Option<String> {
    let mut start = prefix;
    while let Some(last) = start.chars().next_back() {
        start = start.get(..start.len() - last.len_utf8())?;
        let next = if last == '\u{D7FF}' { Some('\u{E000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            return Some(format!("{start}{next}"));
        }
    }
    None
}

/// The least object key that begins with `prefix` and comes after `after`. No key holds NUL, so that the first text after
/// `after` that could be one ends in U+0001.
pub(crate) fn listing_start(prefix: &str, after: Option<&str>) -> String {
    match after.map(|after| format!("{after}\u{1}")) {
        Some(after) if after.as_str() > prefix => after,
        _ => prefix.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix() {
        let check = |prefix: &str, end: Option<&str>| assert_eq!(prefix_end(prefix).as_deref(), end, "{prefix:?}");
        check("", None);
        check("a", Some("b"));
        check("a/", Some("a0"));
        check("a\u{7F}", Some("a\u{80}"));
        check("a\u{D7FF}", Some("a\u{E000}"));
        check("a\u{10FFFF}", Some("b"));
        check("\u{10FFFF}\u{10FFFF}", None);
    }

    #[test]
    fn where_a_listing_starts() {
        let check = |prefix: &str, after: Option<&str>, start: &str| assert_eq!(listing_start(prefix, after), start);
        check("", None, "");
        check("b", None, "b");
        check("b", Some("a"), "b");
        check("b", Some("b"), "b\u{1}");
        check("b", Some("b/x"), "b/x\u{1}");
        check("b", Some("c"), "c\u{1}");
    }

    #[test]
    fn first_uses_of_parameters_ascend() {
        for (name, text) in ALL {
            let mut greatest = 0;
            for rest in text.split('$').skip(1) {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let number: u32 = digits.parse().unwrap();
                assert!(number <= greatest + 1, "`${number}` comes too early in {name}");
                greatest = greatest.max(number);
            }
        }
    }
}
