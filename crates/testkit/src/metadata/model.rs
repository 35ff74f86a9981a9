//! The store against maps in memory: whatever is done, in whatever order, both say the same.

use super::sample::{DAY, number_of};
use super::{Trial, name};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::{
    Confirmation, EXPIRED_LINKS_KEPT, FileRef, FileRow, FilesQuery, GrantKey, Guard, LinkRow, MetadataError, MetadataStore,
    ObjectRow, Publication, PublishCondition, PublishError, ReservationRow, RevocationRow, Spend, Swept, UrlMarks,
};
use valetkey_model::{BlobId, FileId, PutMode, Refusal, SecretDigest, Timestamp};

/// The object keys that operations speak of, in bytewise order.
const KEYS: [&str; 6] = ["a", "a/1", "a/2", "a0", "b\u{10ffff}", "b\u{10ffff}x"];

/// What listings ask for.
const PREFIXES: [&str; 4] = ["", "a", "a/", "b\u{10ffff}"];

/// How many links there are.
const N_LINKS: usize = 3;

/// One thing that is done to the store and to the model. Numbers are places in the lists above.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the calls they stand for say it")]
pub enum Operation {
    Publish {
        key: usize,
        mode: PutMode,
        absent: bool,
        replaces: Option<Named>,
        incarnation: Option<Named>,
        days_kept: Option<u32>,
        link: Option<usize>,
        uses: Option<u32>,
    },
    PublishAgain,
    Delete {
        key: usize,
        incarnation: Option<Named>,
    },
    Reserve {
        key: usize,
        needs_confirmation: bool,
        days_kept: u32,
    },
    Confirm {
        key: usize,
    },
    DeleteFile {
        key: usize,
    },
    DetachFile {
        key: usize,
    },
    List {
        prefix: usize,
        after: Option<usize>,
        limit: u32,
    },
    Issue {
        link: usize,
    },
    Revoke {
        link: usize,
    },
    Sweep,
    ForgetBlobs,
    Wait {
        hours: u32,
    },
    Reopen,
}

/// A generation or incarnation that a caller names.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Named {
    Current,
    Another,
}

/// Sequences of operations.
pub fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let key = || 0..KEYS.len();
    let named = || proptest::option::weighted(0.3, prop_oneof![3 => Just(Named::Current), 1 => Just(Named::Another)]);
    let publish = (
        key(),
        (prop_oneof![Just(PutMode::Create), Just(PutMode::Replace), Just(PutMode::Reserved)], proptest::bool::weighted(0.1)),
        named(),
        named(),
        proptest::option::of(1..4_u32),
        proptest::option::of(0..N_LINKS),
        proptest::option::of(1..3_u32),
    );
    let operation = prop_oneof![
        8 => publish.prop_map(|(key, (mode, absent), replaces, incarnation, days_kept, link, uses)| Operation::Publish {
            key, mode, absent, replaces, incarnation, days_kept, link, uses
        }),
        3 => (key(), any::<bool>(), 1..4_u32)
            .prop_map(|(key, needs_confirmation, days_kept)| Operation::Reserve { key, needs_confirmation, days_kept }),
        2 => key().prop_map(|key| Operation::Confirm { key }),
        1 => key().prop_map(|key| Operation::DeleteFile { key }),
        1 => key().prop_map(|key| Operation::DetachFile { key }),
        1 => Just(Operation::PublishAgain),
        2 => (key(), named()).prop_map(|(key, incarnation)| Operation::Delete { key, incarnation }),
        3 => (0..PREFIXES.len(), proptest::option::of(key()), 1..5_u32)
            .prop_map(|(prefix, after, limit)| Operation::List { prefix, after, limit }),
        2 => (0..N_LINKS).prop_map(|link| Operation::Issue { link }),
        1 => (0..N_LINKS).prop_map(|link| Operation::Revoke { link }),
        1 => Just(Operation::Sweep),
        1 => Just(Operation::ForgetBlobs),
        2 => (1..600_u32).prop_map(|hours| Operation::Wait { hours }),
        1 => Just(Operation::Reopen),
    ];
    proptest::collection::vec(operation, 1..40)
}

/// Does all of them to both.
///
/// # Panics
///
/// As soon as they differ.
pub async fn the_store_agrees(trial: Trial, operations: &[Operation]) {
    let mut store = trial.open_furnished().await;
    let mut model = Model::new(&trial);
    for operation in operations {
        if matches!(operation, Operation::Reopen) {
            drop(store);
            store = trial.open().await;
        }
        model.step(&trial, &store, operation).await;
        model.compare(&trial, &*store).await;
    }
}

struct Model {
    objects: BTreeMap<String, ObjectRow>,
    reservations: BTreeMap<String, ReservationRow>,
    /// What detached files left.
    unlisted: BTreeSet<FileId>,
    doomed: BTreeSet<(Timestamp, BlobId)>,
    /// Each link as it is issued, and whether it is there.
    links: Vec<(LinkRow, bool)>,
    /// Until when each link is known to be revoked.
    revoked: BTreeMap<usize, RevocationRow>,
    /// How many uses of each link are spent, and until when that is known.
    spent: BTreeMap<usize, (u32, Timestamp)>,
    last: Option<Publication>,
}

impl Model {
    fn new(trial: &Trial) -> Self {
        Self {
            objects: BTreeMap::new(),
            reservations: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            doomed: BTreeSet::new(),
            links: (0..N_LINKS).map(|_| (trial.link("a"), false)).collect(),
            revoked: BTreeMap::new(),
            spent: BTreeMap::new(),
            last: None,
        }
    }

    async fn step(&mut self, trial: &Trial, store: &Arc<dyn MetadataStore>, operation: &Operation) {
        match operation {
            Operation::Publish { key, mode, absent, replaces, incarnation, days_kept, link, uses } => {
                let current = self.objects.get(KEYS[*key]);
                let condition = PublishCondition {
                    mode: *mode,
                    absent: *absent,
                    replaces: replaces.map(|named| match (named, current) {
                        (Named::Current, Some(object)) => object.blob,
                        _ => trial.blob(),
                    }),
                    incarnation: incarnation.map(|named| self.incarnation(trial, *key, named)),
                };
                let link_id = link.map(|link| self.links[link].0.link_id);
                let publication = Publication {
                    condition,
                    expires_at: days_kept.map(|days| trial.now().plus(DAY * days)),
                    guard: Guard {
                        tenant: name("acme"),
                        url: link_id.map(|id| UrlMarks::of_link(id, trial.now())),
                        api_key: None,
                    },
                    spend: link_id.zip(*uses).map(|(link_id, uses)| Spend {
                        grant: GrantKey { tenant: name("acme"), signing_key: None, link_id },
                        uses: NonZeroU32::new(uses).unwrap(),
                        forget_at: trial.now().plus(DAY * 10),
                    }),
                    ..trial.publication(KEYS[*key])
                };
                self.last = Some(publication.clone());
                let expected = self.publish(trial, publication.clone(), *link);
                match (store.publish(publication).await, expected) {
                    (Ok(published), Ok((object, replaced))) => {
                        assert_eq!((published.object, published.replaced), (object, replaced));
                    }
                    (Err(PublishError::Refused(found)), Err(expected)) => assert_eq!(found, expected),
                    (found, expected) => panic!("{found:?}, expected {expected:?}"),
                }
            }
            Operation::PublishAgain => self.publish_again(store).await,
            Operation::Delete { key, incarnation } => {
                let incarnation = incarnation.map(|named| self.incarnation(trial, *key, named));
                let expected = self.objects.get(KEYS[*key]).cloned();
                let expected = expected.filter(|object| incarnation.is_none_or(|file_id| file_id == object.file_id));
                if let Some(object) = &expected {
                    self.objects.remove(KEYS[*key]);
                    self.reservations.retain(|_, reservation| reservation.file_id != object.file_id);
                    self.doomed.insert((trial.now(), object.blob));
                }
                let found = store
                    .delete_object(&name("acme"), &name("reports"), &name(KEYS[*key]), incarnation, trial.now())
                    .await
                    .unwrap();
                assert_eq!(found, expected);
            }
            Operation::Reserve { key, needs_confirmation, days_kept } => {
                let row = ReservationRow {
                    needs_confirmation: *needs_confirmation,
                    expires_at: trial.now().plus(DAY * *days_kept),
                    ..trial.reservation(KEYS[*key])
                };
                let taken = self.reservations.contains_key(KEYS[*key]) || self.objects.contains_key(KEYS[*key]);
                match store.reserve_file(row.clone()).await {
                    Ok(found) => assert_eq!((found, taken), (row.clone(), false)),
                    Err(MetadataError::AlreadyExists { .. }) => assert!(taken),
                    Err(error) => panic!("{error:?}"),
                }
                if !taken {
                    self.reservations.insert(KEYS[*key].to_owned(), row);
                }
            }
            Operation::Confirm { key } => {
                let (now, file_id) = (trial.now(), self.file_at(trial, *key));
                let mut expected = self.file(file_id);
                let live = expected.reservation.as_ref().is_some_and(|reservation| reservation.expires_at > now);
                if let Some(object) = expected.object.as_mut().filter(|object| live && is_live(object, now)) {
                    object.expires_at = None;
                    self.objects.insert(object.key.to_string(), object.clone());
                    self.reservations.remove(object.key.as_str());
                    expected.reservation = None;
                }
                let confirmation = Confirmation { file_id, name: None, content_type: None, retention: None, now };
                assert_eq!(store.confirm_file(confirmation).await.unwrap(), expected);
            }
            Operation::DeleteFile { key } => {
                let file_id = self.file_at(trial, *key);
                let expected = self.file(file_id);
                self.doomed.extend(expected.object.iter().map(|object| (trial.now(), object.blob)));
                self.objects.retain(|_, object| object.file_id != file_id);
                self.reservations.retain(|_, reservation| reservation.file_id != file_id);
                assert_eq!(store.delete_file(file_id, trial.now()).await.unwrap(), expected);
            }
            Operation::DetachFile { key } => {
                let (file_id, left) = (self.file_at(trial, *key), trial.file_id());
                let (expected, number) = (self.file(file_id), number_of(left));
                self.reservations.retain(|_, reservation| reservation.file_id != file_id);
                for object in self.objects.values_mut().filter(|object| object.file_id == file_id) {
                    (object.file_id, object.file_number) = (left, number);
                    self.unlisted.insert(left);
                }
                assert_eq!(store.detach_file(file_id, (left, number)).await.unwrap(), expected);
            }
            Operation::List { prefix, after, limit } => {
                let (prefix, after) = (PREFIXES[*prefix], after.map(|key| KEYS[key]));
                let mut expected: Vec<ObjectRow> = self
                    .live(trial.now())
                    .filter(|object| object.key.as_str().starts_with(prefix))
                    .filter(|object| after.is_none_or(|after| object.key.as_str() > after))
                    .cloned()
                    .collect();
                let more = expected.len() > *limit as usize;
                expected.truncate(*limit as usize);
                let page = store.objects(&name("reports"), prefix, after, *limit, trial.now()).await.unwrap();
                let next = expected.last().filter(|_| more).map(|object| object.key.clone());
                assert_eq!((page.objects, page.next), (expected, next));
            }
            Operation::Issue { link } => {
                let (row, there) = &mut self.links[*link];
                if !*there {
                    row.issued_at = trial.now();
                    row.expires_at = trial.tomorrow();
                }
                match store.create_links(vec![row.clone()]).await {
                    Ok(()) => assert!(!*there),
                    Err(MetadataError::AlreadyExists { .. }) => assert!(*there),
                    Err(error) => panic!("{error:?}"),
                }
                *there = true;
            }
            Operation::Revoke { link } => {
                let row =
                    RevocationRow { forget_at: trial.now().plus(DAY * 10), ..trial.revocation(self.links[*link].0.link_id) };
                store.revoke(vec![row.clone()]).await.unwrap();
                let kept = self.revoked.entry(*link).or_insert_with(|| row.clone());
                kept.forget_at = kept.forget_at.max(row.forget_at);
            }
            Operation::Sweep => {
                let expected = self.sweep(trial.now());
                let mut found = store.sweep(trial.now(), 1_000).await.unwrap();
                found.expired_objects.sort();
                assert_eq!(found, expected);
            }
            Operation::ForgetBlobs => {
                let blobs: Vec<BlobId> = self.doomed.iter().map(|(_, blob)| *blob).collect();
                store.forget_blobs(&blobs).await.unwrap();
                self.doomed.clear();
            }
            Operation::Wait { hours } => trial.clock.advance(Duration::from_secs(u64::from(*hours) * 3_600)),
            Operation::Reopen => {}
        }
    }

    /// What a publication does, in the order the trait names.
    fn publish(&mut self, trial: &Trial, publication: Publication, link: Option<usize>) -> Result<(ObjectRow, bool), Refusal> {
        let (now, key) = (publication.now, publication.key.to_string());
        if link.is_some_and(|link| self.revoked.contains_key(&link)) {
            return Err(Refusal::Revoked);
        }
        let spent = match (&publication.spend, link) {
            (Some(spend), Some(link)) => {
                let (n_spent, until) = self.spent.get(&link).copied().unwrap_or((0, spend.forget_at));
                if n_spent >= spend.uses.get() {
                    return Err(Refusal::UsedUp);
                }
                Some((link, (n_spent + 1, until.max(spend.forget_at))))
            }
            _ => None,
        };
        let stored = self.objects.get(&key).cloned();
        let live = stored.clone().filter(|object| is_live(object, now));
        let reservation = self.reservations.get(&key).filter(|reservation| reservation.expires_at > now).cloned();
        let condition = &publication.condition;
        if condition.incarnation.is_some() && condition.incarnation != live.as_ref().map(|object| object.file_id) {
            return Err(Refusal::ObjectGone);
        }
        if condition.mode == PutMode::Reserved && reservation.is_none() {
            return Err(if live.is_some() { Refusal::Exists } else { Refusal::ObjectGone });
        }
        if condition.replaces.is_some() && condition.replaces != live.as_ref().map(|object| object.blob) {
            return Err(Refusal::Exists);
        }
        if (condition.mode == PutMode::Create || condition.absent) && live.is_some() {
            return Err(Refusal::Exists);
        }
        self.spent.extend(spent);
        self.doomed.extend(stored.map(|object| (trial.now(), object.blob)));
        let mut object = ObjectRow {
            bucket: publication.bucket,
            key: publication.key,
            file_id: live.as_ref().map_or(publication.new_file_id, |object| object.file_id),
            file_number: live.as_ref().map_or(publication.new_file_number, |object| object.file_number),
            blob: publication.blob,
            size_bytes: publication.size_bytes,
            content_type: publication.content_type,
            file_name: publication.file_name,
            user_metadata: publication.user_metadata,
            sha256: publication.sha256,
            sha1: publication.sha1,
            md5: publication.md5,
            created_at: live.as_ref().map_or(now, |object| object.created_at),
            modified_at: now,
            expires_at: publication.expires_at,
        };
        if let Some(reservation) = reservation {
            if live.is_none() {
                (object.file_id, object.file_number) = (reservation.file_id, reservation.file_number);
                object.created_at = reservation.created_at;
            }
            object.file_name = Some(reservation.name);
            if reservation.needs_confirmation {
                let ends = object.expires_at.into_iter().chain([reservation.expires_at]);
                object.expires_at = ends.min();
            } else {
                self.reservations.remove(&key);
            }
        }
        self.objects.insert(key, object.clone());
        Ok((object, live.is_some()))
    }

    /// The last publication once more: if it is the one that is visible, it is said again; nothing is ever changed by it.
    async fn publish_again(&mut self, store: &Arc<dyn MetadataStore>) {
        let Some(last) = self.last.clone() else { return };
        let visible = self.objects.get(last.key.as_str()).filter(|object| object.blob == last.blob).cloned();
        if let Some(object) = visible {
            assert_eq!(store.publish(last).await.unwrap().object, object);
        }
    }

    fn sweep(&mut self, now: Timestamp) -> Swept {
        let mut swept = Swept::default();
        let ended: Vec<ObjectRow> =
            self.objects.values().filter(|object| object.expires_at.is_some_and(|end| end <= now)).cloned().collect();
        for object in ended {
            self.objects.remove(object.key.as_str());
            self.doomed.insert((now, object.blob));
            swept.expired_objects.push((object.bucket, object.key));
        }
        for (link, there) in &mut self.links {
            let goes = *there && link.expires_at.plus(EXPIRED_LINKS_KEPT) <= now;
            *there &= !goes;
            // The link, and the URL that its owner sees.
            swept.n_rows += 2 * u64::from(goes);
        }
        let n_before = self.revoked.len() + self.spent.len() + self.reservations.len();
        self.reservations.retain(|_, reservation| reservation.expires_at > now);
        self.revoked.retain(|_, row| row.forget_at > now);
        self.spent.retain(|_, (_, until)| *until > now);
        swept.n_rows += (n_before - self.revoked.len() - self.spent.len() - self.reservations.len()) as u64;
        swept
    }

    async fn compare(&self, trial: &Trial, store: &dyn MetadataStore) {
        let now = trial.now();
        for key in KEYS {
            let found = store.object(&name("reports"), &name(key)).await.unwrap();
            assert_eq!(found.as_ref(), self.objects.get(key), "{key}");
            let reserved = store.reservation(&name("reports"), &name(key)).await.unwrap();
            assert_eq!(reserved.as_ref(), self.reservations.get(key), "{key}");
            let files = reserved.map(|row| (row.file_id, row.file_number));
            for (id, number) in files.into_iter().chain(found.map(|row| (row.file_id, row.file_number))) {
                assert_eq!(store.file(FileRef::Id(id)).await.unwrap(), self.file(id), "{key}");
                assert_eq!(store.file(FileRef::Number(number)).await.unwrap(), self.file(id), "{key}");
            }
        }
        let page = store.objects(&name("reports"), "", None, 100, now).await.unwrap();
        assert_eq!((page.objects, page.next), (self.live(now).cloned().collect(), None));
        for with_pending in [true, false] {
            let query = FilesQuery { with_pending, oldest_first: false, after: None, skip: 0, limit: 100 };
            let expected = self.files(now, with_pending);
            let page = store.files(&name("reports"), query, now).await.unwrap();
            assert_eq!((&page.files, page.next), (&expected, None), "{with_pending}");
            let n_files = store.n_files(&name("reports"), with_pending, now).await.unwrap();
            assert_eq!(n_files, expected.len() as u64, "{with_pending}");
        }
        let doomed: Vec<BlobId> = self.doomed.iter().map(|(_, blob)| *blob).collect();
        assert_eq!(store.doomed_blobs(now, 10_000).await.unwrap(), doomed);
        for (link, there) in &self.links {
            let found = store.link_by_secret(&link.secret).await.unwrap();
            assert_eq!(found.as_ref(), Some(link).filter(|_| *there));
            assert_eq!(store.link(&link.tenant, &link.link_id).await.unwrap(), found);
        }
        assert_eq!(store.link_by_secret(&SecretDigest::from_bytes([0; 32])).await.unwrap(), None);
        let mut revoked = store.revocations(now, None, 1_000).await.unwrap();
        let mut expected: Vec<_> = self.revoked.values().filter(|row| row.forget_at > now).cloned().collect();
        revoked.sort_by(|a, b| a.taken.cmp(&b.taken));
        expected.sort_by(|a, b| a.taken.cmp(&b.taken));
        assert_eq!(revoked, expected);
    }

    fn live(&self, now: Timestamp) -> impl Iterator<Item = &ObjectRow> {
        self.objects.values().filter(move |object| is_live(object, now))
    }

    /// The newest first.
    fn files(&self, now: Timestamp, with_pending: bool) -> Vec<FileRow> {
        let is_reserved = |id: FileId| self.reservations.values().any(|reservation| reservation.file_id == id);
        let listed = self.live(now).filter(|object| !self.unlisted.contains(&object.file_id));
        let mut places: Vec<_> = listed
            .filter(|object| with_pending || !is_reserved(object.file_id))
            .map(|object| (object.created_at, object.file_number, object.file_id))
            .collect();
        let waiting = self.reservations.values().filter(|reservation| with_pending && reservation.expires_at > now);
        let waiting = waiting.filter(|reservation| self.live(now).all(|object| object.file_id != reservation.file_id));
        places.extend(waiting.map(|reservation| (reservation.created_at, reservation.file_number, reservation.file_id)));
        places.sort_unstable();
        places.into_iter().rev().map(|(_, _, id)| self.file(id)).collect()
    }

    fn file(&self, file_id: FileId) -> FileRow {
        FileRow {
            reservation: self.reservations.values().find(|reservation| reservation.file_id == file_id).cloned(),
            object: self.objects.values().find(|object| object.file_id == file_id).cloned(),
        }
    }

    /// The file that is at this key or to be there, or one that is nowhere.
    fn file_at(&self, trial: &Trial, key: usize) -> FileId {
        let reserved = self.reservations.get(KEYS[key]).map(|reservation| reservation.file_id);
        reserved.or(self.objects.get(KEYS[key]).map(|object| object.file_id)).unwrap_or_else(|| trial.file_id())
    }

    fn incarnation(&self, trial: &Trial, key: usize, named: Named) -> FileId {
        match (named, self.objects.get(KEYS[key])) {
            (Named::Current, Some(object)) => object.file_id,
            _ => trial.file_id(),
        }
    }
}

fn is_live(object: &ObjectRow, now: Timestamp) -> bool {
    object.expires_at.is_none_or(|end| end > now)
}
