//! The machine under every order in which a few people, nodes, crashes, lapses and the owner can act.
//!
//! What is checked is [`Ledger`] itself, the very code that stores run; around it stands only what really happened. The nodes
//! share one ledger, as they share one database, and one after the other acts on it, as in a serialised transaction.

use super::*;
use std::collections::{BTreeSet, HashMap, HashSet};

const SIZE: u64 = 4;
const N_PEOPLE: usize = 3;

/// What is checked.
#[derive(Clone, Copy, Debug)]
struct Setting {
    n_uses: u32,
    counting: Counting,
    n_nodes: usize,
    n_people: usize,
    /// Whether only some ranges are asked for, and responses end either at once or with all that is permitted.
    narrow: bool,
    /// How many steps from the beginning every path is followed.
    depth: usize,
}

/// A response under way.
#[derive(Clone, Debug)]
struct Response {
    person: usize,
    node: usize,
    reserved: Reserved,
    wanted: Range<u64>,
    /// What the ledger was told of.
    told: u64,
}

/// What really happened in a session.
#[derive(Clone, Debug, Default)]
struct Truth {
    sent: BTreeSet<u64>,
    /// Reserved and unsettled at a crash.
    perhaps_sent: BTreeSet<u64>,
}

/// What really happened, beside what the ledger knows.
#[derive(Clone, Debug)]
struct World {
    grant: Grant,
    /// The present run of each node.
    runs: Vec<u64>,
    /// Runs that are over, and that no node has noticed.
    lingering: Vec<u64>,
    responses: Vec<Response>,
    /// Which bytes each person really has.
    has: [BTreeSet<u64>; N_PEOPLE],
    /// Each person's session secret, once told.
    secrets: [Option<u8>; N_PEOPLE],
    truths: HashMap<SessionId, Truth>,
    /// Sessions that were completed since the beginning, or the last reset, with a use from since then.
    n_completed: u32,
    n_resets: u32,
    handed: u64,
    /// Reserved and unsettled at the crashes.
    crashed: u64,
    n_crashes: u32,
}

#[derive(Clone, Debug)]
enum Step {
    Ask {
        person: usize,
        node: usize,
        secret: Option<u8>,
        wanted: Range<u64>,
    },
    Press {
        person: usize,
        node: usize,
        secret: Option<u8>,
    },
    /// The kernel has taken this much of the response when it ends.
    End {
        index: usize,
        sent: u64,
    },
    Advance {
        index: usize,
    },
    /// Everything reserved was sent, or nothing that the ledger was not told of.
    Crash {
        node: usize,
        all_sent: bool,
    },
    /// The nodes learn that a run is over.
    Notice {
        run: u64,
    },
    TenMinutes,
    Reset,
}

impl World {
    fn new(setting: Setting) -> Self {
        let mut grant = Grant::new(setting.n_uses, SIZE);
        (grant.rules.window_bytes, grant.rules.resume_overlap_bytes) = (2, 1);
        grant.rules.counting = setting.counting;
        Self {
            grant,
            runs: (1..=setting.n_nodes as u64).collect(),
            lingering: Vec::new(),
            responses: Vec::new(),
            has: Default::default(),
            secrets: [None; N_PEOPLE],
            truths: HashMap::new(),
            n_completed: 0,
            n_resets: 0,
            handed: 0,
            crashed: 0,
            n_crashes: 0,
        }
    }

    /// Whatever can happen next; some of it changes nothing.
    fn steps(&self, setting: Setting) -> Vec<Step> {
        let mut steps = Vec::new();
        for person in 0..setting.n_people {
            let own = self.secrets[person].map(Some);
            for (node, secret) in (0..self.runs.len()).flat_map(|node| [Some(None), own].map(|secret| (node, secret))) {
                let Some(secret) = secret else { continue };
                let ranges = if setting.narrow { vec![0..SIZE, 2..SIZE] } else { vec![0..SIZE, 0..2, 1..SIZE, 2..SIZE, 3..SIZE] };
                steps.extend(ranges.into_iter().map(|wanted| Step::Ask { person, node, secret, wanted }));
                steps.push(Step::Press { person, node, secret });
            }
        }
        for (index, Response { reserved, wanted, told, .. }) in self.responses.iter().enumerate() {
            let ends = (*told..=reserved.permitted_bytes)
                .filter(|sent| !setting.narrow || sent == told || *sent == reserved.permitted_bytes);
            steps.extend(ends.map(|sent| Step::End { index, sent }));
            steps.extend((reserved.permitted_bytes < wanted.end - wanted.start).then_some(Step::Advance { index }));
        }
        for node in (0..self.runs.len()).filter(|_| self.n_crashes < 2) {
            let busy = self.responses.iter().any(|response| response.node == node);
            steps.extend([false, true].into_iter().filter(|_| busy).map(|all_sent| Step::Crash { node, all_sent }));
        }
        steps.extend(self.lingering.iter().map(|run| Step::Notice { run: *run }));
        steps.extend(self.responses.is_empty().then_some(Step::TenMinutes));
        steps.extend((self.n_resets == 0 && self.grant.ledger.n_spent() > 0).then_some(Step::Reset));
        steps
    }

    fn take(&mut self, step: &Step) {
        let before = self.grant.ledger.clone();
        match step.clone() {
            Step::Ask { person, node, secret, wanted } => drop(self.ask(person, node, secret, wanted)),
            Step::Press { person, node, secret } => {
                let ask = self.asked(person, node, secret, 0..0);
                if self.grant.ledger.open(&ask) == Ok(true) {
                    self.given_secret(person);
                }
            }
            Step::End { index, sent } => self.end(index, sent),
            Step::Advance { index } => self.advance(index),
            Step::Crash { node, all_sent } => self.crash(node, all_sent),
            Step::Notice { run } => self.lingering.retain(|lingering| *lingering != run),
            Step::TenMinutes => self.grant.seconds += 600,
            Step::Reset => {
                self.grant.ledger.reset();
                (self.n_resets, self.n_completed) = (self.n_resets + 1, 0);
                return;
            }
        }
        self.check_uses(&before);
    }

    fn asked(&self, person: usize, node: usize, secret: Option<u8>, wanted: Range<u64>) -> Ask {
        // Persons 1 and 2 share an address and agent.
        let client = u8::try_from(person.min(1)).unwrap();
        let others = self.runs.iter().enumerate().filter(|(other, _)| *other != node).map(|(_, run)| run);
        let other_nodes = others.chain(&self.lingering).map(|run| NodeRun(*run)).collect();
        Ask { node: NodeRun(self.runs[node]), other_nodes, ..self.grant.ask(Who(client, secret), wanted) }
    }

    fn ask(&mut self, person: usize, node: usize, secret: Option<u8>, wanted: Range<u64>) -> Result<(), Denied> {
        let ask = self.asked(person, node, secret, wanted.clone());
        let reserved = self.grant.ledger.reserve(&ask)?;
        if reserved.opened {
            self.given_secret(person);
        }
        self.responses.push(Response { person, node, reserved, wanted, told: 0 });
        Ok(())
    }

    fn given_secret(&mut self, person: usize) {
        self.secrets[person] = Some(self.grant.n_sessions);
        self.grant.n_sessions += 1;
    }

    fn end(&mut self, index: usize, sent: u64) {
        let response = self.responses.remove(index);
        self.deliver(&response, sent);
        self.grant.settle(&response.reserved, sent, sent == response.wanted.end - response.wanted.start);
    }

    fn advance(&mut self, index: usize) {
        let response = self.responses[index].clone();
        let permitted = response.reserved.permitted_bytes;
        match self.grant.advance(&response.reserved, permitted) {
            Ok(more) => {
                self.deliver(&response, permitted);
                let response = &mut self.responses[index];
                (response.told, response.reserved.permitted_bytes) = (permitted, more);
            }
            Err(_) => self.end(index, permitted),
        }
    }

    fn crash(&mut self, node: usize, all_sent: bool) {
        let (lost, kept) = std::mem::take(&mut self.responses).into_iter().partition(|response| response.node == node);
        self.responses = kept;
        let lost: Vec<Response> = lost;
        for response in lost {
            let permitted = response.reserved.permitted_bytes;
            self.crashed += permitted - response.told;
            self.deliver(&response, if all_sent { permitted } else { response.told });
            let start = response.wanted.start;
            self.truth(&response).perhaps_sent.extend(start + response.told..start + permitted);
        }
        self.n_crashes += 1;
        let over = std::mem::replace(&mut self.runs[node], 10 + u64::from(self.n_crashes));
        self.lingering.extend((self.runs.len() > 1).then_some(over));
    }

    /// The kernel has taken `sent` bytes of the response by now.
    fn deliver(&mut self, response: &Response, sent: u64) {
        let bytes = response.wanted.start..response.wanted.start + sent;
        self.handed += sent - response.told;
        self.has[response.person].extend(bytes.clone());
        self.truth(response).sent.extend(bytes);
    }

    fn truth(&mut self, response: &Response) -> &mut Truth {
        self.truths.entry(response.reserved.session).or_default()
    }

    /// Bytes that the holder of a session has, or may have.
    fn n_really_given(&self, session: &Session) -> u64 {
        self.truths.get(&session.id).map_or(0, |truth| truth.sent.union(&truth.perhaps_sent).count() as u64)
    }

    /// A use goes for a completed session, for one whose holder may have it all, for a start, or for so many bytes as may not be
    /// lost; and for nothing else.
    fn check_uses(&mut self, before: &Ledger) {
        let after = &self.grant.ledger;
        let same = |session: &Session| after.sessions.iter().find(|other| other.id == session.id);
        let newly_completed = before.sessions.iter().filter(|session| {
            session.is_open() && session.claim != Claim::Former && same(session).is_some_and(|now| !now.is_open())
        });
        self.n_completed += u32::try_from(newly_completed.clone().count()).unwrap();
        let ended = || before.sessions.iter().filter(|session| session.is_open() && same(session).is_none());
        match self.grant.rules.counting {
            Counting::Completed => {
                let for_completed = newly_completed.filter(|session| session.holds_use()).count();
                // What a process that is gone had reserved counts, too.
                let is_whole = |session: &Session| session.given().union(&session.reserved()).cover(SIZE);
                let for_whole = ended().filter(|session| session.holds_use() && is_whole(session)).count();
                let lost = ((after.spent - before.spent) as usize - for_completed).saturating_sub(for_whole);
                if lost > 0 {
                    let given: u64 =
                        ended().filter(|session| session.holds_use()).map(|session| self.n_really_given(session)).sum();
                    let limit = self.grant.rules.loss_limit(SIZE);
                    assert!(before.loss_bytes + given > limit, "a use was lost for {given} bytes: {self:?}");
                }
            }
            Counting::Started => {
                let n_began = after.sessions.iter().filter(|session| !before.sessions.iter().any(|other| other.id == session.id));
                let n_began = u32::try_from(n_began.count()).unwrap();
                let n_returned = before.spent + n_began - after.spent;
                let blank = ended().filter(|session| session.claim == Claim::Spent && self.n_really_given(session) == 0).count();
                assert!(n_returned as usize <= blank, "a start was forgotten, of which something came: {self:?}");
            }
        }
    }

    /// What must hold at any time.
    fn check(&self) {
        let (ledger, n_uses) = (&self.grant.ledger, u64::from(self.grant.rules.uses.get()));
        assert!(u64::from(ledger.spent) <= n_uses && u64::from(self.n_completed) <= n_uses, "{self:?}");
        let budget = (1 + u64::from(self.n_resets)) * n_uses * (2 * SIZE + self.grant.rules.resume_overlap_bytes) + self.crashed;
        assert!(self.handed <= budget, "handed out {} of {budget}: {self:?}", self.handed);
        if n_uses == 1 && self.n_resets == 0 {
            let n_whole = self.has.iter().filter(|bytes| bytes.len() as u64 == SIZE).count();
            assert!(n_whole <= 1, "{n_whole} people have it all: {self:?}");
        }
        for session in &ledger.sessions {
            let truth = self.truths.get(&session.id).cloned().unwrap_or_default();
            let delivered: BTreeSet<u64> = session.delivered.ranges().flatten().collect();
            assert!(delivered.is_subset(&truth.sent), "{self:?}");
        }
        for person in 0..N_PEOPLE {
            self.check_that_the_holder_completes(person);
        }
    }

    /// Whoever has the secret of an open session can ask, once nothing is under way, for all that is missing, and then has it all.
    fn check_that_the_holder_completes(&self, person: usize) {
        let Some(secret) = self.secrets[person] else { return };
        let mut world = self.clone();
        world.lingering.clear();
        while let Some(response) = world.responses.first() {
            world.end(0, response.told);
        }
        let found = world.asked(person, 0, Some(secret), 0..SIZE);
        world.grant.ledger.bring_up_to_date(&found);
        let session = world.grant.ledger.sessions.iter().find(|session| session.secret == digest(secret) && session.is_open());
        let Some(session) = session.cloned() else { return };
        let missing: Intervals = std::iter::once(0..SIZE).collect();
        for range in missing.without(&session.delivered).ranges() {
            let asked = world.ask(person, 0, Some(secret), range.clone());
            assert_eq!(asked, Ok(()), "the holder may not have {range:?}: {self:?}");
            while world.responses[0].reserved.permitted_bytes < range.end - range.start {
                world.advance(0);
                assert_eq!(world.responses.len(), 1, "the holder is cut within {range:?}: {self:?}");
            }
            world.end(0, range.end - range.start);
        }
        let completed = world.grant.ledger.sessions.iter().any(|other| other.id == session.id && !other.is_open());
        assert!(completed, "the holder has everything, and has not completed: {self:?}");
    }

    /// Two worlds with one identity go on alike.
    fn identity(&self) -> String {
        let mut truths: Vec<_> = self.truths.iter().map(|(id, truth)| (id.as_bytes()[0], truth)).collect();
        truths.sort_by_key(|(id, _)| *id);
        format!("{:?} {truths:?}", Self { truths: HashMap::new(), ..self.clone() })
    }
}

/// Breadth first through every world that can be reached in so many steps; how many there are.
fn enumerate(setting: Setting) -> usize {
    let start = World::new(setting);
    let mut seen = HashSet::from([start.identity()]);
    let mut edge = vec![start];
    for _ in 0..setting.depth {
        let mut further = Vec::new();
        for world in &edge {
            for step in world.steps(setting) {
                let mut next = world.clone();
                next.take(&step);
                if seen.insert(next.identity()) {
                    next.check();
                    further.push(next);
                }
            }
        }
        edge = further;
    }
    seen.len()
}

/// Long ways that are taken at random.
fn wander(setting: Setting, n_walks: u64, n_steps: usize) {
    for walk in 0..n_walks {
        // xorshift64*: any seed but zero will do.
        let mut state = (walk + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |n: usize| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
        };
        let mut world = World::new(setting);
        for _ in 0..n_steps {
            let steps = world.steps(setting);
            // Of the many ways to ask and the few ways to go on each is as likely as the other.
            let (asks, others): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| matches!(step, Step::Ask { .. }));
            let choice = if others.is_empty() || below(2) == 0 { asks } else { others };
            world.take(&choice[below(choice.len())]);
            world.check();
        }
    }
}

/// Every way of counting, with one use and with two.
fn settings(n_nodes: usize, n_people: usize, narrow: bool, depths: [usize; 2]) -> Vec<Setting> {
    let of = |(n_uses, depth)| {
        [Counting::Completed, Counting::Started].map(|counting| Setting { n_uses, counting, n_nodes, n_people, narrow, depth })
    };
    [1, 2].into_iter().zip(depths).flat_map(of).collect()
}

fn is_soak() -> bool {
    std::env::var_os("VALETKEY_SOAK").is_some()
}

fn check_every_order(settings: Vec<Setting>) {
    for setting in settings {
        let setting = Setting { depth: setting.depth + usize::from(is_soak()), ..setting };
        let n_states = enumerate(setting);
        println!("{setting:?}: {n_states} states");
        assert!(n_states > 3_000, "{n_states} states for {setting:?}");
    }
}

#[test]
fn no_order_of_steps_gives_more_or_takes_more_than_it_may() {
    check_every_order(settings(1, 3, false, [4, 3]));
}

#[test]
fn nor_with_two_nodes() {
    check_every_order(settings(2, 2, false, [3, 3]));
}

#[test]
fn nor_with_two_nodes_of_which_one_crashes_under_its_holder() {
    check_every_order(settings(2, 2, true, [5, 4]));
}

#[test]
fn nor_does_any_long_way_found_at_random() {
    for setting in [settings(1, 3, false, [0, 0]), settings(2, 3, false, [0, 0])].concat() {
        wander(setting, if is_soak() { 20_000 } else { 300 }, 60);
    }
}
