//! The machine by example, and every state that a few clients, nodes, crashes and lapses can reach.

mod model;

use super::*;

const MIB: u64 = 1 << 20;

fn digest(n: u8) -> SecretDigest {
    SecretDigest::from_bytes([n; 32])
}

fn uses(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

/// A grant of one object, its ledger, and a clock.
#[derive(Clone, Debug)]
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

    /// Presses the button; a new session gets the next number.
    fn press(&mut self, who: Who) -> Result<bool, Denied> {
        let ask = self.ask(who, 0..0);
        let answer = self.ledger.open(&ask);
        self.n_sessions += u8::from(answer == Ok(true));
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
fn who_may_have_the_whole_object_takes_a_use_with_them_though_the_loss_would_allow_for_more() {
    let mut crashed = Grant::new(2, 1000);
    crashed.reserve(Who(1, None), 0..1000).unwrap();
    crashed.crash();
    let mut alike = crashed.clone();
    assert_eq!(alike.fetch(Who(1, None), 0..1000, 1000), Ok(true), "with another use");
    assert_eq!(alike.fetch(Who(1, None), 0..1000, 1000), Err(Denied::InUse));
    crashed.seconds += 600;
    assert_eq!(crashed.fetch(Who(2, None), 0..1000, 1000), Ok(true));
    assert_eq!(crashed.fetch(Who(3, None), 0..1000, 1000), Err(Denied::UsedUp));

    let mut pieced = Grant::new(2, 1000);
    assert_eq!(pieced.fetch(Who(1, None), 0..1000, 600), Ok(false));
    assert_eq!(pieced.fetch(Who(1, None), 0..1000, 100), Ok(false), "started afresh");
    assert_eq!(pieced.fetch(Who(1, None), 600..1000, 400), Ok(false), "the rest of the first one");
    pieced.seconds += 600;
    assert_eq!(pieced.fetch(Who(2, None), 0..1000, 1000), Ok(true));
    assert_eq!(pieced.fetch(Who(3, None), 0..1000, 1000), Err(Denied::UsedUp), "600 of 1000 were lost");
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

/// A grant whose starts are counted.
fn counting_starts(n_uses: u32, size: u64) -> Grant {
    let mut grant = Grant::new(n_uses, size);
    grant.rules.counting = Counting::Started;
    grant
}

#[test]
fn a_start_is_the_use_where_starts_are_counted() {
    let mut grant = counting_starts(1, 1000);
    let reserved = grant.reserve(Who(1, None), 0..1000).unwrap();
    assert_eq!((grant.ledger.n_spent(), grant.ledger.n_free(uses(1))), (1, 0));
    assert_eq!(grant.clone().fetch(Who(2, None), 0..1000, 1000), Err(Denied::UsedUp), "while the first is under way");
    assert!(!grant.settle(&reserved, 400, false));
    assert_eq!(grant.clone().fetch(Who(1, None), 0..1000, 1000), Err(Denied::UsedUp), "afresh without the secret is a start");
    assert_eq!(grant.clone().fetch(Who(1, None), 400..1000, 600), Ok(true), "going on is none");
    assert_eq!(grant.clone().fetch(Who(9, Some(0)), 400..1000, 600), Ok(true), "from anywhere with the secret");
    grant.seconds += 600;
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1000), Err(Denied::UsedUp), "a lapse returns nothing");
    assert_eq!(grant.ledger.n_spent(), 1);
}

#[test]
fn completing_what_was_counted_at_its_start_counts_no_more() {
    let mut grant = counting_starts(2, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 1000), Ok(true));
    assert_eq!(grant.ledger.n_spent(), 1);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 500), Ok(false));
    assert_eq!(grant.fetch(Who(1, Some(1)), 500..1000, 500), Ok(true));
    assert_eq!(grant.fetch(Who(3, None), 0..1000, 1000), Err(Denied::UsedUp));
}

#[test]
fn of_which_nothing_came_was_no_start() {
    let mut grant = counting_starts(1, 1000);
    let reserved = grant.reserve(Who(1, None), 0..1000).unwrap();
    assert!(!grant.settle(&reserved, 0, false));
    assert_eq!(grant.ledger.n_spent(), 0);
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1), Ok(false));
    let reserved = grant.reserve(Who(2, Some(1)), 1..1000).unwrap();
    assert!(!grant.settle(&reserved, 0, false));
    assert_eq!(grant.ledger.n_spent(), 1);
    let mut crashed = counting_starts(1, 1000);
    crashed.reserve(Who(1, None), 0..1000).unwrap();
    crashed.crash();
    assert_eq!(crashed.fetch(Who(2, None), 0..1000, 1000), Err(Denied::UsedUp), "it may all have been sent");
}

#[test]
fn a_holder_who_starts_afresh_has_started_once() {
    let mut grant = counting_starts(1, 1000);
    grant.rules.resume_overlap_bytes = 0;
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 300), Ok(false));
    let holder = Who(1, Some(0));
    assert_eq!(grant.fetch(holder, 0..300, 300), Ok(false), "300 re-sent");
    let afresh = grant.reserve(holder, 0..1000).unwrap();
    assert!(!grant.settle(&afresh, 0, false));
    assert_eq!((grant.ledger.n_spent(), grant.ledger.n_open()), (1, 1), "and keeps the session, though nothing of it came yet");
    assert_eq!(grant.fetch(holder, 0..1000, 1000), Ok(true));
}

#[test]
fn a_button_opens_a_session_before_the_first_byte() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.press(Who(1, None)), Ok(true));
    assert_eq!((grant.ledger.n_open(), grant.ledger.n_free(uses(1))), (1, 0));
    for denied in [grant.clone().press(Who(2, None)).map(drop), grant.clone().reserve(Who(2, None), 0..1000).map(drop)] {
        assert_eq!(denied, Err(Denied::InUse));
    }
    assert_eq!(grant.ledger.n_open(), 1, "a refusal does not end it");
    assert_eq!(grant.press(Who(1, Some(0))), Ok(false), "the holder has one already");
    let reserved = grant.reserve(Who(1, Some(0)), 0..1000).unwrap();
    assert!(!reserved.opened && !grant.settle(&reserved, 0, false));
    assert_eq!(grant.fetch(Who(7, Some(0)), 0..1000, 1000), Ok(true), "it is still there");
    assert_eq!(grant.press(Who(1, None)), Err(Denied::UsedUp));
}

#[test]
fn a_button_pressed_and_forgotten_returns_the_use() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.press(Who(1, None)), Ok(true));
    assert_eq!(grant.clone().press(Who(1, None)), Ok(true), "the same client's cookie was lost: afresh");
    grant.seconds += 600;
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1000), Ok(true));
    let mut strict = counting_starts(1, 1000);
    assert_eq!(strict.press(Who(1, None)), Ok(true));
    assert_eq!(strict.clone().press(Who(1, None)), Err(Denied::UsedUp));
    strict.seconds += 600;
    assert_eq!(strict.fetch(Who(2, None), 0..1000, 1000), Err(Denied::UsedUp), "pressing it was the start");
}

#[test]
fn past_expiry_no_button_opens_anything() {
    let mut grant = Grant::new(2, 1000);
    let mut late = grant.ask(Who(1, None), 0..0);
    late.past_expiry = true;
    assert_eq!(grant.ledger.open(&late), Err(Denied::Expired));
}

#[test]
fn a_reset_makes_every_use_available_again() {
    for mut grant in [Grant::new(2, 1000), counting_starts(2, 1000)] {
        assert_eq!(grant.fetch(Who(1, None), 0..1000, 1000), Ok(true));
        assert_eq!(grant.fetch(Who(2, None), 0..1000, 400), Ok(false));
        assert!(grant.fetch(Who(3, None), 0..1000, 1000).is_err());
        grant.ledger.reset();
        assert_eq!((grant.ledger.n_spent(), grant.ledger.n_free(uses(2))), (0, 2));
        assert_eq!(grant.fetch(Who(3, None), 0..1000, 1000), Ok(true));
        assert_eq!(grant.fetch(Who(9, Some(1)), 400..1000, 600), Ok(true), "who was under way goes on");
        assert_eq!(grant.ledger.n_spent(), 1, "with the use from before");
        assert_eq!(grant.fetch(Who(4, None), 0..1000, 1000), Ok(true));
        assert_eq!(grant.fetch(Who(5, None), 0..1000, 1000), Err(Denied::UsedUp));
    }
}

#[test]
fn what_lapses_after_a_reset_takes_no_new_use() {
    let mut grant = Grant::new(1, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 999), Ok(false));
    grant.ledger.reset();
    grant.seconds += 600;
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 1000), Ok(true));
}

#[test]
fn a_publication_counts_what_the_sessions_it_ends_were_given() {
    let mut grant = Grant::new(2, 1000);
    assert_eq!(grant.fetch(Who(1, None), 0..1000, 900), Ok(false));
    assert!(grant.ledger.spend(2));
    assert_eq!(grant.fetch(Who(2, None), 0..1000, 200), Ok(false));
    grant.seconds += 600;
    assert_eq!(grant.fetch(Who(3, None), 0..1000, 1000), Err(Denied::UsedUp), "1,100 would be lost");
}

#[test]
fn what_an_earlier_version_wrote_is_read() {
    let mut grant = Grant::new(1, 1000);
    grant.fetch(Who(1, None), 0..1000, 400).unwrap();
    let text = serde_json::to_string(&grant.ledger).unwrap();
    assert!(
        !text.contains("claim") && !text.contains("stays"),
        "nor does it see anything new where there is nothing new: {text}"
    );
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), grant.ledger);
}

#[test]
fn json_and_back() {
    let mut grant = Grant::new(2, 1000);
    grant.fetch(Who(1, None), 10..1000, 500).unwrap();
    grant.ledger.reset();
    grant.reserve(Who(2, None), 0..1000).unwrap();
    grant.press(Who(3, None)).unwrap();
    let text = serde_json::to_string(&grant.ledger).unwrap();
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), grant.ledger);
    assert!(!text.contains("null"));
}
