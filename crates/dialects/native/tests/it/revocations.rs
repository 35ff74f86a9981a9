//! `POST /vk/v1/revocations`.

use crate::world::*;
use serde_json::{Value, json};

#[test]
fn a_url_stops_and_only_for_its_tenant() {
    let world = world();
    world.put("a", "x");
    for form in ["token", "link"] {
        let issued = world.issue("a", json!({ "form": form }));
        let (url, body) = (issued["url"].as_str().unwrap(), json!({ "link_ids": [issued["link_id"]] }).to_string());
        world.api_as("stranger", "POST", "/revocations", &body);
        assert_eq!(world.get(url).status, 200, "{form}");
        let revoked = world.api("POST", "/revocations", &body);
        let revocation = json!({ "link_id": issued["link_id"], "revoked_at": NOW });
        assert_eq!((revoked.status, revoked.json()), (200, json!({ "revoked": 1, "revocations": [revocation], "n_cut": 0 })));
        world.get(url).problem(410, "revoked");
        world.call("PUT", url, &[], b"x").problem(403, "wrong_method");
    }
}

#[test]
fn what_urls_have_in_common() {
    let world = world();
    world.put("dir/a", "x");
    let kid = world.api_as("chief", "GET", "/signing-keys", "").json()["signing_keys"][0]["kid"].clone();
    for what in [
        json!({ "label": "q3" }),
        json!({ "bucket": "reports", "key": "dir/a" }),
        json!({ "bucket": "reports", "prefix": "dir/" }),
        json!({ "bucket": "reports", "prefix": "" }),
        json!({ "api_key": "app" }),
        json!({ "signing_key": kid }),
        json!({ "all": true }),
    ] {
        let issued = world.issue("dir/a", json!({ "label": "q3" }));
        let url = issued["url"].as_str().unwrap();
        assert_eq!(world.get(url).status, 200, "{what}");
        let revoked = world.api_as("chief", "POST", "/revocations", &what.to_string());
        assert_eq!(revoked.status, 200, "{revoked:?}");
        let told = revoked.json()["revocations"][0].clone();
        for (field, value) in what.as_object().unwrap() {
            assert_eq!(told[field], *value, "{told}");
        }
        assert_eq!(told["revoked_at"], NOW);
        assert!(told["issued_before"].as_str().unwrap() >= NOW, "{told}");
        world.get(url).problem(410, "revoked");
        let listed = world.api("GET", &format!("/signed-urls/{}", issued["link_id"].as_str().unwrap()), "").json();
        assert_eq!(listed["state"], "revoked");
    }
    let issued = world.issue("dir/a", json!({}));
    let earlier = json!({ "all": true, "issued_before": "2027-01-15T07:59:59Z", "cut": true });
    assert_eq!(world.api_as("chief", "POST", "/revocations", &earlier.to_string()).status, 200);
    assert_eq!(world.get(issued["url"].as_str().unwrap()).status, 200, "it was issued later");
}

#[test]
fn tokens_by_their_own_ids() {
    let world = world();
    world.put("a", "x");
    let issued = world.issue("a", json!({}));
    let token_id = issued["link_id"].as_str().unwrap().strip_prefix("lnk_").unwrap();
    let revoked = world.api("POST", "/revocations", &json!({ "token_ids": [token_id] }).to_string());
    assert_eq!(revoked.json()["revocations"][0]["link_id"], issued["link_id"]);
    world.get(issued["url"].as_str().unwrap()).problem(410, "revoked");
}

#[test]
fn refused() {
    let world = world();
    let good = "lnk_AAAAAAAAAAAAAAAAAAAAAA";
    for body in [
        json!({}),
        json!({ "link_ids": [] }),
        json!({ "link_ids": good }),
        json!({ "link_ids": ["lnk_x"] }),
        json!({ "link_ids": ["lnk_AAAAAAAAAAAAAAAAAAAAAB"] }),
        json!({ "link_ids": vec![good; 1001] }),
        json!({ "link_ids": [good], "issued_before": "2027-01-01T00:00:00Z" }),
        json!({ "token_ids": ["x"] }),
        json!({ "label": "" }),
        json!({ "label": "l".repeat(256) }),
        json!({ "label": "q3", "all": true }),
        json!({ "label": "q3", "issued_before": "2027-01-15T08:00:01Z" }),
        json!({ "bucket": "reports" }),
        json!({ "bucket": "reports", "prefix": "dir" }),
        json!({ "bucket": "reports", "key": "a", "prefix": "a/" }),
        json!({ "prefix": "a/" }),
        json!({ "all": false }),
        json!({ "cut": true }),
        json!({ "labels": ["q3"] }),
    ] {
        world.api_as("chief", "POST", "/revocations", &body.to_string()).problem(400, "invalid");
    }
    for (body, what) in [
        (json!({ "bucket": "nothing", "key": "a" }), "bucket"),
        (json!({ "bucket": "strange", "prefix": "" }), "bucket"),
        (json!({ "api_key": "stranger" }), "API key"),
        (json!({ "signing_key": "nothing" }), "signing key"),
    ] {
        let problem = world.api_as("chief", "POST", "/revocations", &body.to_string()).problem(404, "not_found");
        assert_eq!(problem["what"], what);
    }
    let missing = |id: &str, body: Value| {
        world.api_as(id, "POST", "/revocations", &body.to_string()).problem(403, "missing_scope")["scope"].clone()
    };
    assert_eq!(missing("reader", json!({ "link_ids": [good] })), "link:revoke");
    assert_eq!(missing("reader", json!({ "label": "q3" })), "link:revoke");
    for body in [json!({ "api_key": "app" }), json!({ "signing_key": "x" }), json!({ "all": true })] {
        assert_eq!(missing("app", body), "admin");
    }
    assert_eq!(world.api("POST", "/revocations", &json!({ "link_ids": [good] }).to_string()).status, 200);
}
