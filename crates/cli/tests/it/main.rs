//! The real binary against a server of the tests' own: what it asks, what it prints, how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "the files of the tests are their own")]

mod fake;

mod terminal;

mod put;

mod get;

mod resume;

mod ls;

mod rm;

mod sign;

mod revoke;

mod links;

mod bucket;

mod api_key;

mod signing_key;

mod failures;

mod serve;
