//! The master key: made once, read back, refused where others could read it too.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use valetkey_server::data_directory::DataDirectory;
use valetkey_server::entropy::SystemEntropy;
use valetkey_server::master_key::{MasterKeyError, obtain};

struct Rig {
    directory: DataDirectory,
    parent: TempDir,
}

impl Rig {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        Self { directory: DataDirectory::open(&parent.path().join("data")).unwrap(), parent }
    }

    fn obtain(&self, file: Option<&Path>, variable: Option<&OsStr>) -> Result<(), MasterKeyError> {
        obtain(file, variable, &self.directory, &SystemEntropy::open().unwrap()).map(drop)
    }

    fn file(&self, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.parent.path().join("given.key");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn refused(&self, file: Option<&Path>, variable: Option<&OsStr>) -> String {
        let message = self.obtain(file, variable).unwrap_err().to_string();
        assert!(!self.directory.master_key().exists(), "what is given and wrong must not be passed over");
        message
    }
}

#[test]
fn is_made_once() {
    let rig = Rig::new();
    rig.obtain(None, None).unwrap();
    let path = rig.directory.master_key();
    let made = std::fs::read(&path).unwrap();
    assert_eq!(made.len(), 32);
    assert_ne!(made, [0; 32]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    rig.obtain(None, None).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), made);
}

#[test]
fn what_a_crash_left_half_made_is_made_anew() {
    let rig = Rig::new();
    std::fs::write(rig.directory.path().join("master.key.new"), "half").unwrap();
    rig.obtain(None, None).unwrap();
    assert_eq!(std::fs::read(rig.directory.master_key()).unwrap().len(), 32);
    assert!(!rig.directory.path().join("master.key.new").exists());
}

#[test]
fn is_not_made_beside_a_database_that_needs_another() {
    let rig = Rig::new();
    std::fs::write(rig.directory.metadata(), "").unwrap();
    let message = rig.refused(None, None);
    assert!(message.contains("is missing") && message.contains("put the file back"), "{message}");
}

#[test]
fn files() {
    let rig = Rig::new();
    let check = |bytes: &[u8], mode: u32, expected: &str| {
        let message = rig.refused(Some(&rig.file(bytes, mode)), None);
        assert!(message.contains(expected), "{message}");
    };
    check(&[7; 31], 0o600, "holds 31 bytes: expected exactly 32");
    check(&[], 0o600, "holds 0 bytes: expected exactly 32");
    check(&[7; 33], 0o600, "holds more than 32 bytes: expected exactly 32");
    check(&[7; 32], 0o640, "has mode 0640: expected 0600");
    check(&[7; 32], 0o604, "has mode 0604: expected 0600");
    let missing = rig.refused(Some(Path::new("/does/not/exist")), None);
    assert!(missing.contains("failed to read") && missing.contains("/does/not/exist"), "{missing}");
    rig.obtain(Some(&rig.file(&[7; 32], 0o600)), None).unwrap();
    rig.obtain(Some(&rig.file(&[7; 32], 0o400)), None).unwrap();
    assert!(!rig.directory.master_key().exists());
}

#[test]
fn the_environment_variable() {
    let rig = Rig::new();
    let hexadecimal = [7; 32].iter().fold(String::new(), |mut text, byte: &u8| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let upper = hexadecimal.to_uppercase();
    for text in [
        hexadecimal.as_str(),
        &upper,
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        "__________________________________________8",
        "//////////////////////////////////////////8=",
    ] {
        rig.obtain(None, Some(OsStr::new(text))).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for (text, expected) in [
        ("", "holds 0 bytes"),
        ("BwcH", "holds 3 bytes"),
        ("not a key", "holds 9 characters that are neither"),
        (&hexadecimal[1..], "63 characters that are neither"),
    ] {
        let message = rig.refused(None, Some(OsStr::new(text)));
        assert!(message.contains(expected) && message.contains("expected 32 bytes as 64 hexadecimal digits"), "{message}");
        assert!(text.len() < 5 || !message.contains(text), "{message}");
    }
    assert!(rig.refused(None, Some(OsStr::from_bytes(&[0xff; 43]))).contains("what is not text"));
}

#[test]
fn a_file_goes_before_the_variable() {
    let rig = Rig::new();
    rig.obtain(Some(&rig.file(&[7; 32], 0o600)), Some(OsStr::new("wrong"))).unwrap();
    rig.refused(Some(&rig.file(&[7; 3], 0o600)), Some(OsStr::new("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc")));
}
