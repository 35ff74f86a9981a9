//! The machine by example, and every state that a few clients, crashes and lapses can reach.

use super::*;
use std::collections::{BTreeSet, HashSet};

const MIB: u64 = 1 << 20;

fn digest(n: u8) -> SecretDigest {
    SecretDigest::from_bytes([n; 32])
}

fn uses(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// A grant of one object, its ledger, and a clock.
#[derive(Clone)]
struct Grant {
    ledger: Ledger,
    rules: Rules,
    size: u64,
    generation: u8,
    run: u64,
    seconds: i64,
    n_sessions: u8,
}

/// Who asks: from which client, with which session secret.
#[derive(Clone, Copy)]
struct Who(u8, Option<u8>);

impl Grant {
    fn new(n_uses: u32, size: u64) -> Self {
        let rules = Rules::new(uses(n_uses));
        Self { ledger: Ledger::default(), rules, size, generation: 1, run: 1, seconds: 0, n_sessions: 0 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.seconds)
    }

    fn ask(&self, who: Who, wanted: Range<u64>) -> Ask {
        Ask {
            now: self.now(),
            node: NodeRun(self.run),
            other_nodes: Vec::new(),
            rules: self.rules,
            secret: who.1.map(digest),
            client: digest(200 + who.0),
            past_expiry: false,
            may_wait: true,
            generation: BlobId::from_bytes([self.generation; 16]),
            size_bytes: self.size,
            wanted: if wanted.is_empty() { Vec::new() } else { vec![wanted] },
            new_session: SessionId::from_bytes([self.n_sessions; 16]),
            new_secret: digest(self.n_sessions),
        }
    }

    /// Asks; a new session gets the next number, which is also its secret's.
    fn reserve(&mut self, who: Who, wanted: Range<u64>) -> Result<Reserved, Denied> {
        let ask = self.ask(who, wanted);
        let answer = self.ledger.reserve(&ask);
        self.n_sessions += u8::from(answer.is_ok_and(|reserved| reserved.opened));
        answer
    }

    fn advance(&mut self, reserved: &Reserved, sent_bytes: u64) -> Result<u64, Denied> {
        let advance = Advance { now: self.now(), rules: self.rules, reservation: reserved.reservation, sent_bytes };
        self.ledger.advance(&advance)
    }

    fn settle(&mut self, reserved: &Reserved, sent_bytes: u64, whole: bool) -> bool {
        let settlement = Settlement { now: self.now(), rules: self.rules, reservation: reserved.reservation, sent_bytes, whole };
        self.ledger.settle(&settlement).completed
    }

    /// Asks, and sends up to `n` bytes of it, advancing as needed.
    fn fetch(&mut self, who: Who, wanted: Range<u64>, n: u64) -> Result<bool, Denied> {
        let total = wanted.end - wanted.start;
        let reserved = self.reserve(who, wanted)?;
        let (n, mut permitted) = (n.min(total), reserved.permitted_bytes);
        while permitted < n {
            permitted = self.advance(&reserved, permitted)?;
        }
        Ok(self.settle(&reserved, n, n == total))
    }

    fn crash(&mut self) {
        self.run += 1;
    }
}

#[test]
fn the_whole_object_at_once_is_the_use() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 1000), Ok(true));
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 1000), Err(Denied::UsedUp));
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1000), Err(Denied::UsedUp));
}

#[test]
fn while_one_downloads_nobody_else_can() {
    let mut grant = Grant::new(1, 1000);
    let reserved = grant.reserve(Who(1, None), 0..1000).unwrap();
    assert!(reserved.opened);
    for who in [Who(1, None), Who(2, None), Who(2, Some(99))] {
        assert_eq!(grant.reserve(who, 0..1000), Err(Denied::InUse));
    }
    assert!(grant.settle(&reserved, 1000, true));
}

#[test]
fn an_empty_object_is_spent_when_its_answer_went_out() {
    let mut grant = Grant::new(1, 0);
    let reserved = grant.reserve(Who(1, None), 0..0).unwrap();
    assert!(!grant.settle(&reserved, 0, false));
    let reserved = grant.reserve(Who(2, None), 0..0).unwrap();
    assert!(grant.settle(&reserved, 0, true));
    assert_eq!(grant.reserve(Who(1, None), 0..0), Err(Denied::UsedUp));
}

#[test]
fn a_cut_download_resumes_without_the_secret_from_the_same_client_only() {
    let mut grant = Grant::new(1, 256 * MIB);
    let size = grant.size;
    assert_eq!(grant.fetch(Who(1, None), 0..size, 200 * MIB), Ok(false));
    assert_eq!(grant.fetch(Who(2, None), 190 * MIB..size, size), Err(Denied::InUse), "another client");
    assert_eq!(grant.fetch(Who(1, None), 159 * MIB..size, size), Err(Denied::InUse), "more than the kernels can have swallowed");
    assert_eq!(grant.fetch(Who(1, None), 161 * MIB..size, size), Ok(true));
    assert_eq!(grant.fetch(Who(1, None), 255 * MIB..size, size), Err(Denied::UsedUp));
}

#[test]
fn a_resume_waits_for_the_response_that_was_cut_to_settle() {
    let mut grant = Grant::new(1, 1000);
    let cut = grant.reserve(Who(1, None), 0..1000).unwrap();
    assert_eq!(grant.reserve(Who(1, None), 400..1000), Err(Denied::Busy));
    let mut impatient = grant.ask(Who(1, None), 400..1000);
    impatient.may_wait = false;
    assert_eq!(grant.ledger.reserve(&impatient), Err(Denied::InUse));
    assert!(!grant.settle(&cut, 500, false));
    assert_eq!(grant.fetch(Who(1, None), 400..1000, 600), Ok(true));
}

#[test]
fn starting_afresh_costs_loss_and_stops_at_half() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 300), Ok(false));
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 200), Ok(false), "loss 300");
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 1), Ok(false), "loss 500");
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 1000), Err(Denied::InUse), "one byte too many");
    assert_eq!(grant.fetch(Who(1, Some(2)), 1..1000, 999), Ok(true), "the holder goes on");
}

#[test]
fn the_secret_of_a_session_that_is_over_opens_nothing() {
    let mut grant = Grant::new(1, 24 * MIB);
    let size = grant.size;
    assert_eq!(grant.fetch(Who(1, None), 0..size, MIB), Ok(false));
    assert_eq!(grant.fetch(Who(1, None), 0..size, 12 * MIB), Ok(false), "another of the same address and agent starts afresh");
    assert_eq!(grant.fetch(Who(1, Some(0)), MIB..size, size), Err(Denied::InUse), "the first one's secret is worth nothing");
    assert_eq!(grant.fetch(Who(1, Some(0)), 0..size, size), Err(Denied::InUse));
    assert_eq!(grant.fetch(Who(1, Some(1)), 12 * MIB..size, size), Ok(true));
}

#[test]
fn the_holder_may_fetch_again_within_the_budget() {
    let mut grant = Grant::new(1, 1000 * MIB);
    let size = grant.size;
    assert_eq!(grant.fetch(Who(1, None), 0..size, 900 * MIB), Ok(false));
    let holder = Who(7, Some(0));
    assert_eq!(grant.fetch(holder, 0..500 * MIB, size), Ok(false), "500 re-sent");
    assert_eq!(grant.fetch(holder, 0..41 * MIB, size), Err(Denied::UsedUp), "540 are the limit");
    assert_eq!(grant.fetch(holder, 860 * MIB..size, size), Ok(true));
}

#[test]
fn a_lapsed_session_returns_its_use_while_the_loss_allows() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 400), Ok(false));
    grant.seconds += 600;
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 400), Ok(false), "returned");
    grant.seconds += 600;
    assert_eq!(grant.fetch(Who(3, None), 0..1000, 1000), Err(Denied::UsedUp), "spent: 800 would be lost");
}

#[test]
fn all_bytes_but_one_are_never_for_two() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 999), Ok(false));
    grant.seconds += 599;
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1000), Err(Denied::InUse));
    grant.seconds += 1;
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1000), Err(Denied::UsedUp));
}

#[test]
fn after_completion_the_secret_has_a_grace() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 1000), Ok(true));
    grant.seconds += 59;
    assert_eq!(grant.fetch(Who(1, Some(0)), 700..1000, 300), Ok(false), "not a second use");
    assert_eq!(grant.fetch(Who(1, None), 700..1000, 300), Err(Denied::UsedUp));
    grant.seconds += 1;
    assert_eq!(grant.fetch(Who(1, Some(0)), 700..1000, 300), Err(Denied::UsedUp));
    assert_eq!(grant.ledger.n_spent(), 1);
}

#[test]
fn past_expiry_only_the_holder_goes_on() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 500), Ok(false));
    let mut late = grant.ask(Who(1, None), 500..1000);
    late.past_expiry = true;
    assert_eq!(grant.ledger.clone().reserve(&late), Err(Denied::Expired));
    late.secret = Some(digest(0));
    assert!(grant.ledger.reserve(&late).is_ok());
}

#[test]
fn an_overwrite_ends_the_session() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 500), Ok(false));
    grant.generation = 2;
    assert_eq!(grant.fetch(Who(1, Some(0)), 500..1000, 500), Ok(false), "a session of its own, not the old one's rest");
    assert_eq!(grant.fetch(Who(1, Some(1)), 0..500, 500), Ok(true));
}

#[test]
fn a_crash_neither_gives_the_object_to_two_nor_takes_it_from_the_holder() {
    let mut grant = Grant::new(1, 1000);
    grant.reserve(Who(1, None), 0..1000).unwrap();
    grant.crash();
    assert_eq!(grant.clone().fetch(Who(2, None), 0..1000, 1000), Err(Denied::InUse));
    assert_eq!(grant.clone().fetch(Who(1, Some(0)), 0..1000, 1000), Ok(true), "the holder has the secret");
    assert_eq!(grant.clone().fetch(Who(1, None), 600..1000, 400), Ok(false), "or resumes");
    grant.seconds += 600;
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1000), Err(Denied::UsedUp), "it may all have been sent");
}

#[test]
fn a_crash_before_the_secret_went_out_returns_the_use_of_a_larger_object() {
    let mut grant = Grant::new(1, 100 * MIB);
    let reserved = grant.reserve(Who(1, None), 0..100 * MIB).unwrap();
    assert_eq!(reserved.permitted_bytes, 50 * MIB);
    grant.crash();
    assert_eq!(grant.fetch(Who(1, None), 0..100 * MIB, 100 * MIB), Ok(true));
}

#[test]
fn a_response_under_way_is_cut_where_the_budget_ends() {
    let mut grant = Grant::new(1, 1000);
    (grant.rules.window_bytes, grant.rules.resume_overlap_bytes) = (100, 0);
    let first = grant.reserve(Who(1, None), 0..1000).unwrap();
    let second = grant.reserve(Who(1, Some(0)), 0..1000).unwrap();
    assert_eq!((1..10).try_for_each(|window| grant.advance(&first, window * 100).map(drop)), Ok(()));
    assert!(grant.settle(&first, 1000, true));
    let mut n_windows = 1;
    while grant.advance(&second, n_windows * 100).is_ok() {
        n_windows += 1;
    }
    assert_eq!(n_windows, 5, "500 may be re-sent");
}

#[test]
fn over_budget_the_holder_starts_afresh_only_when_nothing_is_under_way() {
    let mut grant = Grant::new(1, 1000);
    grant.rules.resume_overlap_bytes = 0;
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 300), Ok(false));
    let holder = Who(1, Some(0));
    assert_eq!(grant.fetch(holder, 0..300, 300), Ok(false), "300 re-sent");
    let under_way = grant.reserve(holder, 300..1000).unwrap();
    assert_eq!(grant.reserve(holder, 0..1000), Err(Denied::UsedUp));
    assert!(!grant.settle(&under_way, 0, false));
    assert!(grant.reserve(holder, 0..1000).is_ok(), "300 become loss");
}

#[test]
fn what_was_re_sent_counts_after_a_fresh_start_too() {
    let mut grant = Grant::new(1, 1000);
    grant.rules.resume_overlap_bytes = 0;
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 400), Ok(false));
    assert_eq!(grant.fetch(Who(1, Some(0)), 0..400, 400), Ok(false), "400 re-sent");
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 300), Ok(false), "400 lost");
    assert_eq!(grant.fetch(Who(1, Some(1)), 0..200, 200), Err(Denied::UsedUp), "500 are the limit");
    assert_eq!(grant.fetch(Who(1, Some(1)), 200..1000, 800), Ok(true));
}

#[test]
fn a_transfer_of_what_was_overwritten_lends_its_session_to_nobody() {
    let mut grant = Grant::new(1, 1000);
    let old = grant.reserve(Who(1, None), 0..1000).unwrap();
    assert_eq!(grant.advance(&old, 0), Ok(1000));
    grant.generation = 2;
    assert_eq!(grant.reserve(Who(1, Some(0)), 500..1000), Err(Denied::InUse), "the holder");
    assert_eq!(grant.reserve(Who(1, None), 0..1000), Err(Denied::InUse), "the same client");
    let mut partly = Grant::new(1, 1000);
    partly.rules.window_bytes = 100;
    partly.reserve(Who(1, None), 0..1000).unwrap();
    partly.generation = 2;
    assert_eq!(partly.reserve(Who(1, None), 500..1000), Err(Denied::InUse), "bytes that nobody has reserved");
}

#[test]
fn parallel_ranges_of_the_holder_make_one_use() {
    let mut grant = Grant::new(1, 1000);
    let first = grant.reserve(Who(1, None), 0..1000).unwrap();
    let second = grant.reserve(Who(1, Some(0)), 500..1000).unwrap();
    assert!(!grant.settle(&second, 500, true));
    assert!(grant.settle(&first, 500, false), "together they cover it");
    assert_eq!(grant.ledger.n_spent(), 1);
}

#[test]
fn seven_uses_are_seven() {
    let mut grant = Grant::new(7, 1000);
    for client in 0..7 {
        assert_eq!(grant.fetch(Who(client, None), 0..1000, 1000), Ok(true));
    }
    assert_eq!(grant.fetch(Who(8, None), 0..1000, 1000), Err(Denied::UsedUp));
}

#[test]
fn a_publication_spends_a_use_that_no_transfer_holds() {
    let mut grant = Grant::new(1, 1000);
    let reading = grant.reserve(Who(1, None), 0..1000).unwrap();
    assert!(!grant.ledger.spend(1));
    assert!(!grant.settle(&reading, 10, false));
    assert!(grant.ledger.spend(1) && !grant.ledger.spend(1));
    assert_eq!(grant.reserve(Who(1, None), 0..1000), Err(Denied::UsedUp));
}

#[test]
fn json_and_back() {
    let mut grant = Grant::new(2, 1000);
    grant.fetch(Who(1, None), 10..1000, 500).unwrap();
    grant.reserve(Who(2, None), 0..1000).unwrap();
    let text = serde_json::to_string(&grant.ledger).unwrap();
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), grant.ledger);
    assert!(!text.contains("null"));
}

/// What really happened, beside what the ledger knows.
#[derive(Clone)]
struct World {
    grant: Grant,
    /// Responses under way: who gets them, what was wanted, permitted and sent.
    responses: Vec<(u8, Reserved, Range<u64>, u64)>,
    /// Which bytes each of three people really has.
    has: [BTreeSet<u64>; 3],
    /// Each person's session secret, once told.
    secrets: [Option<u8>; 3],
    handed: u64,
    /// Reserved and unsettled at the crashes.
    crashed: u64,
    n_crashes: u32,
}

impl World {
    fn give(&mut self, person: u8, wanted: &Range<u64>, n: u64) {
        self.has[usize::from(person)].extend(wanted.start..wanted.start + n);
    }

    fn check(&self, trace: &[String]) {
        let grant = &self.grant;
        let n_uses = u64::from(grant.rules.uses.get());
        assert!(u64::from(grant.ledger.spent) <= n_uses, "{trace:?}");
        let budget = n_uses * (2 * grant.size + grant.rules.resume_overlap_bytes) + self.crashed;
        assert!(self.handed <= budget, "handed out {} of {budget}: {trace:?}", self.handed);
        if n_uses == 1 {
            let n_whole = self.has.iter().filter(|bytes| bytes.len() as u64 == grant.size).count();
            assert!(n_whole <= 1, "{n_whole} people have it all: {trace:?}");
        }
    }

    /// Every next world, with what led to it.
    fn steps(&self) -> Vec<(String, Self)> {
        let size = self.grant.size;
        let mut next = Vec::new();
        for person in 0..3_u8 {
            // Persons 1 and 2 share an address and agent.
            let client = person.min(1);
            for secret in [None, self.secrets[usize::from(person)]]
                .into_iter()
                .take(1 + usize::from(self.secrets[usize::from(person)].is_some()))
            {
                for wanted in [0..size, 0..2, 1..size, 2..size, 3..size] {
                    let mut world = self.clone();
                    let opened = world.grant.n_sessions;
                    if let Ok(reserved) = world.grant.reserve(Who(client, secret), wanted.clone()) {
                        if reserved.opened {
                            world.secrets[usize::from(person)] = Some(opened);
                        }
                        world.responses.push((person, reserved, wanted.clone(), 0));
                        next.push((format!("{person} {secret:?} asks {wanted:?}"), world));
                    }
                }
            }
        }
        for index in 0..self.responses.len() {
            let (person, reserved, wanted, already) = self.responses[index].clone();
            let permitted = reserved.permitted_bytes;
            for sent in already..=permitted {
                let mut world = self.clone();
                world.responses.remove(index);
                world.give(person, &wanted, sent);
                world.handed += sent - already;
                let whole = sent == wanted.end - wanted.start;
                world.grant.settle(&reserved, sent, whole);
                next.push((format!("{person}'s {wanted:?} ends after {sent}"), world));
            }
            if permitted < wanted.end - wanted.start {
                let mut world = self.clone();
                world.give(person, &wanted, permitted);
                world.handed += permitted - already;
                match world.grant.advance(&reserved, permitted) {
                    Ok(more) => {
                        world.responses[index] =
                            (person, Reserved { permitted_bytes: more, ..reserved }, wanted.clone(), permitted);
                    }
                    Err(_) => {
                        world.responses.remove(index);
                        world.grant.settle(&reserved, permitted, false);
                    }
                }
                next.push((format!("{person}'s {wanted:?} advances"), world));
            }
        }
        if self.n_crashes < 2 && !self.responses.is_empty() {
            // Everything reserved was sent, or nothing of it.
            for all in [false, true] {
                let mut world = self.clone();
                for (person, reserved, wanted, already) in std::mem::take(&mut world.responses) {
                    let sent = if all { reserved.permitted_bytes } else { already };
                    world.give(person, &wanted, sent);
                    world.handed += sent - already;
                    world.crashed += reserved.permitted_bytes - already;
                }
                world.n_crashes += 1;
                world.grant.crash();
                next.push((format!("crash, sent: {all}"), world));
            }
        }
        let mut world = self.clone();
        world.grant.seconds += 600;
        if world.responses.is_empty() {
            next.push(("ten minutes".into(), world));
        }
        next
    }

    fn identity(&self) -> String {
        let ledger = serde_json::to_string(&self.grant.ledger).unwrap();
        format!(
            "{ledger} {:?} {:?} {:?} {} {} {}",
            self.responses, self.has, self.secrets, self.handed, self.crashed, self.n_crashes
        )
    }
}

/// Breadth first through every world that can be reached in `depth` steps.
fn enumerate(n_uses: u32, depth: usize) -> usize {
    let mut grant = Grant::new(n_uses, 4);
    (grant.rules.window_bytes, grant.rules.resume_overlap_bytes) = (2, 1);
    let start =
        World { grant, responses: Vec::new(), has: Default::default(), secrets: [None; 3], handed: 0, crashed: 0, n_crashes: 0 };
    let mut seen = HashSet::from([start.identity()]);
    let mut edge = vec![(Vec::new(), start)];
    for _ in 0..depth {
        let mut further = Vec::new();
        for (trace, world) in edge {
            for (step, world) in world.steps() {
                let trace: Vec<String> = trace.iter().cloned().chain([step]).collect();
                world.check(&trace);
                if seen.insert(world.identity()) {
                    further.push((trace, world));
                }
            }
        }
        edge = further;
    }
    seen.len()
}

#[test]
fn no_reachable_state_gives_more_than_it_may() {
    let depth = if std::env::var_os("VALETKEY_SOAK").is_some() { 6 } else { 4 };
    for n_uses in [1, 2] {
        let n_states = enumerate(n_uses, depth);
        assert!(n_states > 3_000, "{n_states} states for {n_uses} uses");
    }
}
