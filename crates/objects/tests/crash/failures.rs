//! Every system call that can fail does, once; and a limit of file size is reached, which needs no rights to set.

use super::{Ground, put_one};
use std::path::PathBuf;
use std::process::Command;
use valetkey_model::BlobId;
use valetkey_testkit::objects::Trace;

const SIZE: usize = 300_000;

/// What a call that is to fail is about.
#[derive(Clone, Copy, Debug)]
enum Of {
    Root,
    Incoming,
    File,
    Blobs,
    Hour,
}

impl Of {
    fn path(self, ground: &Ground, blob: BlobId) -> PathBuf {
        let (root, name) = (ground.root(), blob.to_string());
        match self {
            Self::Root => root,
            Self::Incoming => root.join("incoming"),
            Self::File => root.join("incoming").join(name),
            Self::Blobs => root.join("blobs"),
            Self::Hour => root.join("blobs").join(blob.hour().to_string()),
        }
    }
}

/// Has this call fail once, in an upload into a new store; then, if each thread made more of them, the second one of a thread,
/// and so on.
fn fail_each(call: &str, of: Of, errno: &str) {
    let no_space = matches!(errno, "ENOSPC" | "EDQUOT");
    for n in 1..100 {
        let ground = Ground::new();
        let (blob, trace) = (ground.blob(), ground.path().join("trace"));
        let arguments = [ground.path().display().to_string(), blob.to_string(), SIZE.to_string()];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let injection = format!("--inject={call}:error={errno}:when={n}");
        let only = format!("--trace-path={}", of.path(&ground, blob).display());
        let (_, output) = Trace::of(&put_one(), &arguments, &[&injection, &only], &trace).unwrap();
        if !std::fs::read_to_string(&trace).unwrap().contains("(INJECTED)") {
            assert!(n > 1, "{call} of {of:?} was never called");
            return;
        }
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let what = format!("{errno} of {call} of {of:?}, no. {n}; it said: {said}{complained}");
        if said.contains("finished") {
            // Only what is done after it may fail without anybody's notice.
            assert!(call == "unlinkat" && ground.rows().len() == 1, "{what}");
        } else {
            let expected = if no_space { "NoSpace" } else { "Unavailable" };
            assert!(!output.status.success() && complained.contains(expected), "{what}");
            assert_eq!(ground.rows().len(), 0, "{what}");
            if no_space {
                assert_eq!((ground.names("incoming").len(), ground.finished().len()), (0, 0), "left behind by {what}");
            }
        }
        ground.assert_recovers(SIZE, &what);
    }
}

#[test]
fn no_space() {
    for errno in ["ENOSPC", "EDQUOT"] {
        fail_each("pwrite64", Of::File, errno);
        fail_each("fdatasync", Of::File, errno);
        fail_each("fsync", Of::Incoming, errno);
        fail_each("mkdirat", Of::Blobs, errno);
        fail_each("fsync", Of::Blobs, errno);
        fail_each("linkat", Of::Hour, errno);
        fail_each("fsync", Of::Hour, errno);
    }
}

#[test]
fn a_disk_that_fails() {
    for (call, of) in [
        ("fsync", Of::Root),
        ("pwrite64", Of::File),
        ("fdatasync", Of::File),
        ("fsync", Of::Incoming),
        ("fsync", Of::Blobs),
        ("linkat", Of::Hour),
        ("fsync", Of::Hour),
        ("unlinkat", Of::Incoming),
    ] {
        fail_each(call, of, "EIO");
    }
}

#[test]
fn the_largest_file_allowed() {
    let ground = Ground::new();
    // In units of 512 bytes or of 1 KiB, as the shell pleases: more than one buffer, less than the whole either way. The signal
    // that comes with the limit is ignored, as it is in a server.
    let script = "trap '' XFSZ; ulimit -f 280; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(put_one())
        .args([ground.path().display().to_string(), ground.blob().to_string(), "300000".to_owned()])
        .output()
        .unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && complained.contains("NoSpace"), "{complained}");
    assert_eq!((ground.names("incoming").len(), ground.finished().len()), (0, 0));
    ground.assert_recovers(300_000, "the limit");
}
