//! Links and revocations.

use super::sample::DAY;
use super::{Trial, name};
use std::num::NonZeroU32;
use valetkey_metadata::{LinkRow, MetadataError, RevocationRow, Taken};
use valetkey_model::{Counting, Dialect, DigestRule, Disposition, MediaTypeRule, Permission, PutMode, Terms, UploadRules};

/// With every field and with none; by its secret and by its id.
pub async fn a_link_comes_back_whole(trial: Trial) {
    let store = trial.open_furnished().await;
    let terms = Terms {
        dialect: Dialect::FlexPortal,
        permission: Permission::ReadWrite,
        uses: NonZeroU32::new(7),
        counting: Counting::Started,
        disposition: Some(Disposition::Inline),
        file_name: Some("Ü \"x\" \u{0}.pdf".to_owned()),
        content_type: Some("application/pdf".to_owned()),
        addresses: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        pin: Some(trial.blob()),
        incarnation: Some(trial.file_id()),
        upload: UploadRules {
            min_bytes: 1,
            max_bytes: Some(u64::MAX),
            types: vec![MediaTypeRule::parse("image/*").unwrap()],
            digest: Some(DigestRule::Sha256(trial.random())),
            mode: PutMode::Replace,
        },
        label: Some("Q3 '😀'".to_owned()),
        issuer: Some(name("cid")),
    };
    let full =
        LinkRow { file_id: Some(trial.file_id()), terms, not_before: Some(trial.now()), ..trial.link("تقرير/\u{10ffff}") };
    let plain = trial.link("a");
    store.create_links(vec![full.clone(), plain.clone()]).await.unwrap();
    for link in [full, plain] {
        assert_eq!(store.link_by_secret(&link.secret).await.unwrap(), Some(link.clone()));
        assert_eq!(store.link(&link.tenant, &link.link_id).await.unwrap(), Some(link));
    }
    assert_eq!(store.link_by_secret(&trial.digest()).await.unwrap(), None);
    assert_eq!(store.link(&name("acme"), &trial.link_id()).await.unwrap(), None);
}

/// One that is taken keeps all the others out.
pub async fn links_are_recorded_all_or_none(trial: Trial) {
    let store = trial.open_furnished().await;
    let taken = trial.link("a");
    store.create_links(vec![taken.clone()]).await.unwrap();
    let same_id = LinkRow { link_id: taken.link_id, ..trial.link("b") };
    let links = vec![trial.link("b"), trial.link("c"), same_id];
    let made = store.create_links(links.clone()).await;
    assert!(matches!(made, Err(MetadataError::AlreadyExists { .. })), "{made:?}");
    for link in links {
        assert_eq!(store.link_by_secret(&link.secret).await.unwrap(), None);
    }
    assert_eq!(store.link(&taken.tenant, &taken.link_id).await.unwrap(), Some(taken));
    store.create_links(Vec::new()).await.unwrap();
}

/// In the whole installation.
pub async fn a_link_secret_is_taken_once(trial: Trial) {
    let store = trial.open_furnished().await;
    let taken = trial.link("a");
    store.create_links(vec![taken.clone()]).await.unwrap();
    let same_secret = LinkRow { secret: taken.secret, tenant: name("other"), ..trial.link("b") };
    let made = store.create_links(vec![same_secret]).await;
    assert!(matches!(made, Err(MetadataError::AlreadyExists { .. })), "{made:?}");
    assert_eq!(store.link_by_secret(&taken.secret).await.unwrap(), Some(taken));
}

/// Another tenant does not find it, and may have the same id.
pub async fn a_link_belongs_to_its_tenant(trial: Trial) {
    let store = trial.open_furnished().await;
    let ours = trial.link("a");
    store.create_links(vec![ours.clone()]).await.unwrap();
    assert_eq!(store.link(&name("other"), &ours.link_id).await.unwrap(), None);
    let theirs = LinkRow { tenant: name("other"), link_id: ours.link_id, ..trial.link("b") };
    store.create_links(vec![theirs.clone()]).await.unwrap();
    assert_eq!(store.link(&ours.tenant, &ours.link_id).await.unwrap(), Some(ours));
    assert_eq!(store.link(&theirs.tenant, &theirs.link_id).await.unwrap(), Some(theirs));
}

/// As it was first; only the instant at which it may be forgotten moves, and only later. The link itself stays.
pub async fn a_revocation_stays(trial: Trial) {
    let store = trial.open_furnished().await;
    let (link, never_issued) = (trial.link("a"), trial.link_id());
    store.create_links(vec![link.clone()]).await.unwrap();
    let first = trial.revocation(link.link_id);
    store.revoke(vec![first.clone(), trial.revocation(never_issued)]).await.unwrap();
    trial.clock.advance(DAY / 2);
    let later = RevocationRow { revoked_at: trial.now(), forget_at: first.forget_at.plus(DAY), ..first.clone() };
    store.revoke(vec![later.clone()]).await.unwrap();
    store.revoke(vec![RevocationRow { revoked_at: trial.now(), ..first.clone() }]).await.unwrap();
    assert_eq!(store.n_revocations().await.unwrap(), 2);
    let mut found = store.revocations(trial.now(), None, 1_000).await.unwrap();
    found.sort_by_key(|revocation| revocation.taken != Taken::Link(link.link_id));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], RevocationRow { forget_at: later.forget_at, ..first });
    assert_eq!(found[1].taken, Taken::Link(never_issued));
    assert_eq!(store.link_by_secret(&link.secret).await.unwrap(), Some(link));
    store.revoke(Vec::new()).await.unwrap();
}

/// From the very instant on.
pub async fn revocations_are_forgotten_in_time(trial: Trial) {
    let store = trial.open_furnished().await;
    let revocation = trial.revocation(trial.link_id());
    store.revoke(vec![revocation.clone()]).await.unwrap();
    assert_eq!(store.revocations(trial.tomorrow().minus(DAY / 1_000), None, 1_000).await.unwrap(), [revocation]);
    assert_eq!(store.revocations(trial.tomorrow(), None, 1_000).await.unwrap(), []);
}
