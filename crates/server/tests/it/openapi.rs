//! The document is the one that is committed, is served, and describes exactly what is there.

use crate::client::{ask, send};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use valetkey_server::{RunningServer, ServeConfig, openapi};

/// With this in the environment the committed document is written anew.
const REWRITE: &str = "VALETKEY_REWRITE";

fn document() -> Value {
    serde_json::from_str(&openapi::json(&openapi::document())).unwrap()
}

fn started(config: ServeConfig) -> (RunningServer, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    (RunningServer::start(ServeConfig { data: data.path().join("data"), listen, workers: Some(1), ..config }).unwrap(), data)
}

/// Every operation: path, method in lower case, and what is said of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        operations.extend(item.as_object().unwrap().iter().map(|(method, said)| (path.as_str(), method.as_str(), said)));
    }
    operations
}

#[test]
fn the_committed_document_is_this_one() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
    let text = openapi::json(&openapi::document());
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = committed.lines().zip(text.lines()).position(|(committed, made)| committed != made);
    let is_same = committed == text;
    assert!(
        is_same,
        "openapi.json is not what the code describes (first in line {:?}): look at the difference after \
         `{REWRITE}=1 cargo nextest run -p valetkey-server openapi`",
        differing.map(|line| line + 1)
    );
}

#[test]
fn everything_it_refers_to_is_there() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, member)| match (name.as_str(), member) {
                ("$ref", Value::String(reference)) => drop(found.insert(reference)),
                _ => references(member, found),
            }),
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(found.contains(format!("#/components/{kind}/{name}").as_str()), "nobody uses {kind}/{name}");
        }
    }
    let ids: HashSet<_> = operations(&document).into_iter().map(|(_, _, said)| said["operationId"].as_str().unwrap()).collect();
    for link in document.pointer("/paths").unwrap().to_string().split("\"operationId\":\"").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(ids.contains(id), "{id}");
    }
}

#[test]
fn every_operation_is_told_apart_and_says_what_matters() {
    let document = document();
    let mut ids = HashSet::new();
    for (path, method, said) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(ids.insert(said["operationId"].as_str().unwrap()), "{place}: its id is another's, too");
        assert!(said["summary"].as_str().is_some_and(|text| !text.is_empty()), "{place} has no summary");
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<_> =
            parameters.iter().filter(|one| one["in"] == "path").map(|one| one["name"].as_str().unwrap()).collect();
        let in_template: BTreeSet<_> = path.split('{').skip(1).map(|part| part.split('}').next().unwrap()).collect();
        assert_eq!(in_path, in_template, "{place}");
        let mut names = HashSet::new();
        for parameter in &parameters {
            assert!(names.insert((parameter["in"].to_string(), parameter["name"].to_string())), "{place}: {parameter} twice");
            assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{place}: {parameter}");
        }
        let statuses: Vec<_> = said["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(statuses.iter().any(|status| status.starts_with('2')), "{place} cannot succeed");
        let is_preflight = method == "options";
        assert!(is_preflight || statuses.contains(&"503"), "{place} cannot fail for want of a store");
        if said.get("requestBody").is_some() {
            assert!(statuses.contains(&"408"), "{place} does not say what a slow body is told");
        }
        if said.get("security").is_some() {
            for status in ["401", "429"] {
                assert!(statuses.contains(&status), "{place}: {status}");
            }
        }
    }
}

#[test]
fn a_path_has_the_methods_described_and_no_other() {
    let (server, _data) = started(ServeConfig::default());
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut target = path.clone();
        for said in item.as_object().unwrap().values() {
            for parameter in said["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "path") {
                let example = parameter.pointer("/schema/examples/0").cloned().unwrap_or(Value::from(1));
                let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
                target = target.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &text.replace('/', "%2F"));
            }
        }
        // No path has a method of this name.
        let answer = ask(server.address(), "TRACE", &target);
        let allowed: BTreeSet<_> = answer.field("allow").split(", ").map(str::to_lowercase).collect();
        let described: BTreeSet<_> = item.as_object().unwrap().keys().cloned().collect();
        assert_eq!((answer.status, allowed), (405, described), "{target}");
    }
    server.stop().unwrap();
}

#[test]
fn it_is_served_with_the_urls_of_the_server() {
    let config = ServeConfig {
        public_url: Some("https://files.example.org/x".to_owned()),
        region_url: vec!["EMEA=https://eu.example.org/x".to_owned()],
        ..ServeConfig::default()
    };
    let (server, _data) = started(config);
    for target in ["/openapi.json", "/x/openapi.json"] {
        let answer = ask(server.address(), "GET", target);
        assert_eq!((answer.status, answer.field("content-type")), (200, "application/json"));
        let mut served: Value = serde_json::from_str(&answer.body).unwrap();
        let urls: Vec<_> = served["servers"].as_array().unwrap().iter().map(|server| server["url"].as_str().unwrap()).collect();
        assert_eq!(urls, ["https://files.example.org/x", "https://eu.example.org/x"]);
        let committed = document();
        served["servers"] = committed["servers"].clone();
        assert!(served == committed, "something else than the servers differs");
    }
    let page = ask(server.address(), "GET", "/docs").body;
    assert!(page.contains("<code>https://eu.example.org/x</code>") && page.contains("https://files.example.org/x/vk/v1/buckets"));
    server.stop().unwrap();
}

#[test]
fn documents_are_kept_by_their_entity_tags() {
    let (server, _data) = started(ServeConfig::default());
    for (target, content_type) in [("/openapi.json", "application/json"), ("/docs", "text/html; charset=utf-8")] {
        let whole = ask(server.address(), "GET", target);
        assert_eq!((whole.status, whole.field("content-type")), (200, content_type), "{target}");
        assert_eq!((whole.field("cache-control"), whole.field("x-content-type-options")), ("public, no-cache", "nosniff"));
        let head = ask(server.address(), "HEAD", target);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{target}");
        assert_eq!((head.field("etag"), head.field("content-length")), (whole.field("etag"), &*whole.body.len().to_string()));
        let known = send(server.address(), "GET", target, &[("If-None-Match", whole.field("etag"))], "");
        assert_eq!((known.status, known.body.as_str(), known.field("etag")), (304, "", whole.field("etag")), "{target}");
        let other = send(server.address(), "GET", target, &[("If-None-Match", "\"other\"")], "");
        assert_eq!(other.status, 200, "{target}");
    }
    let policy = ask(server.address(), "GET", "/docs").field("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("script"), "{policy}");
    server.stop().unwrap();
}
