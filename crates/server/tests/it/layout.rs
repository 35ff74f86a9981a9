//! The map of crates holds: no dialect knows another, a store or SQL, each has the same files, and none is named below them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a dialect may be built on, of our own.
const FOUNDATION: [&str; 4] = ["valetkey-model", "valetkey-service", "valetkey-http-common", "valetkey-dataplane"];
const FILES: [&str; 6] = ["lib.rs", "routes.rs", "wire.rs", "translate.rs", "errors.rs", "face.rs"];
const VENDORS: [&str; 4] = ["autodesk", "redivis", "datalab", "flexportal"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn dialects() -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(crates().join("dialects")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn dependencies(folder: &Path) -> BTreeSet<String> {
    let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

/// Every source file below a folder, and its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).unwrap();
            found.push((entry, text));
        }
    }
    found
}

#[test]
fn a_dialect_is_built_on_service_and_wire_alone() {
    let folders = dialects();
    assert_eq!(folders.len(), VENDORS.len() + 1, "{folders:?}");
    for folder in folders {
        let dependencies = dependencies(&folder);
        let ours: Vec<_> = dependencies.iter().filter(|name| name.starts_with("valetkey-")).collect();
        assert!(ours.iter().all(|name| FOUNDATION.contains(&name.as_str())), "{}: {ours:?}", folder.display());
        assert!(!dependencies.iter().any(|name| name.contains("sql")), "{}: {dependencies:?}", folder.display());
    }
}

#[test]
fn all_dialects_have_the_same_files() {
    for folder in dialects() {
        for file in FILES {
            assert!(folder.join("src").join(file).is_file(), "{}: {file}", folder.display());
        }
    }
}

/// The names of vendors are values of `Dialect`, and stand in documents; no path of code below the dialects asks for one by name
/// in SQL or decides by it.
#[test]
fn no_vendor_is_named_in_tables() {
    for folder in ["metadata", "objects"] {
        let migrations = crates().join(folder).join("src");
        for (file, text) in sources(&migrations) {
            let text = text.to_lowercase();
            let named: Vec<_> = VENDORS.iter().filter(|vendor| text.contains(**vendor)).collect();
            assert!(named.is_empty(), "{}: {named:?}", file.display());
        }
    }
    for entry in fs::read_dir(crates().join("metadata/src/migrations/sqlite")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap().to_lowercase();
        assert!(!VENDORS.iter().any(|vendor| text.contains(vendor)), "{text}");
    }
}

#[test]
fn a_vendor_s_crate_names_no_other_vendor() {
    for folder in dialects() {
        let own = folder.file_name().unwrap().to_str().unwrap().to_owned();
        for (file, text) in sources(&folder.join("src")) {
            let text = text.to_lowercase();
            let others: Vec<_> = VENDORS.iter().filter(|vendor| **vendor != own && text.contains(**vendor)).collect();
            assert!(others.is_empty(), "{}: {others:?}", file.display());
        }
    }
}
