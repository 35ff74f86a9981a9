//! What meters and observers are told is exact, however a response ends.

use std::sync::Arc;

use valetkey_dataplane::SendMode;
use valetkey_dataplane::body::{FileBody, FilePlan, ResponseBody};
use valetkey_dataplane::listener::{Options, Server};

use crate::rig::{Client, Event, Gate, Noise, Record, StepMeter, Watcher, ok, options, plan, start};

const MODES: [SendMode; 2] = [SendMode::Sendfile, SendMode::Copy];

fn with(mode: SendMode) -> Options {
    let mut options = options();
    options.send = mode;
    options
}

/// A server that answers `/small` shortly and everything else with what `plan` says, metered by what `meter` makes.
fn metered(
    options: Options,
    plan: impl Fn() -> FilePlan + Send + Sync + 'static,
    meter: impl Fn() -> StepMeter + Send + Sync + 'static,
) -> Server {
    start(options, move |request| {
        std::future::ready(if request.uri().path() == "/small" {
            ok(ResponseBody::bytes("small"))
        } else {
            ok(FileBody::metered(plan(), Box::new(meter())))
        })
    })
}

fn whole_plan(noise: &Noise) -> impl Fn() -> FilePlan + Send + Sync + 'static {
    let (file, len) = (Arc::clone(&noise.file), noise.bytes.len() as u64);
    move || plan(&file, &[(b"", 0, len)], b"")
}

#[test]
fn windows_are_extended_until_the_end() {
    let noise = Noise::new(20, 3_000_000);
    for mode in MODES {
        for step in [1 << 10, 100_000, 1_000_000, 1 << 40] {
            let record = Arc::new(Record::default());
            let shared = Arc::clone(&record);
            let server = metered(with(mode), whole_plan(&noise), move || StepMeter::new(&shared, step, 3_000_000));
            let mut client = Client::new(&server);
            assert!(client.get("/").body == *noise.bytes, "{mode:?} {step}");
            assert_eq!(client.get("/small").body, b"small");
            let events = record.at_end();
            let [Event::Finishing { .. }, ended] = events[..] else { panic!("{events:?}") };
            let sent = 3_000_000;
            assert_eq!(ended, Event::Ended { sent, whole: true });
        }
    }
}

#[test]
fn a_denial_cuts_after_exactly_what_was_permitted() {
    let noise = Noise::new(21, 3_000_000);
    for mode in MODES {
        let record = Arc::new(Record::default());
        let gate = Arc::new(Gate::default());
        let server = {
            let (record, gate) = (Arc::clone(&record), Arc::clone(&gate));
            metered(with(mode), whole_plan(&noise), move || {
                let mut meter = StepMeter::new(&record, 1_000_000, 1_000_000);
                meter.gate = Some(Arc::clone(&gate));
                meter
            })
        };
        let mut client = Client::new(&server);
        client.ask("/");
        let (_, head) = client.read_head();
        assert!(head.contains("content-length: 3000000"), "{head}");
        assert!(client.take(1_000_000) == noise.bytes[..1_000_000]);
        gate.wait_asked(1_000_000);
        gate.grant();
        assert!(client.rest().is_empty());
        let sent = 1_000_000;
        assert_eq!(record.at_end(), [Event::Ended { sent, whole: false }]);
    }
}

#[test]
fn a_pending_permit_is_asked_again_as_bytes_leave() {
    let noise = Noise::new(22, 3_000_000);
    let record = Arc::new(Record::default());
    let gate = Arc::new(Gate::default());
    let server = {
        let (record, gate) = (Arc::clone(&record), Arc::clone(&gate));
        metered(options(), whole_plan(&noise), move || {
            let mut meter = StepMeter::new(&record, 1_500_000, 3_000_000);
            meter.gate = Some(Arc::clone(&gate));
            meter
        })
    };
    let mut client = Client::new(&server);
    client.ask("/");
    client.read_head();
    client.take(1_500_000);
    gate.wait_asked(1_500_000);
    assert_eq!(record.now(), []);
    gate.grant();
    assert!(client.take(1_500_000) == noise.bytes[1_500_000..]);
    let [Event::Finishing { sent_before }, Event::Ended { sent, whole }] = record.at_end()[..] else {
        panic!("{:?}", record.now())
    };
    assert_eq!((sent_before, sent, whole), (1_500_000, 3_000_000, true));
}

#[test]
fn the_client_cannot_have_the_last_byte_before_finishing() {
    let noise = Noise::new(23, 200_000);
    let record = Arc::new(Record::default());
    let shared = Arc::clone(&record);
    let server = metered(options(), whole_plan(&noise), move || StepMeter::new(&shared, 1 << 40, 1 << 40));
    let mut client = Client::new(&server);
    client.ask("/");
    client.read(false);
    assert!(matches!(record.now()[0], Event::Finishing { .. }));
}

#[test]
fn a_reset_in_mid_body_is_told_once_with_what_the_kernel_took() {
    // Far more than the socket's buffers hold.
    let noise = Noise::new(24, 64 << 20);
    for mode in MODES {
        let record = Arc::new(Record::default());
        let shared = Arc::clone(&record);
        let server = metered(with(mode), whole_plan(&noise), move || StepMeter::new(&shared, 1 << 40, 1 << 40));
        let mut client = Client::new(&server);
        client.ask("/");
        client.read_head();
        assert!(client.take(1_000_000) == noise.bytes[..1_000_000]);
        client.reset();
        let events = record.at_end();
        let [Event::Ended { sent, whole: false }] = events[..] else { panic!("{events:?}") };
        assert!((1_000_000..64 << 20).contains(&sent), "{sent}");
        server.shutdown(std::time::Duration::ZERO);
        assert_eq!(record.now(), events, "told once");
    }
}

#[test]
fn shutting_down_at_once_is_told_exactly() {
    let noise = Noise::new(25, 64 << 20);
    for mode in MODES {
        let record = Arc::new(Record::default());
        let shared = Arc::clone(&record);
        let file = Arc::clone(&noise.file);
        let server = start(with(mode), move |_| {
            let plan = plan(&file, &[(b"", 0, 64 << 20)], b"");
            let watcher = Box::new(Watcher(Arc::clone(&shared)));
            std::future::ready(ok(FileBody::observed(plan, watcher)))
        });
        let mut client = Client::new(&server);
        client.ask("/");
        client.read_head();
        server.shutdown(std::time::Duration::ZERO);
        let events = record.now();
        let [Event::Ended { sent, whole: false }] = events[..] else { panic!("{events:?}") };
        // What the kernel accepted of a connection that is closed, it still delivers.
        let body = client.rest();
        assert_eq!(body.len() as u64, sent, "{mode:?}");
        assert!(body == noise.bytes[..body.len()]);
    }
}

#[test]
fn an_empty_file_is_whole_when_its_head_is_flushed() {
    let noise = Noise::new(26, 10);
    let record = Arc::new(Record::default());
    let shared = Arc::clone(&record);
    let file = Arc::clone(&noise.file);
    let server = metered(options(), move || plan(&file, &[(b"", 3, 3)], b""), move || StepMeter::new(&shared, 1, 1));
    let mut client = Client::new(&server);
    let got = client.get("/");
    assert!(got.head.contains("content-length: 0"), "{}", got.head);
    let whole = Event::Ended { sent: 0, whole: true };
    let finishing = Event::Finishing { sent_before: 0 };
    assert_eq!(record.at_end(), [finishing, whole]);
}

#[test]
fn a_body_that_is_never_sent_is_told_so() {
    let noise = Noise::new(27, 300_000);
    let record = Arc::new(Record::default());
    let shared = Arc::clone(&record);
    let file = Arc::clone(&noise.file);
    let server = start(options(), move |request| {
        let plan = plan(&file, &[(b"", 0, 0)], b"");
        let body = FileBody::observed(plan, Box::new(Watcher(Arc::clone(&shared))));
        std::future::ready(if request.uri().path() == "/dropped" {
            drop(body);
            ok(ResponseBody::bytes("instead"))
        } else {
            ok(body)
        })
    });
    assert_eq!(Client::new(&server).get("/dropped").body, b"instead");
    let never = Event::Ended { sent: 0, whole: false };
    assert_eq!(record.at_end(), [never]);
}

#[test]
fn an_observer_is_told_of_each_pipelined_response() {
    let noise = Noise::new(28, 300_000);
    let record = Arc::new(Record::default());
    let shared = Arc::clone(&record);
    let file = Arc::clone(&noise.file);
    let server = start(options(), move |request| {
        let end = request.uri().query().unwrap().parse().unwrap();
        let plan = plan(&file, &[(b"<", 0, end)], b">");
        let watcher = Box::new(Watcher(Arc::clone(&shared)));
        std::future::ready(ok(FileBody::observed(plan, watcher)))
    });
    let mut client = Client::new(&server);
    let sizes = [300_000_usize, 0, 5, 20_000];
    for size in sizes {
        client.ask(&format!("/?{size}"));
    }
    for size in sizes {
        let got = client.read(false);
        assert!(got.body[1..=size] == noise.bytes[..size]);
        assert_eq!(got.body.len(), size + 2);
    }
    server.shutdown(crate::rig::PATIENCE);
    let expected = sizes.map(|size| Event::Ended { sent: size as u64, whole: true });
    assert_eq!(record.now(), expected);
}
