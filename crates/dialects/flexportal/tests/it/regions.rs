//! The vendor has a server for each region: URLs begin as the region of the file's bucket has it.

use crate::world::*;
use serde_json::json;

#[test]
fn urls_begin_as_the_bucket_s_region_has_it() {
    let world = world();
    let given = world.ask_as("european", r#"{"action": "upload", "fileName": "a.txt", "contentType": "text/plain"}"#).json();
    let upload = text(&given, "url");
    assert!(upload.starts_with(&format!("{EU}/o/files-europe/")), "{upload}");
    assert_eq!(world.call("PUT", &upload, &[("Content-Type", "text/plain")], b"content").status, 200);
    let got = world.ask_as("european", &json!({ "fileId": given["fileId"] }).to_string()).json();
    let url = text(&got, "url");
    assert!(url.starts_with(&format!("{EU}/o/files-europe/")), "{url}");
    // Any of the server's addresses leads to it: host and scheme are not signed.
    for url in [url.clone(), url.replace(EU, BASE)] {
        assert_eq!(world.get(&url).text(), "content");
    }
    assert!(world.url(json!({ "fileId": world.upload("a", "a/b", b"x") })).starts_with(&format!("{BASE}/o/files-acme/")));
}
