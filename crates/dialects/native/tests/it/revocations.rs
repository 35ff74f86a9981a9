//! `POST /vk/v1/revocations`.

use crate::world::*;
use serde_json::json;

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
        assert_eq!((revoked.status, revoked.json()), (200, json!({ "revoked": 1 })));
        world.get(url).problem(410, "revoked");
        world.call("PUT", url, &[], b"x").problem(403, "wrong_method");
    }
}

#[test]
fn refused() {
    let world = world();
    let good = "lnk_AAAAAAAAAAAAAAAAAAAAAA";
    for body in [
        "{}".to_owned(),
        json!({ "link_ids": [] }).to_string(),
        json!({ "link_ids": good }).to_string(),
        json!({ "link_ids": ["lnk_x"] }).to_string(),
        json!({ "link_ids": ["lnk_AAAAAAAAAAAAAAAAAAAAAB"] }).to_string(),
        json!({ "link_ids": vec![good; 1001] }).to_string(),
    ] {
        world.api("POST", "/revocations", &body).problem(400, "invalid");
    }
    let body = json!({ "link_ids": [good] }).to_string();
    world.api_as("reader", "POST", "/revocations", &body).problem(403, "missing_scope");
    assert_eq!(world.api("POST", "/revocations", &body).status, 200);
}
