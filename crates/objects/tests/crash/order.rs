//! By the system calls: everything was synced, in the right order, before it was said to be done.

use super::{Ground, put_one};
use std::collections::BTreeSet;
use std::path::Path;
use valetkey_model::BlobId;
use valetkey_testkit::objects::{Call, Trace};

/// Stores one blob in a new store, with these variables set, and says what of the order was not kept.
fn faults_in_order(size: usize, environment: &[&str]) -> BTreeSet<&'static str> {
    let ground = Ground::new();
    let blob = ground.blob();
    let trace = traced(&ground, environment, blob, size, "keep");
    faults_in(&trace, &ground.path(), &ground.root(), blob)
}

fn traced(ground: &Ground, environment: &[&str], blob: BlobId, size: usize, fate: &str) -> Trace {
    let (put_one, directory) = (put_one().display().to_string(), ground.path().display().to_string());
    let upload = [put_one, directory, blob.to_string(), size.to_string(), fate.to_owned()];
    let arguments: Vec<&str> = environment.iter().copied().chain(upload.iter().map(String::as_str)).collect();
    let (trace, output) = Trace::of(Path::new("env"), &arguments, &[], &ground.path().join("trace")).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    trace
}

fn faults_in(trace: &Trace, parent: &Path, root: &Path, blob: BlobId) -> BTreeSet<&'static str> {
    let descriptor = |path: &Path| format!("<{}>", path.display());
    let (incoming, blobs) = (root.join("incoming"), root.join("blobs"));
    let hour = blobs.join(blob.hour().to_string());
    let (of_parent, of_root, of_incoming, of_blobs, of_hour, of_file) = (
        descriptor(parent),
        descriptor(root),
        descriptor(&incoming),
        descriptor(&blobs),
        descriptor(&hour),
        descriptor(&incoming.join(blob.to_string())),
    );
    let store_name = format!("\"{}\"", root.display());
    let (blob_name, hour_name) = (format!("\"{blob}\""), format!("\"{}\"", blob.hour()));

    let calls = |name, argument| trace.calls(name, argument);
    let written = || calls("pwrite64", &of_file);
    let opened = || calls("openat2", &blob_name).into_iter().chain(calls("openat", &blob_name));
    let named = || opened().filter(|call| call.arguments.contains(&of_incoming) && call.arguments.contains("O_CREAT"));
    let linked = || calls("linkat", &blob_name).into_iter().filter(|call| call.arguments.contains(&of_hour));
    let hour_made = || calls("mkdirat", &hour_name).into_iter().filter(|call| call.arguments.contains(&of_blobs));
    let said = |what| calls("write", what).into_iter().filter(|call| call.arguments.starts_with("1<"));
    let finished = || said("\"finished");

    let kept = [
        ("the file is synced before its name is", trace.in_order(written(), calls("fdatasync", &of_file), linked())),
        (
            "its name in `incoming/` is synced before the one in `blobs/`",
            trace.in_order(named(), calls("fsync", &of_incoming), linked()),
        ),
        ("the content is durable before the name in `incoming/` is said to be", {
            trace.in_order(calls("fdatasync", &of_file), calls("fsync", &of_incoming), linked())
        }),
        ("its name in `blobs/` is synced before it is finished", trace.in_order(linked(), calls("fsync", &of_hour), finished())),
        ("a new hour is synced before it is finished", trace.in_order(hour_made(), calls("fsync", &of_blobs), finished())),
        ("a new store's directories are synced", {
            let made = || calls("mkdirat", "\"incoming\"").into_iter().chain(calls("mkdirat", "\"blobs\""));
            trace.in_order(made(), calls("fsync", &of_root), finished())
        }),
        ("a new store itself is synced", {
            let made = || calls("mkdir", &store_name).into_iter().chain(calls("mkdirat", &store_name));
            trace.in_order(made(), calls("fsync", &of_parent), finished())
        }),
        ("the name in `incoming/` stays until the row is committed", {
            let gone = || calls("unlinkat", &blob_name).into_iter().filter(|call| call.arguments.contains(&of_incoming));
            trace.in_order(finished(), said("\"committed"), gone())
        }),
    ];
    kept.into_iter().filter(|(_, kept)| !kept).map(|(promise, _)| promise).collect()
}

#[test]
fn of_a_small_blob() {
    assert_eq!(faults_in_order(4_096, &[]), BTreeSet::new());
}

#[test]
fn of_a_blob_of_many_pieces() {
    assert_eq!(faults_in_order(20 << 20, &[]), BTreeSet::new());
}

#[test]
fn is_seen_when_it_is_not_kept() {
    let without = |sabotage: &str| faults_in_order(4_096, &[&format!("VALETKEY_SABOTAGE={sabotage}")]);
    assert!(without("no-fsync").contains("the file is synced before its name is"));
    let directories = without("no-directory-sync");
    for promise in [
        "its name in `incoming/` is synced before the one in `blobs/`",
        "its name in `blobs/` is synced before it is finished",
        "a new hour is synced before it is finished",
    ] {
        assert!(directories.contains(promise), "{directories:?}");
    }
}

/// Of a blob to be removed: its name in `blobs/` is durably gone before `then`.
fn is_gone_before<'a>(ground: &Ground, trace: &'a Trace, blob: BlobId, then: impl IntoIterator<Item = &'a Call>) -> bool {
    let hour = format!("<{}>", ground.root().join("blobs").join(blob.hour().to_string()).display());
    let name = format!("\"{blob}\"");
    let unlinked: Vec<_> = trace.calls("unlinkat", &name).into_iter().filter(|call| call.arguments.contains(&hour)).collect();
    trace.in_order(unlinked, trace.calls("fsync", &hour), then)
}

#[test]
fn of_what_is_removed() {
    let (ground, blob) = (Ground::new(), Ground::new().blob());
    let trace = traced(&ground, &[], blob, 10, "delete");
    assert!(is_gone_before(&ground, &trace, blob, trace.calls("write", "\"deleted")), "deleted");

    let last_name = |blob: BlobId| format!("incoming>, \"{blob}\"");
    let (ground, blob) = (Ground::new(), Ground::new().blob());
    let trace = traced(&ground, &[], blob, 10, "refuse");
    assert!(is_gone_before(&ground, &trace, blob, trace.calls("unlinkat", &last_name(blob))), "refused");

    let (ground, blob, next) = (Ground::new(), Ground::new().blob(), Ground::new().blob());
    assert!(!ground.put(blob, 10).env("VALETKEY_CRASH_AT", "linked").status().unwrap().success());
    let trace = traced(&ground, &[], next, 10, "keep");
    assert!(is_gone_before(&ground, &trace, blob, trace.calls("unlinkat", &last_name(blob))), "found at a start");
    assert!(trace.in_order(
        trace.calls("unlinkat", &last_name(blob)),
        trace.calls("fsync", "incoming>"),
        trace.calls("write", "\"recovered")
    ));
}
