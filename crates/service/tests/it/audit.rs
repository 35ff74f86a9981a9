//! The audit over the use cases: what each act leaves, what is counted, what the check of an export finds.

use crate::world::*;
use std::collections::BTreeMap;
use valetkey_model::*;
use valetkey_service::audit::{hex, verify};
use valetkey_service::*;

/// The rows of a principal's tenant, the oldest first, as (action, outcome, requests, bytes).
async fn rows(world: &World, id: &str) -> Vec<AuditRow> {
    world.service.flush_audit().await.unwrap();
    world.service.audit_stretch(&world.principal(id), 0, 10_000).await.unwrap().rows
}

fn said(row: &AuditRow) -> BTreeMap<String, serde_json::Value> {
    serde_json::from_str(&row.json).unwrap()
}

fn text(row: &AuditRow, field: &str) -> String {
    said(row).get(field).map_or(String::new(), |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn in_short(rows: &[AuditRow]) -> Vec<String> {
    let short = |row: &AuditRow| ["action", "outcome", "n_requests", "bytes"].map(|field| text(row, field)).join(" ");
    rows.iter().map(|row| short(row).trim_end().to_owned()).collect()
}

/// What came after the first `n` rows.
async fn since(world: &World, n: usize) -> Vec<String> {
    in_short(&rows(world, "app").await[n..])
}

#[tokio::test]
async fn every_act_leaves_a_row() {
    let world = world().await;
    let n = rows(&world, "app").await.len();
    let (chief, service) = (world.principal("chief"), &world.service);
    world.put("a", b"one").await;
    world.put("a", b"four").await;
    let issued = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    world.issue(request("a", Form::Link, once(Terms::new(Permission::Read)))).await;
    service.revoke(&world.principal("app"), &[issued.link_id]).await.unwrap();
    service.delete_object(&world.principal("app"), &bucket(), &key("a")).await.unwrap();
    service.set_bucket_public(&chief, &bucket(), true).await.unwrap();
    service.delete_bucket(&world.principal("app"), &bucket()).await.unwrap();
    let new = NewApiKey { id: None, scopes: Scopes::ALL_BUT_ADMIN, buckets: Vec::new(), expires_at: None, bearer: None };
    let made = service.create_api_key(&chief, new, address("192.0.2.1")).await.unwrap().api_key;
    let update = ApiKeyUpdate { disabled: Some(true), ..ApiKeyUpdate::default() };
    service.update_api_key(&chief, &made.id, update).await.unwrap();
    service.rotate_api_key(&chief, &made.id).await.unwrap();
    service.delete_api_key(&chief, &made.id).await.unwrap();
    let new = NewSigningKey {
        id: None,
        algorithm: "HS256".to_owned(),
        owner: None,
        secret: None,
        max_lifetime: None,
        limits: SigningKeyLimits::default(),
    };
    let made = service.create_signing_key(&chief, new).await.unwrap().signing_key;
    service.set_signing_key_state(&chief, &made.id, SigningKeyState::Revoked).await.unwrap();
    let expected = [
        "object.publish done  3",
        "object.publish done  4",
        "url.issue done",
        "url.issue done",
        "url.revoke done",
        "object.delete done",
        "bucket.update done",
        "bucket.delete done",
        "api_key.create done",
        "api_key.update done",
        "api_key.rotate done",
        "api_key.delete done",
        "signing_key.create done",
        "signing_key.update done",
    ];
    assert_eq!(since(&world, n).await, expected);
    let rows = rows(&world, "app").await;
    assert!(rows[n..].iter().all(|row| !text(row, "principal").is_empty() && row.personal.contains_key("address")));
    assert_eq!(text(&rows[n + 2], "link_id"), issued.link_id.to_string());
    assert_eq!(text(&rows[n + 9], "detail"), "disabled");
    for row in &rows {
        // Of what makes a URL a credential nothing is there.
        let Credential::Token { token, .. } = &issued.credential else { panic!("expected a token") };
        assert!(!row.json.contains(token.expose()));
    }
}

#[tokio::test]
async fn what_is_refused_leaves_no_act() {
    let world = world().await;
    let n = rows(&world, "app").await.len();
    let reader = world.principal("reader");
    world.service.create_bucket(&reader, NewBucket::new("more".parse().unwrap())).await.unwrap_err();
    world.service.create_bucket(&world.principal("app"), NewBucket::new(bucket())).await.unwrap_err();
    world.service.delete_object(&world.principal("app"), &bucket(), &key("none")).await.unwrap_err();
    assert_eq!(since(&world, n).await, [""; 0]);
}

#[tokio::test]
async fn a_limited_url_leaves_a_row_for_each_request_and_one_for_what_was_sent() {
    let world = world().await;
    world.put("a", b"0123456789").await;
    let terms = Terms { label: Some("Q3".to_owned()), ..once(Terms::new(Permission::Read)) };
    let issued = world.issue(request("a", Form::Link, terms)).await;
    let n = rows(&world, "app").await.len();
    let mut delivery = world.get(&issued, SOMEBODY, 0..4).await.unwrap();
    world.settle(&mut delivery, 4, true).await;
    world.get(&issued, ANOTHER, 0..10).await.map(|_| ()).unwrap_err();
    let mut delivery = world.get(&issued, SOMEBODY, 4..10).await.unwrap();
    world.settle(&mut delivery, 6, true).await;
    world.get(&issued, ANOTHER, 0..10).await.map(|_| ()).unwrap_err();
    let expected = [
        "url.redeem opened 1",
        "url.settle incomplete  4",
        "url.redeem in_use 1",
        "url.redeem resumed 1",
        "url.settle completed  6",
        "url.redeem used_up 1",
    ];
    assert_eq!(since(&world, n).await, expected);
    let rows = rows(&world, "app").await;
    let opened = &rows[n];
    assert_eq!((text(opened, "link_id"), text(opened, "key")), (issued.link_id.to_string(), "a".to_owned()));
    let plain: Vec<_> = opened.personal.iter().map(|(field, personal)| (*field, personal.value.as_str())).collect();
    assert_eq!(plain, [("address", "192.0.2.1"), ("label", "Q3"), ("user_agent", "curl/8")]);
    let sessions: Vec<_> = rows[n..].iter().map(|row| text(row, "session")).filter(|session| !session.is_empty()).collect();
    assert!(sessions.len() == 4 && sessions.iter().all(|session| *session == sessions[0]), "{sessions:?}");
}

#[tokio::test]
async fn unlimited_requests_are_added_up() {
    let world = world().await;
    world.put("a", b"0123456789").await;
    let issued = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    let n = rows(&world, "app").await.len();
    for (holder, whole) in [(SOMEBODY, true), (SOMEBODY, true), (ANOTHER, true), (SOMEBODY, false)] {
        let mut delivery = world.get(&issued, holder, 0..10).await.unwrap();
        delivery.counting.as_mut().unwrap().over(if whole { 10 } else { 3 }, whole);
    }
    // Nobody told the end of this one.
    drop(world.get(&issued, SOMEBODY, 0..10).await.unwrap());
    world.service.revoke(&world.principal("app"), &[issued.link_id]).await.unwrap();
    for _ in 0..3 {
        world.get(&issued, SOMEBODY, 0..10).await.map(|_| ()).unwrap_err();
    }
    let mut found = since(&world, n).await;
    found.sort();
    let expected = [
        "url.redeem cut 2 3",
        "url.redeem delivered 1 10",
        "url.redeem delivered 2 20",
        "url.redeem revoked 3",
        "url.revoke done",
    ];
    assert_eq!(found, expected);
    assert_eq!(since(&world, n).await.len(), expected.len(), "nothing is written twice");
    let measured = world.service.measurements().await;
    let n_requests: u64 = measured.n_requests.iter().map(|(.., n)| n).sum();
    assert_eq!((n_requests, measured.n_issued, measured.n_revoked), (8, 1, 1));
    assert_eq!(measured.sent_bytes.iter().map(|(_, n)| n).sum::<u64>(), 33);
}

/// To its owner, where the URL was one; else to nobody.
#[tokio::test]
async fn refusals_are_told_to_whom_they_concern() {
    let world = world().await;
    world.put("a", b"0123456789").await;
    let token = world.issue(request("a", Form::Token, Terms::new(Permission::Read))).await;
    let link = world.issue(request("a", Form::Link, Terms::new(Permission::Read))).await;
    let n = rows(&world, "app").await.len();
    world.admitted(&token, Method::Put, SOMEBODY).await.map(|_| ()).unwrap_err();
    world.admitted(&link, Method::Put, SOMEBODY).await.map(|_| ()).unwrap_err();
    world.clock.advance(std::time::Duration::from_secs(7200));
    world.admitted(&token, Method::Get, SOMEBODY).await.map(|_| ()).unwrap_err();
    world.admitted(&link, Method::Get, SOMEBODY).await.map(|_| ()).unwrap_err();
    let forged = Issued { credential: Credential::Link(LinkSecret::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap()), ..link.clone() };
    world.admitted(&forged, Method::Get, SOMEBODY).await.map(|_| ()).unwrap_err();
    let mut found = since(&world, n).await;
    found.sort();
    let expected = ["url.redeem expired 1", "url.redeem expired 1", "url.redeem wrong_method 1", "url.redeem wrong_method 1"];
    assert_eq!(found, expected);
    let boss = world.principal("boss");
    let others = world.service.audit_stretch(&boss, 0, 100).await.unwrap().rows;
    assert!(others.iter().all(|row| text(row, "action") != "url.redeem"), "another tenant's chain");
}

#[tokio::test]
async fn only_who_may_read_the_audit_reads_it() {
    let world = world().await;
    let filter = AuditFilter::default;
    let denied = world.service.audit_page(&world.principal("reader"), filter(), None, 10).await.unwrap_err();
    assert!(matches!(denied, ServiceError::MissingScope { scope: Scope::AuditRead }), "{denied}");
    let erasure = Erasure::Label("Q3".to_owned());
    let denied = world.service.erase_from_audit(&world.principal("app"), erasure).await.unwrap_err();
    assert!(matches!(denied, ServiceError::MissingScope { scope: Scope::Admin }), "{denied}");
    let limited = NewApiKey {
        id: Some("limited".parse().unwrap()),
        scopes: Scopes::ALL_BUT_ADMIN,
        buckets: vec![bucket()],
        expires_at: None,
        bearer: None,
    };
    let limited = world.service.create_api_key(&world.principal("chief"), limited, address("192.0.2.1")).await.unwrap();
    let limited = world.service.authenticate(&limited.secret, address("192.0.2.1")).unwrap();
    let denied = world.service.audit_page(&limited, filter(), None, 10).await.unwrap_err();
    assert!(matches!(denied, ServiceError::OutsideBuckets), "{denied}");
}

/// The lines of an export, as the native API has them.
async fn export(world: &World) -> Vec<String> {
    let app = world.principal("app");
    let (chain, keys) = (world.service.audit_chain(&app).unwrap(), world.service.audit_keys().await.unwrap());
    let stretch = world.service.audit_stretch(&app, 0, 10_000).await.unwrap();
    let keys: Vec<_> = keys.iter().map(|key| serde_json::json!({"id": key.id, "public": key.public})).collect();
    let head = serde_json::json!({"type": "head", "format": verify::FORMAT, "chain": chain.as_str(), "keys": keys});
    let mut lines = vec![head.to_string()];
    for row in &stretch.rows {
        let row_json: BTreeMap<String, serde_json::Value> = said(row);
        let plain = row.personal.iter();
        let plain: BTreeMap<_, _> =
            plain.map(|(field, plain)| (*field, serde_json::json!({"salt": hex(&plain.salt), "value": plain.value}))).collect();
        lines.push(
            serde_json::json!({
                "type": "row", "chain": chain.as_str(), "seq": row.seq, "prev": hex(&row.prev), "hash": hex(&row.hash),
                "row": row_json, "personal": plain,
            })
            .to_string(),
        );
        let sealed = stretch.checkpoints.iter().filter(|checkpoint| checkpoint.seq == row.seq);
        lines.extend(sealed.map(|sealed| {
            serde_json::json!({
                "type": "checkpoint", "chain": chain.as_str(), "seq": sealed.seq, "at": sealed.at.rfc3339(),
                "hash": hex(&sealed.hash), "key_id": sealed.key_id, "signature": hex(&sealed.signature),
            })
            .to_string()
        }));
    }
    lines.push(r#"{"type":"end"}"#.to_owned());
    lines
}

fn verified(lines: &[String]) -> Result<verify::Verified, verify::Broken> {
    let mut verifier = verify::Verifier::new(None);
    lines.iter().try_for_each(|line| verifier.line(line))?;
    verifier.finish()
}

#[tokio::test]
async fn any_row_removed_changed_or_moved_is_found() {
    let world = world().await;
    for number in 0..10 {
        world.put(&format!("k{number}"), b"x").await;
        if number % 4 == 3 {
            world.service.seal_audit().await.unwrap();
        }
    }
    world.service.seal_audit().await.unwrap();
    world.put("unsealed", b"x").await;
    let lines = export(&world).await;
    let proved = verified(&lines).unwrap();
    assert_eq!((proved.first, proved.last), (1, proved.sealed + 1));
    let key = world.service.audit_keys().await.unwrap().pop().unwrap();
    assert_eq!((proved.key_id, proved.public), (key.id, key.public.clone()));

    let seq_of = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64();
    let is_row = |line: &String| line.contains(r#""type":"row""#);
    let sealed: Vec<usize> =
        (0..lines.len()).filter(|&at| is_row(&lines[at]) && seq_of(&lines[at]) <= Some(proved.sealed)).collect();
    for &at in &sealed {
        let seq = seq_of(&lines[at]);
        let mut removed = lines.clone();
        removed.remove(at);
        assert!(verified(&removed).unwrap_err().seq.is_some_and(|found| Some(found) <= seq), "{seq:?} removed");
        for (from, to) in [
            ("done", "gone"),
            ("\"at\":\"2", "\"at\":\"3"),
            ("\"seq\":", "\"seq\":1"),
            ("prev\":\"", "prev\":\"0"),
            ("\"action\":", "\"action\":\"url.revoke\",\"action\":"),
            ("{", "{\"note\":\"\","),
        ] {
            let mut changed = lines.clone();
            changed[at] = changed[at].replacen(from, to, 1);
            assert_ne!(changed[at], lines[at]);
            assert!(verified(&changed).is_err(), "{seq:?}: {from} became {to}");
        }
        if let Some(&next) = sealed.iter().find(|next| **next > at) {
            let mut moved = lines.clone();
            moved.swap(at, next);
            assert!(verified(&moved).is_err(), "{seq:?} moved");
        }
        if lines[at].contains("192.0.2.1") {
            let mut changed = lines.clone();
            changed[at] = changed[at].replacen("192.0.2.1", "192.0.2.9", 1);
            assert_eq!(verified(&changed).unwrap_err().seq, seq, "another address");
        }
    }
    // From the beginning, without a word of it in the chain.
    let first_sealed = lines.iter().position(|line| line.contains("checkpoint")).unwrap();
    let beheaded: Vec<_> = [&lines[..1], &lines[first_sealed..]].concat();
    assert!(verified(&beheaded).is_err());
    // At the end, back to the last checkpoint but one, nobody can tell; without an end, it is cut off.
    assert!(verified(&lines[..lines.len() - 1]).unwrap_err().why.contains("cut off"));
    // A checkpoint by another key, or of another row.
    for (from, to) in [(r#""signature":""#, r#""signature":"00"#), (r#""key_id":"audit"#, r#""key_id":"other"#)] {
        let mut changed = lines.clone();
        changed[first_sealed] = changed[first_sealed].replacen(from, to, 1);
        assert!(verified(&changed).is_err(), "{from}");
    }
    let mut trusting = verify::Verifier::new(Some("00".repeat(32)));
    assert!(lines.iter().try_for_each(|line| trusting.line(line)).is_err(), "another key is believed");
}

#[tokio::test]
async fn erasing_a_person_leaves_the_chain_valid() {
    let world = world().await;
    world.put("a", b"x").await;
    let issued =
        world.issue(request("a", Form::Token, Terms { label: Some("Jane".to_owned()), ..Terms::new(Permission::Read) })).await;
    // Counted, and not yet written down.
    drop(world.get(&issued, ANOTHER, 0..1).await.unwrap());
    let erase = async |erasure: Erasure| world.service.erase_from_audit(&world.principal("chief"), erasure).await.unwrap();
    assert_eq!(erase(Erasure::Address("192.0.2.2".to_owned())).await, 1);
    assert_eq!(erase(Erasure::Label("Jane".to_owned())).await, 2);
    assert_eq!(erase(Erasure::Label("Jane".to_owned())).await, 0);
    world.service.seal_audit().await.unwrap();
    let lines = export(&world).await;
    verified(&lines).unwrap();
    assert!(lines.iter().all(|line| !line.contains("192.0.2.2") && !line.contains("Jane")));
    assert!(lines.iter().any(|line| line.contains("192.0.2.1")), "others stay");
    #[allow(clippy::disallowed_methods, reason = "the test looks at the store's file")]
    let database = std::fs::read(world.directory.path().join("metadata.sqlite3")).unwrap();
    assert!(!database.windows(9).any(|window| window == b"192.0.2.2"), "the file holds it no more");
    assert!(erase(Erasure::Address("192.0.2.1".to_owned())).await > 0);
    assert!(export(&world).await.iter().all(|line| !line.contains("192.0.2.1")), "not even by who erases");
}

#[tokio::test]
async fn what_is_kept_long_enough_is_dropped_and_the_rest_still_proves_itself() {
    let world =
        world_with(ServiceConfig { audit_retention: std::time::Duration::from_secs(30 * 86_400), ..ServiceConfig::default() })
            .await;
    world.service.seal_audit().await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(40 * 86_400));
    world.put("a", b"x").await;
    world.service.housekeeping().await.unwrap();
    world.service.seal_audit().await.unwrap();
    let app = world.principal("app");
    let stretch = world.service.audit_stretch(&app, 0, 100).await.unwrap();
    assert!(stretch.rows[0].seq > 1 && stretch.checkpoints[0].seq == stretch.rows[0].seq - 1);
    let mut lines = export(&world).await;
    let first = &stretch.checkpoints[0];
    let chain = world.service.audit_chain(&app).unwrap();
    let sealed = serde_json::json!({
        "type": "checkpoint", "chain": chain.as_str(), "seq": first.seq, "at": first.at.rfc3339(), "hash": hex(&first.hash),
        "key_id": first.key_id, "signature": hex(&first.signature),
    });
    lines.insert(1, sealed.to_string());
    assert_eq!(verified(&lines).unwrap().first, stretch.rows[0].seq);
    // Who drops rows without saying so is found out.
    let said_so = lines.iter().position(|line| line.contains("audit.drop")).unwrap();
    let silent: Vec<_> = lines.iter().take(said_so).cloned().chain([r#"{"type":"end"}"#.to_owned()]).collect();
    assert!(verified(&silent).is_err());
}

#[tokio::test]
async fn the_same_key_seals_after_a_restart() {
    let world = world().await;
    let before = world.service.audit_keys().await.unwrap();
    world.service.seal_audit().await.unwrap();
    let world = world.restarted().await;
    world.put("a", b"x").await;
    world.service.seal_audit().await.unwrap();
    assert_eq!(world.service.audit_keys().await.unwrap(), before);
    assert_eq!(verified(&export(&world).await).unwrap().key_id, before[0].id);
}
