use crate::fake::{Answer, Fake};
use crate::terminal::Shell;

#[test]
fn objects_are_deleted_in_silence() {
    let fake = Fake::giving([Answer::new(204, "")]);
    Shell::with(&fake).run(&["rm", "reports/a b", "inbox/ت"]).printed("");
    assert_eq!(fake.lines(), ["DELETE /vk/v1/buckets/reports/objects/a%20b", "DELETE /vk/v1/buckets/inbox/objects/%D8%AA"]);
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let fake = Fake::start(|n, _| match n {
        0 => Answer::problem(404, "not_found", "there is no such object"),
        _ => Answer::new(204, ""),
    });
    let ended = Shell::with(&fake).run(&["rm", "reports/a", "reports/b"]);
    ended.failed(1, &["error: `reports/a`: there is no such object", "hint: `valetkey ls reports/`", "error: 1 of 2 failed"]);
    assert_eq!(fake.lines().len(), 2);
}

#[test]
fn every_path_is_understood_before_the_first_is_deleted() {
    let fake = Fake::giving([Answer::new(204, "")]);
    Shell::with(&fake).run(&["rm", "reports/a", "reports"]).failed(2, &["expected `BUCKET/OBJECT KEY`, found no `/`"]);
    assert_eq!(fake.lines(), [""; 0]);
}
