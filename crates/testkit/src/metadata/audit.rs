//! The audit: what is recorded, with which act, in which chain; sealed, searched, erased from, dropped.

use super::sample::DAY;
use super::{Trial, name};
use std::sync::Arc;
use valetkey_metadata::audit::{GENESIS, ROWS_PER_CHECKPOINT, row_hash};
use valetkey_metadata::ledger::Settlement;
use valetkey_metadata::{
    AuditChain, AuditEntry, AuditFilter, AuditKeyRow, AuditPage, AuditRow, AuditSealer, AuditStretch, Erasure, MetadataStore,
    Personal,
};
use valetkey_model::{Action, Clock as _, LinkId, Outcome, Refusal, Timestamp};

/// A seal that anybody can make.
struct Stamp;

impl AuditSealer for Stamp {
    fn key_id(&self) -> &str {
        "stamp"
    }

    fn seal(&self, message: &[u8]) -> [u8; 64] {
        let mut seal = [0; 64];
        seal.iter_mut().zip(message.iter().cycle()).for_each(|(byte, of_message)| *byte = *of_message);
        seal
    }
}

fn acme() -> AuditChain {
    AuditChain::of(Some(&name("acme")))
}

fn entry(action: Action) -> AuditEntry {
    AuditEntry::new(Some(name("acme")), action)
}

fn personal(value: &str) -> Option<Personal> {
    Some(Personal { salt: [7; 16], value: value.to_owned() })
}

async fn all(store: &Arc<dyn MetadataStore>, chain: &AuditChain) -> AuditStretch {
    let stretch = store.audit_stretch(chain, 0, 10_000).await.unwrap();
    assert!(!stretch.more);
    assert_linked(chain, &stretch.rows);
    stretch
}

/// Each row is hashed with the one before it.
fn assert_linked(chain: &AuditChain, rows: &[AuditRow]) {
    for (position, row) in rows.iter().enumerate() {
        let before = position.checked_sub(1).map(|before| &rows[before]);
        assert!(before.is_none_or(|before| (before.seq + 1, before.hash) == (row.seq, row.prev)), "row {}", row.seq);
        assert_eq!(row_hash(chain.as_str(), row.seq, &row.prev, &row.json), row.hash, "row {}", row.seq);
    }
}

fn field(row: &AuditRow, field: &str) -> String {
    let json: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(&row.json).unwrap();
    json.get(field).map_or(String::new(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn outcomes(rows: &[AuditRow]) -> Vec<(String, String)> {
    rows.iter().map(|row| (field(row, "action"), field(row, "outcome"))).collect()
}

/// With everything that it says, in its tenant's chain, and there after the store was closed.
pub async fn an_act_is_recorded_with_its_row(trial: Trial) {
    let store = trial.open_furnished().await;
    let said = AuditEntry {
        principal: Some(name("cid")),
        subject: Some("cid".to_owned()),
        detail: Some("made".to_owned()),
        n_requests: 3,
        bytes: 40,
        address: personal("192.0.2.1"),
        label: personal("Q3"),
        ..entry(Action::BucketCreate)
    };
    store.recording(vec![said.clone()]).create_bucket(trial.bucket("more", "acme")).await.unwrap();
    drop(store);
    let store = trial.open().await;
    let rows = all(&store, &acme()).await.rows;
    assert_eq!((rows.len(), rows[0].seq, rows[0].prev), (1, 1, GENESIS));
    for (name, value) in [
        ("action", "bucket.create"),
        ("at", &trial.clock.now().rfc3339()),
        ("principal", "cid"),
        ("detail", "made"),
        ("n_requests", "3"),
        ("bytes", "40"),
        ("address", &said.address.as_ref().unwrap().digest()),
        ("label", &said.label.as_ref().unwrap().digest()),
    ] {
        assert_eq!(field(&rows[0], name), value, "{name}");
    }
    assert!(!rows[0].json.contains("192.0.2.1") && !rows[0].json.contains("Q3"));
    assert_eq!(rows[0].personal.get("address"), said.address.as_ref());
    assert_eq!(rows[0].personal.get("user_agent"), None);
}

/// It did not happen.
pub async fn what_fails_is_not_recorded(trial: Trial) {
    let store = trial.open_furnished().await;
    let recording = store.recording(vec![entry(Action::BucketCreate)]);
    recording.create_bucket(trial.bucket("reports", "acme")).await.unwrap_err();
    recording.publish(valetkey_metadata::Publication { bucket: name("none"), ..trial.publication("a") }).await.unwrap_err();
    assert_eq!(all(&store, &acme()).await, AuditStretch::default());
    recording.create_bucket(trial.bucket("more", "acme")).await.unwrap();
    assert_eq!(all(&store, &acme()).await.rows.len(), 1);
}

/// What was so already, or is not there, was not done.
pub async fn what_changes_nothing_is_not_recorded(trial: Trial) {
    let store = trial.open_furnished().await;
    let publication = trial.publication("a");
    let publishing = store.recording(vec![entry(Action::ObjectPublish)]);
    publishing.publish(publication.clone()).await.unwrap();
    publishing.publish(publication).await.unwrap();
    publishing.publish(trial.publication("a")).await.unwrap();
    let deleting = store.recording(vec![entry(Action::ObjectDelete)]);
    for _ in 0..2 {
        deleting.delete_object(&name("acme"), &name("reports"), &name("a"), None, trial.now()).await.unwrap();
    }
    let rows = all(&store, &acme()).await.rows;
    let details: Vec<_> = rows.iter().map(|row| (field(row, "action"), field(row, "detail"))).collect();
    let expected = [("object.publish", "created"), ("object.publish", "replaced"), ("object.delete", "")];
    assert_eq!(details, expected.map(|(action, detail)| (action.to_owned(), detail.to_owned())));
}

/// Opened, refused, settled: with the session, in the ledger's own transaction.
pub async fn the_ledger_says_what_came_of_it(trial: Trial) {
    let store = trial.open_furnished().await;
    let (redeeming, grant) = (store.recording(vec![entry(Action::UrlRedeem)]), trial.grant());
    let ask = trial.ask();
    let reserved = redeeming.reserve(&grant, trial.tomorrow(), ask.clone()).await.unwrap().unwrap();
    redeeming.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap_err();
    let settling = store.recording(vec![entry(Action::UrlSettle)]);
    let settlement = |sent_bytes| Settlement {
        now: trial.now(),
        rules: ask.rules,
        reservation: reserved.reservation,
        sent_bytes,
        whole: sent_bytes == 1_000,
    };
    settling.settle(&grant, settlement(1_000)).await.unwrap();
    redeeming.reserve(&grant, trial.tomorrow(), trial.ask()).await.unwrap().unwrap_err();
    let rows = all(&store, &acme()).await.rows;
    let expected = [("url.redeem", "opened"), ("url.redeem", "in_use"), ("url.settle", "completed"), ("url.redeem", "used_up")];
    assert_eq!(outcomes(&rows), expected.map(|(action, outcome)| (action.to_owned(), outcome.to_owned())));
    assert_eq!(field(&rows[0], "session"), reserved.session.to_string());
}

/// And the installation's is nobody's.
pub async fn tenants_have_chains_of_their_own(trial: Trial) {
    let store = trial.open_furnished().await;
    let other = AuditEntry::new(Some(name("other")), Action::UrlIssue);
    let nobody = AuditEntry::new(None, Action::UrlRedeem);
    store.append_audit(vec![entry(Action::UrlIssue), other, nobody, entry(Action::UrlRevoke)]).await.unwrap();
    let other = AuditChain::of(Some(&name("other")));
    for (chain, n_rows) in [(acme(), 2), (other, 1), (AuditChain::of(None), 1)] {
        assert_eq!(all(&store, &chain).await.rows.len(), n_rows, "{chain:?}");
    }
}

/// In one order, without gaps, whoever races.
pub async fn many_writers_make_one_chain(trial: Trial) {
    let store = trial.open_furnished().await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&store);
        let subject = Some(number.to_string());
        writers
            .spawn(async move { store.append_audit(vec![AuditEntry { subject, ..entry(Action::UrlIssue) }; 3]).await.unwrap() });
    }
    writers.join_all().await;
    assert_eq!(all(&store, &acme()).await.rows.len(), 300);
    assert_eq!(store.audit_state().await.unwrap().n_rows, 300);
}

/// By the row they stand behind; a chain that did not grow is left alone.
pub async fn checkpoints_seal_what_has_grown(trial: Trial) {
    let store = trial.open_furnished().await;
    store.append_audit(vec![entry(Action::UrlIssue)]).await.unwrap();
    assert_eq!(store.seal_audit(trial.now()).await.unwrap(), 0, "without a sealer");
    store.seal_audit_with(Arc::new(Stamp));
    assert_eq!(store.seal_audit(trial.now()).await.unwrap(), 1);
    assert_eq!(store.seal_audit(trial.now()).await.unwrap(), 0);
    store.append_audit(vec![entry(Action::UrlIssue); 2]).await.unwrap();
    assert_eq!(store.audit_state().await.unwrap().n_unsealed, 2);
    assert_eq!(store.seal_audit(trial.now()).await.unwrap(), 1);
    let AuditStretch { rows, checkpoints, .. } = all(&store, &acme()).await;
    assert_eq!(checkpoints.iter().map(|checkpoint| checkpoint.seq).collect::<Vec<_>>(), [1, 3]);
    for checkpoint in &checkpoints {
        let row = rows.iter().find(|row| row.seq == checkpoint.seq).unwrap();
        assert_eq!((checkpoint.hash, checkpoint.key_id.as_str()), (row.hash, "stamp"));
        assert!(checkpoint.signature.starts_with(br#"{"at":""#));
    }
}

/// Without being asked.
pub async fn a_chain_that_grows_fast_seals_itself(trial: Trial) {
    let store = trial.open_furnished().await;
    store.seal_audit_with(Arc::new(Stamp));
    let n_rows = usize::try_from(2 * ROWS_PER_CHECKPOINT + 10).unwrap();
    store.append_audit(vec![entry(Action::UrlIssue); n_rows]).await.unwrap();
    let checkpoints = all(&store, &acme()).await.checkpoints;
    let sealed: Vec<_> = checkpoints.iter().map(|checkpoint| checkpoint.seq).collect();
    assert_eq!(sealed, [ROWS_PER_CHECKPOINT, 2 * ROWS_PER_CHECKPOINT]);
}

/// By object, link, principal, outcome and time, the newest first, page by page.
pub async fn rows_are_found_by_what_they_say(trial: Trial) {
    let store = trial.open_furnished().await;
    let (began, link_id) = (trial.now(), trial.link_id());
    let refused = Outcome::Refused(Refusal::Expired);
    let plain = entry(Action::UrlRedeem);
    let of_object = |key: &str| AuditEntry { bucket: Some(name("reports")), key: Some(name(key)), ..plain.clone() };
    let entries = [
        of_object("a"),
        AuditEntry { link_id: Some(link_id), ..of_object("a") },
        AuditEntry { principal: Some(name("cid")), ..of_object("b") },
        AuditEntry { outcome: refused, ..plain.clone() },
        AuditEntry { link_id: Some(link_id), outcome: refused, ..plain.clone() },
    ];
    for entry in entries {
        store.append_audit(vec![entry]).await.unwrap();
        trial.clock.advance(DAY);
    }
    // Found before the references know of them, while they know of some, and by the references alone.
    for n_indexed in [0, 2, 3] {
        assert_eq!(store.index_audit(n_indexed).await.unwrap(), u64::from(n_indexed));
        assert_search(&*store, began, link_id, refused, trial.now()).await;
    }
    assert_eq!(store.index_audit(100).await.unwrap(), 0);
}

async fn assert_search(store: &dyn MetadataStore, began: Timestamp, link_id: LinkId, refused: Outcome, now: Timestamp) {
    let any = AuditFilter::default;
    let reports = AuditFilter { bucket: Some(name("reports")), ..any() };
    for (filter, expected) in [
        (any(), vec![5, 4, 3, 2, 1]),
        (reports.clone(), vec![3, 2, 1]),
        (AuditFilter { key: Some(name("a")), ..reports }, vec![2, 1]),
        (AuditFilter { key: Some(name("b")), ..any() }, vec![3]),
        (AuditFilter { link_id: Some(link_id), ..any() }, vec![5, 2]),
        (AuditFilter { link_id: Some(link_id), outcome: Some(refused), ..any() }, vec![5]),
        (AuditFilter { principal: Some(name("cid")), ..any() }, vec![3]),
        (AuditFilter { outcome: Some(refused), ..any() }, vec![5, 4]),
        (AuditFilter { since: Some(began.plus(DAY)), ..any() }, vec![5, 4, 3, 2]),
        (AuditFilter { until: Some(began.plus(DAY)), ..any() }, vec![1]),
        (AuditFilter { since: Some(began.plus(DAY)), until: Some(began.plus(3 * DAY)), ..any() }, vec![3, 2]),
        (AuditFilter { since: Some(now), ..any() }, vec![]),
    ] {
        for limit in [1, 2, 100] {
            let (mut found, mut next) = (Vec::new(), None);
            loop {
                let page: AuditPage = store.audit_page(&acme(), filter.clone(), next, limit).await.unwrap();
                assert!(page.rows.len() <= limit as usize);
                found.extend(page.rows.iter().map(|row| row.seq));
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{filter:?} by {limit}");
        }
    }
    assert_eq!(store.audit_page(&AuditChain::of(None), any(), None, 10).await.unwrap(), AuditPage::default());
}

/// And the chain stays as it was.
pub async fn an_erasure_leaves_the_chain(trial: Trial) {
    let store = trial.open_furnished().await;
    let of = |address: &str| AuditEntry { address: personal(address), label: personal("Q3"), ..entry(Action::UrlRedeem) };
    let other = AuditEntry { tenant: Some(name("other")), ..of("192.0.2.1") };
    store.append_audit(vec![of("192.0.2.1"), of("192.0.2.2"), of("192.0.2.1"), other]).await.unwrap();
    let before = all(&store, &acme()).await.rows;
    let erasure = Erasure::Address("192.0.2.1".to_owned());
    let (mut n_rows, mut after) = (0, Some(0));
    while let Some(from) = after {
        let erased = store.erase_from_audit(&acme(), &erasure, from, 1).await.unwrap();
        (n_rows, after) = (n_rows + erased.n_rows, erased.next);
    }
    assert_eq!(n_rows, 2);
    let rows = all(&store, &acme()).await.rows;
    for (row, before) in rows.iter().zip(&before) {
        assert_eq!((row.hash, &row.json), (before.hash, &before.json));
        assert!(row.personal.contains_key("label"));
        assert_eq!(row.personal.contains_key("address"), row.seq == 2, "row {}", row.seq);
    }
    let other = all(&store, &AuditChain::of(Some(&name("other")))).await.rows;
    assert!(other[0].personal.contains_key("address"), "another tenant's");
}

/// Whole segments, behind their checkpoints, which stay; and the chain says so.
pub async fn old_segments_are_dropped(trial: Trial) {
    let store = trial.open_furnished().await;
    store.seal_audit_with(Arc::new(Stamp));
    for _ in 0..3 {
        store.append_audit(vec![AuditEntry { address: personal("192.0.2.1"), ..entry(Action::UrlIssue) }; 2]).await.unwrap();
        store.seal_audit(trial.now()).await.unwrap();
        trial.clock.advance(DAY);
    }
    store.append_audit(vec![entry(Action::UrlIssue)]).await.unwrap();
    let before = trial.now().minus(DAY);
    assert_eq!(store.drop_audit(before, 10).await.unwrap(), 4);
    assert_eq!(store.drop_audit(before, 10).await.unwrap(), 0);
    let AuditStretch { rows, checkpoints, .. } = all(&store, &acme()).await;
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert_eq!((field(&rows[3], "action"), field(&rows[3], "subject")), ("audit.drop".to_owned(), "4".to_owned()));
    assert_eq!(checkpoints.iter().map(|checkpoint| checkpoint.seq).collect::<Vec<_>>(), [2, 4, 6]);
    assert_eq!(rows[0].prev, checkpoints[1].hash, "the chain goes on from a checkpoint");
    let page = store.audit_page(&acme(), AuditFilter { since: Some(before), ..AuditFilter::default() }, None, 10).await.unwrap();
    assert_eq!(page.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [8, 7, 6, 5]);
}

/// An export goes on where it was, with every row and every checkpoint once.
pub async fn a_chain_is_read_stretch_by_stretch(trial: Trial) {
    let store = trial.open_furnished().await;
    store.seal_audit_with(Arc::new(Stamp));
    for _ in 0..5 {
        store.append_audit(vec![entry(Action::UrlIssue); 3]).await.unwrap();
        store.seal_audit(trial.now()).await.unwrap();
    }
    let whole = all(&store, &acme()).await;
    for limit in [1, 2, 3, 7, 15, 16] {
        let (mut rows, mut checkpoints, mut after) = (Vec::new(), Vec::new(), 0);
        loop {
            let stretch = store.audit_stretch(&acme(), after, limit).await.unwrap();
            let ends = [stretch.rows.last().map(|row| row.seq), stretch.checkpoints.last().map(|sealed| sealed.seq)];
            after = ends.into_iter().flatten().max().unwrap_or(after);
            rows.extend(stretch.rows);
            checkpoints.extend(stretch.checkpoints);
            if !stretch.more {
                break;
            }
        }
        assert_eq!((&rows, &checkpoints), (&whole.rows, &whole.checkpoints), "by {limit}");
    }
}

/// The newest last.
pub async fn audit_keys_come_back(trial: Trial) {
    let store = trial.open().await;
    let key = |id: &str| AuditKeyRow {
        id: id.to_owned(),
        public: trial.random(),
        sealed_secret: trial.random::<60>().to_vec(),
        created_at: trial.now(),
    };
    let first = key("audit-z");
    store.create_audit_key(first.clone()).await.unwrap();
    store.create_audit_key(first.clone()).await.unwrap_err();
    trial.clock.advance(DAY);
    let second = key("audit-a");
    store.create_audit_key(second.clone()).await.unwrap();
    assert_eq!(store.audit_keys().await.unwrap(), [first, second]);
}
