//! The bootstrap file: the example is understood, and every fault has its line.

use std::path::Path;
use valetkey_model::{Permission, Retention, Scope, Scopes, Timestamp};
use valetkey_server::bootstrap::{Bootstrap, BootstrapError, read};
use valetkey_service::SigningKeyLimits;

const EXAMPLE: &str = r#"
# bootstrap: creates what is missing; never re-enables, widens or resets; differences are logged
[[tenant]]
name = "tenant-1"                # also the value of Tenant-ID

[[api_key]]
tenant = "tenant-1"
id = "cid"                       # client_id in token exchanges
secret = "sec"                   # or secret_file; shorter than 16 bytes: warned, refused off loopback
bearer = "tok-1"                 # optional fixed value for Bearer and X-API-Key
scopes = ["*"]

[[bucket]]
tenant = "tenant-1"
name = "reports"
region = "US"
retention = "persistent"         # the default; transient 24 h, temporary 30 d
public = false

[[signing_key]]
tenant = "tenant-1"
kid = "app-1"
algorithm = "HS256"
secret_file = "app-1.key"        # or public_file
owner = "cid"                    # or "server"
"#;

const TENANT: &str = "[[tenant]]\nname = \"t\"\n";

fn read_in(directory: &Path, text: &str, is_loopback: bool) -> Result<Bootstrap, BootstrapError> {
    std::fs::write(directory.join("app-1.key"), [7; 32]).unwrap();
    std::fs::write(directory.join("short.key"), [7; 31]).unwrap();
    std::fs::write(directory.join("cid.secret"), "0123456789abcdef\r\n").unwrap();
    std::fs::write(directory.join("two-lines.secret"), "0123456789abcdef\n0123456789abcdef\n").unwrap();
    std::fs::write(directory.join("noise.secret"), [0xff; 32]).unwrap();
    let path = directory.join("bootstrap.toml");
    std::fs::write(&path, text).unwrap();
    read(&path, is_loopback)
}

fn understood(text: &str) -> Bootstrap {
    let directory = tempfile::tempdir().unwrap();
    read_in(directory.path(), text, false).unwrap()
}

fn faults(text: &str, is_loopback: bool) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    match read_in(directory.path(), text, is_loopback) {
        Err(BootstrapError::Faulty { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example() {
    let directory = tempfile::tempdir().unwrap();
    let Bootstrap { provisioning, warnings } = read_in(directory.path(), EXAMPLE, true).unwrap();
    assert_eq!(provisioning.tenants.iter().map(ToString::to_string).collect::<Vec<_>>(), ["tenant-1"]);
    let key = &provisioning.api_keys[0];
    assert_eq!((key.tenant.as_str(), key.id.as_str(), key.secret.expose()), ("tenant-1", "cid", "sec"));
    assert_eq!(key.bearer.as_ref().unwrap().expose(), "tok-1");
    assert_eq!((key.scopes, key.buckets.len()), (Scopes::ALL_BUT_ADMIN, 0));
    let bucket = &provisioning.buckets[0];
    assert_eq!((bucket.tenant.as_str(), bucket.bucket.name.as_str()), ("tenant-1", "reports"));
    assert_eq!(
        (bucket.bucket.region.as_str(), bucket.bucket.retention, bucket.bucket.public),
        ("US", Retention::Persistent, false)
    );
    let key = &provisioning.signing_keys[0];
    assert_eq!((key.tenant.as_str(), key.id.as_str(), key.secret.expose()), ("tenant-1", "app-1", [7; 32].as_slice()));
    assert_eq!((key.owner.as_ref().unwrap().as_str(), key.max_lifetime), ("cid", None));
    assert_eq!(
        warnings,
        [
            "`secret` of API key `cid` has 3 bytes: expected at least 16; it is let pass on loopback only",
            "`bearer` of API key `cid` has 5 bytes: expected at least 16; it is let pass on loopback only",
        ]
    );
}

#[test]
fn the_example_off_loopback() {
    let why = "expected at least 16, since the server does not listen on a loopback address";
    assert_eq!(
        faults(EXAMPLE, false),
        [format!("line 9: `secret` has 3 bytes: {why}"), format!("line 10: `bearer` has 5 bytes: {why}")]
    );
}

#[test]
fn an_empty_file_asks_for_nothing() {
    let Bootstrap { provisioning, warnings } = understood("# nothing\n");
    assert!(provisioning.tenants.is_empty() && provisioning.api_keys.is_empty() && warnings.is_empty());
}

#[test]
fn everything_else_that_can_be_said() {
    let Bootstrap { provisioning, warnings } = understood(
        r#"
        signing_key = [{ tenant = "t", kid = "k", algorithm = "HS256", secret_file = "app-1.key", owner = "server", max_lifetime_seconds = 60 }]
        [[tenant]]
        name = "t"
        [[api_key]]
        tenant = "t"
        id = "a"
        secret_file = "cid.secret"
        scopes = ["object:read", "admin"]
        buckets = ["abc", "def"]
        [[bucket]]
        tenant = "t"
        name = "abc"
        retention = "transient"
        public = true
        "#,
    );
    assert!(warnings.is_empty());
    let key = &provisioning.api_keys[0];
    assert_eq!(key.secret.expose(), "0123456789abcdef");
    assert_eq!(key.scopes, Scopes::NONE.with(Scope::ObjectRead).with(Scope::Admin));
    assert_eq!(key.buckets.len(), 2);
    let bucket = &provisioning.buckets[0].bucket;
    assert_eq!((bucket.region.as_str(), bucket.retention, bucket.public), ("US", Retention::Transient, true));
    let key = &provisioning.signing_keys[0];
    assert_eq!((key.owner.as_ref(), key.max_lifetime.unwrap().as_secs()), (None, 60));
}

#[test]
fn ends_and_limits_of_keys() {
    let key = |end: &str| format!("[[api_key]]\ntenant = \"t\"\nid = \"a\"\nsecret = \"0123456789abcdef\"\nscopes = []\n{end}");
    // A date of TOML's own, or text.
    for (end, seconds) in [
        ("", None),
        ("expires_at = 2027-01-31T00:00:00Z\n", Some(1_801_353_600)),
        ("expires_at = 2027-01-31T01:00:00+01:00\n", Some(1_801_353_600)),
        ("expires_at = \"2027-01-31T00:00:00Z\"\n", Some(1_801_353_600)),
    ] {
        let found = understood(&[TENANT, &key(end)].concat()).provisioning.api_keys[0].expires_at;
        assert_eq!(found, seconds.map(Timestamp::from_seconds), "{end}");
    }
    let wrong = |found: &str| {
        vec![format!("line 8: `expires_at` is a value of type {found}: expected an instant such as `2027-01-31T00:00:00Z`")]
    };
    for (end, found) in
        [("2027-01-31", "datetime"), ("2027-01-31T00:00:00", "datetime"), ("\"tomorrow\"", "string"), ("1801353600", "integer")]
    {
        assert_eq!(faults(&[TENANT, &key(&format!("expires_at = {end}\n"))].concat(), true), wrong(found), "{end}");
    }
    let signing_key = |limits: &str| {
        let good = "[[signing_key]]\ntenant = \"t\"\nkid = \"k\"\nalgorithm = \"HS256\"\nsecret_file = \"app-1.key\"\nowner = \"server\"\n";
        [TENANT, good, limits].concat()
    };
    let limits = "buckets = [\"abc\"]\nprefixes = [\"2026/\", \"ä b/\"]\npermission = \"read\"\n";
    let found = understood(&signing_key(limits)).provisioning.signing_keys.remove(0).limits;
    let expected = SigningKeyLimits {
        buckets: Some(vec!["abc".parse().unwrap()]),
        prefixes: Some(vec!["2026/".to_owned(), "ä b/".to_owned()]),
        permission: Some(Permission::Read),
    };
    assert_eq!(found, expected);
    let found = understood(&signing_key("")).provisioning.signing_keys.remove(0).limits;
    assert_eq!(found, SigningKeyLimits::default());
    let wrong = "buckets = [\"A\"]\nprefixes = [\"a/\",\n\"b\"]\npermission = \"all\"\n";
    assert_eq!(
        faults(&signing_key(wrong), true),
        [
            "line 9: `buckets`: `A` is not a bucket name: 3 to 128 lower-case letters, digits, `-`, `_` or `.`",
            "line 11: `prefixes` holds `b`: expected beginnings of object keys that end in `/`",
            "line 12: `permission` is `all`: expected `read`, `write` or `readwrite`",
        ]
    );
    let expected = "is empty: expected at least one, or no";
    assert_eq!(
        faults(&signing_key("buckets = []\nprefixes = []\n"), true),
        [format!("line 3: `buckets` {expected} `buckets` at all"), format!("line 3: `prefixes` {expected} `prefixes` at all")]
    );
}

#[test]
fn every_fault_has_its_line() {
    let check = |text: &str, expected: &[&str]| assert_eq!(faults(&[TENANT, text].concat(), true), expected, "{text}");
    // The syntax; the value, which may be a secret, is not quoted.
    check("x = \"unclosed-hunter2\ny = 1\n", &["line 3: invalid basic string, expected `\"`"]);
    // Tables.
    check(
        "[[tenants]]\nname = \"u\"\n",
        &["line 3: `tenants` is unknown: expected `[[tenant]]`, `[[api_key]]`, `[[bucket]]` or `[[signing_key]]`"],
    );
    check("[bucket]\nname = \"abc\"\n", &["line 3: `bucket` is not a list: expected tables, each headed `[[bucket]]`"]);
    // Tenants.
    check(
        "[[tenant]]\nname = \"a b\"\n",
        &["line 4: `name`: `a b` is not a tenant name: 1 to 128 letters, digits, `-`, `_` or `.`"],
    );
    check("[[tenant]]\nname = \"t\"\n", &["line 4: tenant `t` is on line 2 already"]);
    check("[[tenant]]\n", &["line 3: `name` is missing"]);
    check(
        "[[tenant]]\nname = 5\ncolour = \"red\"\n",
        &["line 4: `name` is a value of type integer: expected a string", "line 5: `colour` is unknown: expected `name`"],
    );
}

#[test]
fn faults_of_api_keys() {
    let check = |fields: &str, expected: &[&str]| {
        let text = [TENANT, "[[api_key]]\n", fields].concat();
        assert_eq!(faults(&text, true), expected, "{fields}");
    };
    check(
        "",
        &[
            "line 3: `id` is missing",
            "line 3: `scopes` is missing: expected a list such as `[\"*\"]`",
            "line 3: `secret` is missing: expected it, or `secret_file`",
            "line 3: `tenant` is missing",
        ],
    );
    let rest = "id = \"a\"\nsecret = \"0123456789abcdef\"\nscopes = []\n";
    check(
        &["tenant = \"u\"\n", rest].concat(),
        &["line 4: `tenant` is `u`: expected one that this file declares as `[[tenant]]`"],
    );
    let whose = "tenant = \"t\"\nid = \"a\"\n";
    check(
        &[whose, "secret = \"s\"\nsecret_file = \"cid.secret\"\nscopes = []\n"].concat(),
        &["line 6: both `secret` and `secret_file` are there: expected one of them"],
    );
    check(
        &[whose, "secret = 12345678\nscopes = []\n"].concat(),
        &["line 6: `secret` is a value of type integer: expected a string"],
    );
    check(
        &[whose, "secret = \"hunter 2\"\nbearer = \"\"\nscopes = []\n"].concat(),
        &[
            "line 6: `secret` is not fit for an HTTP field: expected visible ASCII characters without spaces",
            "line 7: `bearer` is empty: expected visible ASCII characters without spaces",
        ],
    );
    check(
        &[whose, "secret_file = \"none.secret\"\nscopes = []\n"].concat(),
        &["line 6: `secret_file` `none.secret` cannot be read: No such file or directory (os error 2)"],
    );
    check(
        &[whose, "secret_file = \"two-lines.secret\"\nscopes = []\n"].concat(),
        &["line 6: `secret_file` is not fit for an HTTP field: expected visible ASCII characters without spaces"],
    );
    check(
        &[whose, "secret_file = \"noise.secret\"\nscopes = []\n"].concat(),
        &["line 6: `secret_file` `noise.secret` does not hold text: expected a secret on one line"],
    );
    let secret = "secret = \"0123456789abcdef\"\n";
    check(
        &[whose, secret, "bearer = \"0123456789abcdef\"\nscopes = []\n"].concat(),
        &["line 7: `bearer` is the same as the secret on line 6: expected each to be different"],
    );
    check(
        &[whose, secret, "scopes = [\"object:reed\", 5,\n \"*\"]\nbuckets = [\"A\"]\n"].concat(),
        &[
            "line 7: `scopes` holds a value of type integer: expected strings",
            "line 9: `buckets`: `A` is not a bucket name: 3 to 128 lower-case letters, digits, `-`, `_` or `.`",
        ],
    );
    check(
        &[whose, secret, "scopes = [\n\"object:reed\",\n \"Admin\"]\n"].concat(),
        &[
            "line 8: `scopes`: `object:reed` is not a scope: expected one of `*`, `bucket:create`, `bucket:read`, `bucket:delete`, \
         `object:read`, `object:write`, `object:create`, `link:issue`, `link:revoke`, `audit:read`, `admin`",
            "line 9: `scopes`: `Admin` is not a scope: expected one of `*`, `bucket:create`, `bucket:read`, `bucket:delete`, \
         `object:read`, `object:write`, `object:create`, `link:issue`, `link:revoke`, `audit:read`, `admin`",
        ],
    );
    let again = "[[api_key]]\ntenant = \"t\"\nid = \"a\"\nsecret = \"fedcba9876543210\"\nscopes = []\n";
    check(&[whose, secret, "scopes = []\n", again].concat(), &["line 10: API key `a` is on line 5 already"]);
}

#[test]
fn faults_of_buckets() {
    let check = |fields: &str, expected: &[&str]| {
        let text = [TENANT, "[[bucket]]\ntenant = \"t\"\n", fields].concat();
        assert_eq!(faults(&text, true), expected, "{fields}");
    };
    check(
        "name = \"A\"\nregion = \"a b\"\nretention = \"eternal\"\npublic = \"yes\"\nsize = 5\n",
        &[
            "line 5: `name`: `A` is not a bucket name: 3 to 128 lower-case letters, digits, `-`, `_` or `.`",
            "line 6: `region`: `a b` is not a region: 1 to 32 letters, digits, `-` or `_`",
            "line 7: `retention` is `eternal`: expected `persistent`, `transient` or `temporary`",
            "line 8: `public` is a value of type string: expected `true` or `false`",
            "line 9: `size` is unknown: expected `tenant`, `name`, `region`, `retention`, `public`",
        ],
    );
    check("name = \"abc\"\n[[bucket]]\nname = \"abc\"\ntenant = \"t\"\n", &["line 7: bucket `abc` is on line 5 already"]);
}

#[test]
fn faults_of_signing_keys() {
    let check = |fields: &str, expected: &[&str]| {
        let text = [TENANT, "[[signing_key]]\ntenant = \"t\"\n", fields].concat();
        assert_eq!(faults(&text, true), expected, "{fields}");
    };
    check(
        "",
        &[
            "line 3: `algorithm` is missing",
            "line 3: `kid` is missing",
            "line 3: `owner` is missing",
            "line 3: `secret_file` is missing",
        ],
    );
    check(
        "kid = \"k\"\nalgorithm = \"ES256\"\nsecret_file = \"short.key\"\nowner = \"nobody\"\nmax_lifetime_seconds = 0\n",
        &[
            "line 6: `algorithm` is `ES256`: expected `HS256`",
            "line 7: `secret_file` `short.key` holds 31 bytes: expected at least 32 random ones",
            "line 8: `owner` is `nobody`: expected `server`, or the id of an API key of the same tenant in this file",
            "line 9: `max_lifetime_seconds` is `0`: expected 1 to 34560000",
        ],
    );
    let good = "kid = \"k\"\nalgorithm = \"HS256\"\nsecret_file = \"app-1.key\"\nowner = \"server\"\n";
    check(
        &[good, "max_lifetime_seconds = -1\n[[signing_key]]\ntenant = \"t\"\n", good].concat(),
        &[
            "line 9: `max_lifetime_seconds` is a value of type integer: expected a whole number, not negative",
            "line 12: signing key `k` is on line 5 already",
        ],
    );
}

#[test]
fn another_tenants_key_is_no_owner() {
    let text = "[[tenant]]\nname = \"t\"\n[[tenant]]\nname = \"u\"\n[[api_key]]\ntenant = \"u\"\nid = \"a\"\n\
                secret = \"0123456789abcdef\"\nscopes = []\n[[signing_key]]\ntenant = \"t\"\nkid = \"k\"\n\
                algorithm = \"HS256\"\nsecret_file = \"app-1.key\"\nowner = \"a\"\n";
    let expected = "line 15: `owner` is `a`: expected `server`, or the id of an API key of the same tenant in this file";
    assert_eq!(faults(text, true), [expected]);
}

#[test]
fn a_file_that_cannot_be_read() {
    let error = read(Path::new("/does/not/exist.toml"), true).unwrap_err();
    assert_eq!(error.to_string(), "the bootstrap file `/does/not/exist.toml` cannot be read");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn all_faults_are_in_the_message() {
    let directory = tempfile::tempdir().unwrap();
    let message = read_in(directory.path(), EXAMPLE, false).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 3, "{message}");
    assert!(message.contains("bootstrap.toml") && message.contains("\n  line 9: ") && message.contains("\n  line 10: "));
}
