//! Two tenants fill the server at random; then each asks for everything of the other's by every call of the API. Status and body
//! are those for what was never there, unless it is public, and nothing changes.

use crate::world::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Act {
    Bucket { bucket: u8, public: bool },
    Publish { bucket: u8, public: bool },
    Put { bucket: u8, key: u8 },
    Delete { bucket: u8, key: Option<u8> },
    Sign { bucket: u8, key: u8, link: bool },
    ApiKey { id: u8 },
    SigningKey { id: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    // Few names, so that the tenants get in each other's way.
    let (bucket, key) = (0..4_u8, 0..3_u8);
    prop_oneof![
        4 => (bucket.clone(), any::<bool>()).prop_map(|(bucket, public)| Act::Bucket { bucket, public }),
        1 => (bucket.clone(), any::<bool>()).prop_map(|(bucket, public)| Act::Publish { bucket, public }),
        5 => (bucket.clone(), key.clone()).prop_map(|(bucket, key)| Act::Put { bucket, key }),
        1 => (bucket.clone(), proptest::option::of(key.clone())).prop_map(|(bucket, key)| Act::Delete { bucket, key }),
        3 => (bucket, key, any::<bool>()).prop_map(|(bucket, key, link)| Act::Sign { bucket, key, link }),
        2 => (0..4_u8).prop_map(|id| Act::ApiKey { id }),
        2 => (0..4_u8).prop_map(|id| Act::SigningKey { id }),
    ]
}

/// A tenant by its administrator, and what that one was told.
struct Tenant {
    administrator: &'static str,
    api_keys: BTreeSet<String>,
    signing_keys: BTreeSet<String>,
    urls: Vec<(String, String)>,
}

impl Tenant {
    fn new(administrator: &'static str) -> Self {
        let api_keys = [administrator.to_owned()].into();
        Self { administrator, api_keys, signing_keys: BTreeSet::new(), urls: Vec::new() }
    }

    fn call(&self, world: &World, method: &str, path: &str, body: Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        world.api_as(self.administrator, method, path, &body)
    }

    /// Does it, if it can be done.
    fn act(&mut self, world: &World, act: &Act) {
        let object = |bucket: u8, key: u8| format!("/buckets/bucket-{bucket}/objects/folder/{key}");
        match *act {
            Act::Bucket { bucket, public } => {
                self.call(world, "POST", "/buckets", json!({ "name": format!("bucket-{bucket}"), "public": public }));
            }
            Act::Publish { bucket, public } => {
                self.call(world, "PATCH", &format!("/buckets/bucket-{bucket}"), json!({ "public": public }));
            }
            Act::Put { bucket, key } => drop(self.call(world, "PUT", &object(bucket, key), self.administrator.into())),
            Act::Delete { bucket, key: Some(key) } => drop(self.call(world, "DELETE", &object(bucket, key), Value::Null)),
            Act::Delete { bucket, key: None } => {
                self.call(world, "DELETE", &format!("/buckets/bucket-{bucket}"), Value::Null);
            }
            Act::Sign { bucket, key, link } => {
                let form = if link { "link" } else { "token" };
                let body = json!({ "bucket": format!("bucket-{bucket}"), "key": format!("folder/{key}"), "permission": "read", "form": form });
                let issued = self.call(world, "POST", "/signed-urls", body);
                if issued.status == 201 {
                    let text = |name: &str| issued.json()[name].as_str().unwrap().to_owned();
                    self.urls.push((text("url"), text("link_id")));
                }
            }
            Act::ApiKey { id } => {
                let id = format!("key-{id}");
                if self.call(world, "POST", "/api-keys", json!({ "id": id, "scopes": ["*"] })).status == 201 {
                    self.api_keys.insert(id);
                }
            }
            Act::SigningKey { id } => {
                let kid = format!("kid-{id}");
                let body = json!({ "kid": kid, "algorithm": "HS256", "owner": "server" });
                if self.call(world, "POST", "/signing-keys", body).status == 201 {
                    self.signing_keys.insert(kid);
                }
            }
        }
    }

    fn list(&self, world: &World, path: &str, field: &str) -> Vec<Value> {
        let page = self.call(world, "GET", &format!("{path}?limit=1000"), Value::Null).json();
        assert_eq!(page["next"], Value::Null);
        page[field].as_array().unwrap().clone()
    }

    /// Every object it has: its bucket, whether that is public, its key, its ids.
    fn objects(&self, world: &World) -> Vec<(String, bool, Value)> {
        let mut objects = Vec::new();
        for bucket in self.list(world, "/buckets", "buckets") {
            let name = bucket["name"].as_str().unwrap().to_owned();
            for object in self.list(world, &format!("/buckets/{name}/objects"), "objects") {
                objects.push((name.clone(), bucket["public"] == true, object));
            }
        }
        objects
    }

    /// All that it sees of its own.
    fn sight(&self, world: &World) -> Value {
        json!([
            self.list(world, "/buckets", "buckets"),
            self.objects(world).into_iter().map(|(_, _, object)| object).collect::<Vec<_>>(),
            self.list(world, "/api-keys", "api_keys"),
            self.list(world, "/signing-keys", "signing_keys"),
            self.urls.iter().map(|(url, _)| world.get(url).status).collect::<Vec<_>>(),
        ])
    }
}

/// Every call of the API about these names, by a thief who may do everything at home.
fn tried(world: &World, thief: &Tenant, bucket: &str, key: &str, api_key: &str, kid: &str) -> Vec<(String, u16, Value)> {
    let object = format!("/buckets/{bucket}/objects/{key}");
    let sign = |permission: &str, form: &str| json!({ "bucket": bucket, "key": key, "permission": permission, "form": form });
    let calls = [
        ("READ", "GET", object.clone(), Value::Null),
        ("READ", "HEAD", object.clone(), Value::Null),
        ("READ", "POST", "/signed-urls".to_owned(), sign("read", "token")),
        ("READ", "POST", "/signed-urls".to_owned(), sign("read", "link")),
        ("READ", "POST", "/signed-urls".to_owned(), json!({ "bucket": bucket, "prefix": "", "permission": "read" })),
        ("", "POST", "/signed-urls".to_owned(), sign("write", "token")),
        ("", "POST", "/signed-urls".to_owned(), sign("write", "link")),
        ("", "POST", "/signed-urls".to_owned(), json!([sign("write", "link"), sign("read", "link")])),
        ("", "GET", format!("/buckets/{bucket}"), Value::Null),
        ("", "GET", format!("/buckets/{bucket}/objects"), Value::Null),
        ("", "GET", format!("/buckets/{bucket}/objects?prefix=folder"), Value::Null),
        ("", "PUT", object.clone(), json!("stolen")),
        ("", "DELETE", object, Value::Null),
        ("", "PATCH", format!("/buckets/{bucket}"), json!({ "public": true })),
        ("", "DELETE", format!("/buckets/{bucket}"), Value::Null),
        ("", "GET", format!("/api-keys/{api_key}"), Value::Null),
        ("", "PATCH", format!("/api-keys/{api_key}"), json!({ "disabled": true })),
        ("", "POST", format!("/api-keys/{api_key}/secret"), Value::Null),
        ("", "DELETE", format!("/api-keys/{api_key}"), Value::Null),
        ("", "GET", format!("/signing-keys/{kid}"), Value::Null),
        ("", "PATCH", format!("/signing-keys/{kid}"), json!({ "state": "revoked" })),
        ("", "POST", "/signing-keys".to_owned(), json!({ "algorithm": "HS256", "owner": api_key })),
    ];
    let told = |got: &Got| {
        let body = String::from_utf8_lossy(&got.body).replace(api_key, "ID");
        serde_json::from_str(&body).unwrap_or(Value::from(body))
    };
    let mut tried: Vec<_> = calls
        .into_iter()
        .map(|(kind, method, path, body)| {
            let got = thief.call(world, method, &path, body);
            (format!("{kind} {method} {path}"), got.status, told(&got))
        })
        .collect();
    for (kind, method) in [("READ", "GET"), ("READ", "HEAD"), ("", "PUT"), ("", "DELETE")] {
        for path in [format!("/o/{bucket}/{key}"), format!("/vk/v1/buckets/{bucket}/objects/{key}")] {
            let got = world.call(method, &path, &[], b"");
            tried.push((format!("{kind} {method} {path} without a credential"), got.status, told(&got)));
        }
    }
    tried
}

fn rob(world: &World, victim: &Tenant, thief: &Tenant) {
    let nothing = tried(world, thief, "never-made", "never/put", "nobody", "no-kid");
    assert!(nothing.iter().all(|(_, status, _)| matches!(status, 400..500)), "{nothing:?}");
    let ids = |one: &Value, names: &[&str]| names.iter().map(|name| one[*name].clone()).collect::<Vec<_>>();
    let mut places: Vec<_> = victim
        .objects(world)
        .into_iter()
        .map(|(bucket, public, object)| (bucket, public, object["key"].as_str().unwrap().to_owned()))
        .collect();
    for bucket in victim.list(world, "/buckets", "buckets") {
        places.push((bucket["name"].as_str().unwrap().to_owned(), bucket["public"] == true, "never/put".to_owned()));
    }
    let mut api_keys = victim.api_keys.iter().cycle();
    let kids: Vec<_> = victim.signing_keys.iter().cloned().chain(["no-kid".to_owned()]).collect();
    for (position, (bucket, public, key)) in places.iter().enumerate() {
        let (api_key, kid) = (api_keys.next().unwrap(), &kids[position % kids.len()]);
        let got = tried(world, thief, bucket, key, api_key, kid);
        for ((call, status, body), (_, no_status, no_body)) in got.iter().zip(&nothing) {
            let is_alike = (status, body) == (no_status, no_body);
            assert!(
                is_alike || *public && call.starts_with("READ"),
                "{call}: {status} {body}, of nothing: {no_status} {no_body}"
            );
        }
    }
    for (_, link_id) in &victim.urls {
        thief.call(world, "POST", "/revocations", json!({ "link_ids": [link_id] }));
    }
    // Nothing of it stands in any of the thief's lists.
    let (of_victim, of_thief) = (victim.sight(world), thief.sight(world));
    for (list, names) in [(0, &["name"][..]), (1, &["bucket", "key"]), (2, &["id"]), (3, &["kid"])] {
        let victims: Vec<_> = of_victim[list].as_array().unwrap().iter().map(|one| ids(one, names)).collect();
        let mut thiefs = of_thief[list].as_array().unwrap().iter().map(|one| ids(one, names));
        assert!(thiefs.all(|one| !victims.contains(&one)), "{of_thief}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_tenants_is_told_as_what_is_not_there(acts in proptest::collection::vec((any::<bool>(), act()), 1..60)) {
        let world = world();
        let (mut a, mut b) = (Tenant::new("chief"), Tenant::new("boss"));
        for (is_a, act) in &acts {
            if *is_a { a.act(&world, act) } else { b.act(&world, act) }
        }
        let before = (a.sight(&world), b.sight(&world));
        rob(&world, &a, &b);
        rob(&world, &b, &a);
        assert_eq!((a.sight(&world), b.sight(&world)), before);
    }
}
