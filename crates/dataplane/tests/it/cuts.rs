//! A body that is ended early on purpose, while its peer does not read.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use valetkey_dataplane::body::{Cut, FileBody};

use crate::rig::{Client, Event, Noise, Record, Watcher, ok, options, plan, start};

const LEN: u64 = 32 << 20;

/// A cut that a test makes.
#[derive(Clone, Default)]
struct Knife(Arc<Mutex<(bool, Option<Waker>)>>);

impl Knife {
    fn cut(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    fn is_waited_for(&self) -> bool {
        self.0.lock().unwrap().1.is_some()
    }
}

impl Cut for Knife {
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        state.1 = Some(cx.waker().clone());
        if state.0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn a_cut_ends_a_response_that_nobody_reads() {
    let noise = Noise::new(50, LEN as usize);
    let (record, knife) = (Arc::new(Record::default()), Knife::default());
    let server = {
        let (record, knife, file) = (Arc::clone(&record), knife.clone(), Arc::clone(&noise.file));
        start(options(), move |_| {
            let body = FileBody::observed(plan(&file, &[(b"", 0, LEN)], b""), Box::new(Watcher(Arc::clone(&record))));
            std::future::ready(ok(body.until(Box::new(knife.clone()))))
        })
    };
    let mut client = Client::new(&server);
    client.ask("/");
    let (_, head) = client.read_head();
    assert!(head.contains(&format!("content-length: {LEN}")), "{head}");
    while !knife.is_waited_for() {
        std::thread::yield_now();
    }
    knife.cut();
    let events = record.at_end();
    let [Event::Ended { sent, whole: false }] = events[..] else { panic!("{events:?}") };
    assert!(sent < LEN, "{sent}");
}

#[test]
fn what_is_not_cut_arrives_whole() {
    let noise = Noise::new(51, LEN as usize);
    let (record, knife) = (Arc::new(Record::default()), Knife::default());
    let server = {
        let (record, knife, file) = (Arc::clone(&record), knife.clone(), Arc::clone(&noise.file));
        start(options(), move |_| {
            let body = FileBody::observed(plan(&file, &[(b"", 0, LEN)], b""), Box::new(Watcher(Arc::clone(&record))));
            std::future::ready(ok(body.until(Box::new(knife.clone()))))
        })
    };
    assert!(Client::new(&server).get("/").body == *noise.bytes);
    assert_eq!(record.at_end(), [Event::Ended { sent: LEN, whole: true }]);
}

#[test]
fn what_goes_out_at_once_is_never_asked_about() {
    let noise = Noise::new(52, 10_000);
    let knife = Knife::default();
    let server = {
        let (knife, file) = (knife.clone(), Arc::clone(&noise.file));
        start(options(), move |_| {
            let body = FileBody::new(plan(&file, &[(b"", 0, 10_000)], b""));
            std::future::ready(ok(body.until(Box::new(knife.clone()))))
        })
    };
    assert!(Client::new(&server).get("/").body == *noise.bytes);
    assert!(!knife.is_waited_for());
}
