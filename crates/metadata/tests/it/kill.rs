//! The store is killed while it acknowledges writes: what it acknowledged is there, what it did not is there wholly or not at
//! all, and the file is sound.

use crate::SqliteDirectory;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use valetkey_metadata::sqlite::SqliteStore;
use valetkey_metadata::{GrantKey, MetadataStore};
use valetkey_model::{BlobId, Entropy as _, LinkId, ObjectKey};
use valetkey_testkit::{FixedClock, SeededEntropy};

/// More than it can write before it is killed.
const ENDLESS: u64 = 1 << 32;

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_any_instant() {
    let (directory, entropy) = (SqliteDirectory::new(), SeededEntropy::from_environment());
    let (mut first, mut acknowledged) = (0, BTreeSet::new());
    for callers in [1, 1, 2, 8, 8, 32, 32, 128] {
        let mut random = [0; 2];
        entropy.fill(&mut random);
        let n_wanted = usize::from(u16::from_le_bytes(random)) % 400 + 1;
        let found = killed_after(&directory.file(), first, callers, n_wanted);
        assert!(found.len() >= n_wanted, "{} of {n_wanted} acknowledged", found.len());
        let last = found.last().copied().unwrap_or(first) + u64::from(callers);
        acknowledged.extend(found);

        let store = directory.open_here(FixedClock::default());
        assert_eq!(store.integrity_faults().await.unwrap(), [""; 0]);
        for number in 0..=last {
            let there = is_there(&store, number).await;
            assert!(there || !acknowledged.contains(&number), "{number} was acknowledged and is not there");
        }
        first = last + 1;
    }
}

/// Lets it write, and kills it when it has acknowledged so many; what it has acknowledged by then.
fn killed_after(file: &Path, first: u64, callers: u32, n_wanted: usize) -> BTreeSet<u64> {
    let mut child = Command::new(acknowledge())
        .arg(file)
        .args([first.to_string(), ENDLESS.to_string(), callers.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged: BTreeSet<u64> = lines.by_ref().take(n_wanted).map(|line| line.unwrap().parse().unwrap()).collect();
    child.kill().unwrap();
    // What it wrote between the last line read and its death counts too.
    acknowledged.extend(lines.filter_map(|line| line.ok()?.parse::<u64>().ok()));
    child.wait().unwrap();
    acknowledged
}

/// Whether the object of this number is there; and if so, the use that it spent.
async fn is_there(store: &SqliteStore, number: u64) -> bool {
    let object = store.object(&"reports".parse().unwrap(), &number.to_string().parse::<ObjectKey>().unwrap()).await.unwrap();
    let link_id = LinkId::from_bytes(u128::from(number).to_be_bytes());
    let ledger = store.ledger(&GrantKey { tenant: "acme".parse().unwrap(), signing_key: None, link_id }).await.unwrap();
    assert_eq!(object.as_ref().map(|_| 1), ledger.map(|ledger| ledger.n_spent()), "half of {number} is there");
    if let Some(object) = &object {
        assert_eq!(object.blob, BlobId::from_bytes(u128::from(number).to_be_bytes()));
    }
    object.is_some()
}

/// The example, which cargo builds with the tests.
fn acknowledge() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    deps.parent().unwrap().parent().unwrap().join("examples/acknowledge")
}
