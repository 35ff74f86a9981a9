//! The ledger of uses: what "single use" means, as one pure state machine that production runs and tests enumerate.
//!
//! A *use* is a **session**, measured in distinct bytes delivered, not in requests. Before any byte of a body is sent, one
//! durable write **reserves** the intervals that the response will send, in windows; when the response ends, one write
//! **settles**: what the kernel accepted is *delivered*, the rest is free again. A use is completed when delivered covers the
//! object.
//!
//! * Only the session secret proves the holder. A request with another secret is another holder. So is one with none, but for
//!   the same client (address and user agent) that *resumes* (a range above 0 of bytes neither delivered nor reserved, apart
//!   from the last [`Rules::resume_overlap_bytes`], which kernels may have swallowed) or *starts afresh* (a whole GET while
//!   nothing is under way).
//! * **Loss** is what sessions that ended uncompleted were given: at most half the object per use. **Re-sent** is what was
//!   handed out again: at most half the object and that overlap per use. So bytes handed out never exceed
//!   uses × (2 × size + 40 MiB), plus, for each crash, what was reserved and unsettled at that instant.
//! * A reservation that a crash left unsettled is **uncertain**: delivered when it is decided whether a use may be returned,
//!   missing for its own holder. So no crash gives a file to two holders, and none takes it from the one who has the secret.
//! * Where starts are counted ([`Counting::Started`]), the reservation that opens a session spends the use. The holder goes on
//!   within the session; a lapse returns nothing, and whoever starts afresh without the secret starts again.
//! * A person who presses a button **opens** a session before anything is reserved: see [`Ledger::open`].
//! * The owner may **reset** a grant: see [`Ledger::reset`].
//!
//! [`Ledger`] is one limited grant's record. Its methods neither read a clock nor make random numbers; whoever calls them
//! saves the ledger in the same transaction, also when the answer is a refusal.

mod intervals;

pub use intervals::Intervals;

use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;
use valetkey_model::{BlobId, Counting, Refusal, SecretDigest, SessionId, Timestamp};

/// From this size on, a new session's first window is at most half the object, so that a crash before its holder learns the
/// session secret can still return the use.
const HALF_WINDOW_FROM_BYTES: u64 = 1 << 20;

/// One run of one server process: reservations of a run that is over are uncertain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeRun(pub u64);

/// One reservation within a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReservationId(pub u64);

/// How a grant's uses are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many uses there are in all.
    pub uses: NonZeroU32,
    /// When a use is spent.
    pub counting: Counting,
    /// How long a session may be idle before it lapses.
    pub session_idle: Duration,
    /// How long after completion the holder's secret may fetch again what the network lost.
    pub grace: Duration,
    /// How much one write reserves: a longer response advances window by window.
    pub window_bytes: u64,
    /// How many of the last bytes handed out may be asked for again without the secret: what socket buffers can swallow.
    pub resume_overlap_bytes: u64,
}

impl Rules {
    /// This many uses, counted when they are complete, and the rest as in production: 10 minutes idle, 60 s of grace, windows of 64 MiB, 40 MiB of overlap.
    pub const fn new(uses: NonZeroU32) -> Self {
        Self {
            uses,
            counting: Counting::Completed,
            session_idle: Duration::from_secs(600),
            grace: Duration::from_secs(60),
            window_bytes: 64 << 20,
            resume_overlap_bytes: 40 << 20,
        }
    }

    /// What sessions that end uncompleted may have been given in all, so that their uses are returned.
    fn loss_limit(&self, size_bytes: u64) -> u64 {
        size_bytes.saturating_mul(u64::from(self.uses.get())) / 2
    }

    /// What may be handed out again.
    fn resent_limit(&self, size_bytes: u64) -> u64 {
        (size_bytes / 2).saturating_add(self.resume_overlap_bytes).saturating_mul(u64::from(self.uses.get()))
    }
}

/// What is asked of the ledger before a byte is sent.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The present instant.
    pub now: Timestamp,
    /// The run of the process that will send.
    pub node: NodeRun,
    /// Every other run that may have reservations under way; empty on a single machine. A run that is over may be missing late,
    /// one that lives never.
    pub other_nodes: Vec<NodeRun>,
    /// How uses are counted.
    pub rules: Rules,
    /// The session secret presented, as its digest.
    pub secret: Option<SecretDigest>,
    /// A digest of client address (/64 in IPv6) and user agent.
    pub client: SecretDigest,
    /// The grant has expired: only the holder of a session goes on.
    pub past_expiry: bool,
    /// Whether [`Denied::Busy`] is of use to the caller; otherwise it gets what waiting in vain leads to.
    pub may_wait: bool,
    /// The generation that would be sent.
    pub generation: BlobId,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// What would be sent, in the order of sending; within the object, not empty unless the object is.
    pub wanted: Vec<Range<u64>>,
    /// The id of the session, should one be opened.
    pub new_session: SessionId,
    /// The digest of its secret, should one be opened.
    pub new_secret: SecretDigest,
}

impl Ask {
    /// A GET without a range, or with one that starts at 0.
    fn is_whole(&self) -> bool {
        self.wanted.iter().any(|range| range.start == 0) || self.wanted.is_empty()
    }
}

/// A reservation, made durable before a byte is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// The session it belongs to.
    pub session: SessionId,
    /// Its id, for [`Ledger::advance`] and [`Ledger::settle`].
    pub reservation: ReservationId,
    /// The session was opened by this request, with the new secret, which is to be given to the holder.
    pub opened: bool,
    /// How many bytes of what was wanted, in order, may be sent before the next [`Ledger::advance`].
    pub permitted_bytes: u64,
}

/// Why nothing is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Every use is spent, or the byte budget is.
    UsedUp,
    /// Every use that is left is held by another.
    InUse,
    /// The bytes are reserved by a response under way that may be about to settle: ask again in a moment.
    Busy,
    /// The grant has expired and the request does not come from the holder of a session.
    Expired,
}

impl Denied {
    /// What the asker is told.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::UsedUp => Refusal::UsedUp,
            Self::InUse | Self::Busy => Refusal::InUse,
            Self::Expired => Refusal::Expired,
        }
    }
}

/// What was sent of a reservation so far, and the wish for its next window.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    /// The present instant.
    pub now: Timestamp,
    /// How uses are counted.
    pub rules: Rules,
    /// The reservation.
    pub reservation: ReservationId,
    /// How many bytes the kernel has accepted since the response began.
    pub sent_bytes: u64,
}

/// The end of a response.
#[derive(Clone, Copy, Debug)]
pub struct Settlement {
    /// The present instant.
    pub now: Timestamp,
    /// How uses are counted.
    pub rules: Rules,
    /// The reservation.
    pub reservation: ReservationId,
    /// How many bytes the kernel has accepted since the response began.
    pub sent_bytes: u64,
    /// Whether the whole response went out, its head included; what decides for an empty object.
    pub whole: bool,
}

/// What settling did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The session was completed by it.
    pub completed: bool,
}

/// The durable record of one limited grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Uses spent, for good.
    spent: u32,
    /// Distinct bytes given to sessions that ended uncompleted and whose use was returned.
    loss_bytes: u64,
    /// Bytes that sessions which are over handed out again.
    resent_bytes: u64,
    /// The id of the next reservation.
    next_reservation: u64,
    /// Sessions that are open, or completed and within their grace.
    sessions: Vec<Session>,
}

/// One holder's download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    id: SessionId,
    secret: SecretDigest,
    client: SecretDigest,
    generation: BlobId,
    size_bytes: u64,
    /// Accepted by the kernel, and settled.
    delivered: Intervals,
    /// Reserved at a crash: perhaps sent.
    #[serde(default, skip_serializing_if = "Intervals::is_empty")]
    uncertain: Intervals,
    /// Given before it was started afresh: its holder may still have it.
    #[serde(default, skip_serializing_if = "Intervals::is_empty")]
    earlier: Intervals,
    /// How many bytes were handed out in all, counted as often as they were.
    handed_bytes: u64,
    /// The last bytes handed out, in that order, at most [`Rules::resume_overlap_bytes`].
    recent: Vec<Range<u64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reservations: Vec<Reservation>,
    touched_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Claim::is_held")]
    claim: Claim,
    /// It stays until it lapses, though nothing of it was given: its holder had the secret before anything was reserved, or has
    /// started afresh.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stays: bool,
}

/// What an open session has of the grant's uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Claim {
    /// One that is left for nobody else, and spent when the session is completed.
    #[default]
    Held,
    /// One that is spent already: starts are counted.
    Spent,
    /// One from before a reset, which takes nothing from those that there are now.
    Former,
}

/// What one response under way may send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    id: ReservationId,
    node: NodeRun,
    /// How many of the response's bytes are settled already.
    settled_bytes: u64,
    /// Reserved and not yet settled, in the order of sending.
    window: Vec<Range<u64>>,
    /// Not yet reserved, in the order of sending.
    later: Vec<Range<u64>>,
}

impl Ledger {
    /// Uses spent so far.
    pub fn n_spent(&self) -> u32 {
        self.spent
    }

    /// Uses that somebody new could begin at present, of this many in all.
    pub fn n_free(&self, uses: NonZeroU32) -> u32 {
        uses.get().saturating_sub(self.spent).saturating_sub(self.n_held())
    }

    /// Sessions open at present.
    pub fn n_open(&self) -> u32 {
        u32::try_from(self.sessions.iter().filter(|session| session.is_open()).count()).unwrap_or(u32::MAX)
    }

    /// Whether this is the secret of a session that is open, or completed and within its grace as far as is known.
    pub fn is_held_by(&self, secret: &SecretDigest) -> bool {
        self.sessions.iter().any(|session| session.secret == *secret)
    }

    /// Asks for a session and a reservation of what is wanted, or of its first window.
    ///
    /// # Errors
    ///
    /// [`Denied`] says why not. The ledger may have changed all the same: sessions lapse when somebody asks.
    pub fn reserve(&mut self, ask: &Ask) -> Result<Reserved, Denied> {
        self.bring_up_to_date(ask);
        let answer = self.find_place(ask);
        if answer.is_err() {
            self.forget_blank();
        }
        answer
    }

    /// Opens a session and reserves nothing yet: the secret goes out before the first byte, to somebody who said that they want
    /// the object. What is wanted plays no part. `false` for who presents the secret of a session that there is.
    ///
    /// # Errors
    ///
    /// [`Denied`] says why not, as for [`Ledger::reserve`] of the whole object.
    pub fn open(&mut self, ask: &Ask) -> Result<bool, Denied> {
        let whole = Ask { wanted: Vec::new(), ..ask.clone() };
        self.bring_up_to_date(&whole);
        if ask.secret.is_some_and(|secret| self.is_held_by(&secret)) {
            return Ok(false);
        }
        if ask.past_expiry {
            return Err(Denied::Expired);
        }
        let position = self.begin(&whole, None)?;
        if let Some(session) = self.sessions.get_mut(position) {
            session.stays = true;
        }
        self.spend_on_start(position, &whole.rules);
        Ok(true)
    }

    /// Makes every use available again, as the owner of the grant wants it. Sessions that are open go on with the use that they
    /// had before, which counts no more: none of the new ones.
    pub fn reset(&mut self) {
        (self.spent, self.loss_bytes, self.resent_bytes) = (0, 0, 0);
        for session in &mut self.sessions {
            session.claim = Claim::Former;
        }
    }

    fn bring_up_to_date(&mut self, ask: &Ask) {
        self.find_crashed(ask.node, &ask.other_nodes);
        self.lapse(ask.now, &ask.rules);
        self.end_overwritten(ask);
    }

    /// The session that the asker may use, or a new one.
    fn find_place(&mut self, ask: &Ask) -> Result<Reserved, Denied> {
        if let Some(holder) = self.sessions.iter().position(|session| ask.secret == Some(session.secret)) {
            return self.reserve_for_holder(holder, ask);
        }
        if ask.past_expiry {
            return Err(Denied::Expired);
        }
        // Who has a secret, and not this session's, is somebody else, whatever the address.
        let resumed = if ask.secret.is_none() && !ask.is_whole() { self.resume(ask) } else { None };
        let denied = match resumed {
            Some(Err(Denied::Busy)) if ask.may_wait => return Err(Denied::Busy),
            Some(Ok(reserved)) => return Ok(reserved),
            Some(Err(denied)) => Some(denied),
            None => None,
        };
        let newest = self.begin(ask, denied.filter(|denied| *denied != Denied::Busy))?;
        let reserved = self.reserve_in(newest, ask, true)?;
        self.spend_on_start(newest, &ask.rules);
        Ok(reserved)
    }

    /// A new session: in the place of the same client's, which is idle and starts afresh, or with a use that is left. Where none
    /// is, `denied` says why the asker's own session is of no use either.
    fn begin(&mut self, ask: &Ask, denied: Option<Denied>) -> Result<usize, Denied> {
        let earlier = match self.idle_of_same_client(ask) {
            Some(idle) if self.start_afresh(idle, &ask.rules) => self.sessions.remove(idle).earlier,
            _ if self.spent >= ask.rules.uses.get() => return Err(Denied::UsedUp),
            _ if self.n_free(ask.rules.uses) == 0 => return Err(denied.unwrap_or(Denied::InUse)),
            _ => Intervals::default(),
        };
        self.sessions.push(Session { earlier, ..Session::new(ask) });
        Ok(self.sessions.len() - 1)
    }

    /// Where starts are counted, one has just happened.
    fn spend_on_start(&mut self, position: usize, rules: &Rules) {
        let Some(session) = self.sessions.get_mut(position).filter(|_| rules.counting == Counting::Started) else { return };
        session.claim = Claim::Spent;
        self.spent = self.spent.saturating_add(1).min(rules.uses.get());
    }

    /// Settles what was sent of a reservation and reserves its next window. Gives how many bytes, counted from the beginning
    /// of the response, may be sent in all before the next call.
    ///
    /// # Errors
    ///
    /// [`Denied::UsedUp`] if the byte budget does not allow for the next window, or the reservation is not known any more: the
    /// response must be cut.
    pub fn advance(&mut self, advance: &Advance) -> Result<u64, Denied> {
        let position = self.with_reservation(advance.reservation).ok_or(Denied::UsedUp)?;
        self.account(position, advance.reservation, advance.sent_bytes, advance.now, &advance.rules);
        self.complete_if_covered(position, advance.now, &advance.rules);
        let others = self.resent_elsewhere(position);
        let Some(session) = self.sessions.get_mut(position) else { return Err(Denied::UsedUp) };
        let Some(reservation) = session.reservations.iter().find(|reservation| reservation.id == advance.reservation) else {
            return Err(Denied::UsedUp);
        };
        let (next, later) = split(&reservation.later, advance.rules.window_bytes);
        if others.saturating_add(session.resent_if_sent(&next)) > advance.rules.resent_limit(session.size_bytes) {
            return Err(Denied::UsedUp);
        }
        let Some(reservation) = session.reservations.iter_mut().find(|reservation| reservation.id == advance.reservation) else {
            return Err(Denied::UsedUp);
        };
        reservation.window.extend(next);
        reservation.later = later;
        Ok(reservation.settled_bytes + n_bytes(&reservation.window))
    }

    /// Ends a reservation: what the kernel accepted is delivered, the rest is free. Idempotent.
    pub fn settle(&mut self, settlement: &Settlement) -> Settled {
        let Some(position) = self.with_reservation(settlement.reservation) else { return Settled::default() };
        self.account(position, settlement.reservation, settlement.sent_bytes, settlement.now, &settlement.rules);
        let Some(session) = self.sessions.get_mut(position) else { return Settled::default() };
        session.reservations.retain(|reservation| reservation.id != settlement.reservation);
        let completed =
            (session.size_bytes > 0 || settlement.whole) && self.complete_if_covered(position, settlement.now, &settlement.rules);
        self.forget_blank();
        Settled { completed }
    }

    /// A publication under the grant spends a use, and ends sessions that hold one and that no transfer keeps alive. `false` if
    /// none is left, or all that are left are held by transfers under way.
    pub fn spend(&mut self, uses: u32) -> bool {
        let under_way = |session: &Session| session.holds_use() && !session.reservations.is_empty();
        let held = self.sessions.iter().filter(|session| under_way(session)).count();
        if self.spent.saturating_add(u32::try_from(held).unwrap_or(u32::MAX)) >= uses {
            return false;
        }
        self.spent += 1;
        let (ended, kept) = std::mem::take(&mut self.sessions)
            .into_iter()
            .partition(|session: &Session| session.holds_use() && session.reservations.is_empty());
        self.sessions = kept;
        for session in &ended {
            self.loss_bytes = self.loss_bytes.saturating_add(session.given_bytes());
            self.resent_bytes = self.resent_bytes.saturating_add(session.resent_bytes());
        }
        true
    }

    /// The secret's holder: may ask for anything of its generation, within the byte budget.
    fn reserve_for_holder(&mut self, position: usize, ask: &Ask) -> Result<Reserved, Denied> {
        if self.sessions.get(position).is_some_and(|session| session.generation != ask.generation) {
            return Err(Denied::InUse);
        }
        match self.reserve_in(position, ask, false) {
            Err(Denied::UsedUp) if ask.is_whole() && self.start_afresh(position, &ask.rules) => {
                self.reserve_in(position, ask, false)
            }
            answer => answer,
        }
    }

    /// The session of the same client that a whole request without the secret starts afresh. Where starts are counted, and after
    /// a reset, it is a start like any other.
    fn idle_of_same_client(&self, ask: &Ask) -> Option<usize> {
        let idle = |session: &Session| session.is_of(ask) && session.holds_use() && session.reservations.is_empty();
        self.sessions.iter().position(|session| ask.secret.is_none() && ask.is_whole() && idle(session))
    }

    /// Goes on with the session of the same client, without its secret; `None` if there is none to go on with.
    fn resume(&mut self, ask: &Ask) -> Option<Result<Reserved, Denied>> {
        let wanted: Intervals = ask.wanted.iter().cloned().collect();
        let mut answer = None;
        for position in 0..self.sessions.len() {
            let Some(session) = self.sessions.get(position).filter(|session| session.is_of(ask)) else { continue };
            let again = wanted.intersection(&session.delivered);
            let recent: Intervals = session.recent.iter().cloned().collect();
            if !wanted.intersection(&session.reserved()).is_empty() {
                answer = Some(Err(Denied::Busy));
            } else if again.without(&recent).is_empty() {
                return Some(self.reserve_in(position, ask, false));
            }
        }
        answer
    }

    /// Makes the reservation in this session, if the byte budget allows for all that is wanted.
    fn reserve_in(&mut self, position: usize, ask: &Ask, opened: bool) -> Result<Reserved, Denied> {
        let others = self.resent_elsewhere(position);
        let id = ReservationId(self.next_reservation);
        let session = self.sessions.get_mut(position).ok_or(Denied::UsedUp)?;
        if others.saturating_add(session.resent_if_sent(&ask.wanted)) > ask.rules.resent_limit(session.size_bytes) {
            return Err(Denied::UsedUp);
        }
        let halved = opened && session.size_bytes >= HALF_WINDOW_FROM_BYTES;
        let first = if halved { ask.rules.window_bytes.min(session.size_bytes / 2) } else { ask.rules.window_bytes };
        let (window, later) = split(&ask.wanted, first);
        let permitted_bytes = n_bytes(&window);
        session.reservations.push(Reservation { id, node: ask.node, settled_bytes: 0, window, later });
        session.touched_at = ask.now;
        self.next_reservation += 1;
        Ok(Reserved { session: session.id, reservation: id, opened, permitted_bytes })
    }

    /// Turns what a session was given into loss and empties it, if the loss allows for that and nothing is under way. Not where its
    /// holder may have the whole object: of several uses, the loss would allow for a few of those.
    fn start_afresh(&mut self, position: usize, rules: &Rules) -> bool {
        let Some(session) = self.sessions.get_mut(position) else { return false };
        let given = session.given_bytes();
        let allowed = rules.loss_limit(session.size_bytes);
        let is_lost = session.is_open() && session.reservations.is_empty() && !session.may_be_whole();
        if !is_lost || self.loss_bytes.saturating_add(given) > allowed {
            return false;
        }
        self.loss_bytes += given;
        self.resent_bytes = self.resent_bytes.saturating_add(session.resent_bytes());
        session.stays = true;
        session.earlier = session.given();
        session.delivered = Intervals::default();
        session.uncertain = Intervals::default();
        session.handed_bytes = 0;
        session.recent.clear();
        true
    }

    /// Ends a session: one that holds a use returns it if the loss allows for that, and spends it if not.
    fn end(&mut self, position: usize, rules: &Rules) {
        if self.sessions.get(position).is_some_and(Session::holds_use) && !self.start_afresh(position, rules) {
            self.spent = self.spent.saturating_add(1).min(rules.uses.get());
        }
        let session = self.sessions.remove(position);
        self.resent_bytes = self.resent_bytes.saturating_add(session.resent_bytes());
    }

    /// Ends the sessions that have been idle for too long, and forgets completed ones whose grace is over.
    fn lapse(&mut self, now: Timestamp, rules: &Rules) {
        for position in (0..self.sessions.len()).rev() {
            let lapsed = self.sessions.get(position).is_some_and(|session| {
                let allowed = if session.is_open() { rules.session_idle } else { rules.grace };
                session.reservations.is_empty() && now.since(session.completed_at.unwrap_or(session.touched_at)) >= allowed
            });
            if lapsed {
                self.end(position, rules);
            }
        }
    }

    /// Ends the sessions of a generation that was overwritten, once nothing of them is under way.
    fn end_overwritten(&mut self, ask: &Ask) {
        for position in (0..self.sessions.len()).rev() {
            let overwritten = self.sessions.get(position).is_some_and(|session| {
                session.is_open() && session.generation != ask.generation && session.reservations.is_empty()
            });
            if overwritten {
                self.end(position, &ask.rules);
            }
        }
    }

    /// Makes the reservations of processes that are gone uncertain.
    fn find_crashed(&mut self, node: NodeRun, other_nodes: &[NodeRun]) {
        for session in &mut self.sessions {
            let (alive, lost): (Vec<_>, Vec<_>) = std::mem::take(&mut session.reservations)
                .into_iter()
                .partition(|reservation| reservation.node == node || other_nodes.contains(&reservation.node));
            session.reservations = alive;
            for range in lost.into_iter().flat_map(|reservation| reservation.window) {
                session.uncertain.insert(range);
            }
            session.uncertain = session.uncertain.without(&session.delivered);
        }
    }

    /// Moves what was sent since the last time from reserved to delivered.
    fn account(&mut self, position: usize, id: ReservationId, sent_bytes: u64, now: Timestamp, rules: &Rules) {
        let Some(session) = self.sessions.get_mut(position) else { return };
        let Some(reservation) = session.reservations.iter_mut().find(|reservation| reservation.id == id) else { return };
        let (sent, window) = split(&reservation.window, sent_bytes.saturating_sub(reservation.settled_bytes));
        let n_sent = n_bytes(&sent);
        reservation.settled_bytes += n_sent;
        reservation.window = window;
        session.handed_bytes += n_sent;
        session.touched_at = now;
        for range in &sent {
            session.delivered.insert(range.clone());
            session.uncertain.remove(range.clone());
        }
        session.remember_recent(sent, rules.resume_overlap_bytes);
    }

    /// Completes this open session, which spends the use it holds, if it has been given the whole object. Whether it did.
    fn complete_if_covered(&mut self, position: usize, now: Timestamp, rules: &Rules) -> bool {
        let Some(session) = self.sessions.get_mut(position) else { return false };
        let covered = session.is_open() && session.delivered.cover(session.size_bytes);
        if covered {
            let held = session.holds_use();
            session.completed_at = Some(now);
            self.spent = self.spent.saturating_add(u32::from(held)).min(rules.uses.get());
        }
        covered
    }

    fn with_reservation(&self, id: ReservationId) -> Option<usize> {
        self.sessions.iter().position(|session| session.reservations.iter().any(|reservation| reservation.id == id))
    }

    /// Forgets sessions of which nothing came; where starts are counted, that was none.
    fn forget_blank(&mut self) {
        let not_started = self.sessions.iter().filter(|session| session.is_blank() && session.claim == Claim::Spent).count();
        self.spent = self.spent.saturating_sub(u32::try_from(not_started).unwrap_or(u32::MAX));
        self.sessions.retain(|session| !session.is_blank());
    }

    /// Uses that open sessions hold.
    fn n_held(&self) -> u32 {
        u32::try_from(self.sessions.iter().filter(|session| session.holds_use()).count()).unwrap_or(u32::MAX)
    }

    fn resent_elsewhere(&self, position: usize) -> u64 {
        let others = self.sessions.iter().enumerate().filter(|(other, _)| *other != position);
        others.map(|(_, session)| session.resent_if_sent(&[])).fold(self.resent_bytes, u64::saturating_add)
    }
}

impl Session {
    fn new(ask: &Ask) -> Self {
        Self {
            id: ask.new_session,
            secret: ask.new_secret,
            client: ask.client,
            generation: ask.generation,
            size_bytes: ask.size_bytes,
            delivered: Intervals::default(),
            uncertain: Intervals::default(),
            earlier: Intervals::default(),
            handed_bytes: 0,
            recent: Vec::new(),
            reservations: Vec::new(),
            touched_at: ask.now,
            completed_at: None,
            claim: Claim::Held,
            stays: false,
        }
    }

    /// Whether it is an open one of this client's, of what would be sent.
    fn is_of(&self, ask: &Ask) -> bool {
        self.is_open() && self.client == ask.client && self.generation == ask.generation
    }

    fn holds_use(&self) -> bool {
        self.is_open() && self.claim == Claim::Held
    }

    fn is_open(&self) -> bool {
        self.completed_at.is_none()
    }

    /// Nothing was given, nothing is under way: as if it had never been.
    fn is_blank(&self) -> bool {
        let untouched = self.reservations.is_empty() && self.handed_bytes == 0 && self.uncertain.is_empty();
        self.is_open() && untouched && !self.stays
    }

    fn reserved(&self) -> Intervals {
        self.reservations.iter().flat_map(|reservation| reservation.window.iter().cloned()).collect()
    }

    /// Distinct bytes that a holder has, or may have.
    fn given_bytes(&self) -> u64 {
        self.delivered.union(&self.uncertain).n_bytes()
    }

    /// What a holder has, or may have, of it in all.
    fn given(&self) -> Intervals {
        self.delivered.union(&self.uncertain).union(&self.earlier)
    }

    /// Whether the holder may have the whole object: nobody was told of its end before a crash, or it was put together from
    /// before and after a fresh start.
    fn may_be_whole(&self) -> bool {
        self.size_bytes > 0 && self.given().cover(self.size_bytes)
    }

    fn resent_bytes(&self) -> u64 {
        self.handed_bytes.saturating_sub(self.delivered.n_bytes())
    }

    /// What this session would have handed out again if everything reserved, and `more`, were sent.
    fn resent_if_sent(&self, more: &[Range<u64>]) -> u64 {
        let reserved = self.reserved_bytes().saturating_add(n_bytes(more));
        let distinct = self.delivered.union(&self.reserved()).union(&more.iter().cloned().collect());
        self.handed_bytes.saturating_add(reserved).saturating_sub(distinct.n_bytes())
    }

    fn reserved_bytes(&self) -> u64 {
        self.reservations.iter().map(|reservation| n_bytes(&reservation.window)).sum()
    }

    fn remember_recent(&mut self, sent: Vec<Range<u64>>, at_most: u64) {
        for range in sent {
            match self.recent.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => self.recent.push(range),
            }
        }
        let excess = n_bytes(&self.recent).saturating_sub(at_most);
        self.recent = split(&self.recent, excess).1;
    }
}

impl Claim {
    fn is_held(&self) -> bool {
        *self == Self::Held
    }
}

fn n_bytes(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(0, u64::saturating_add)
}

/// The first `n_bytes` of the ranges, in their order, and the rest.
fn split(ranges: &[Range<u64>], n_bytes: u64) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
    let (mut first, mut rest, mut left) = (Vec::new(), Vec::new(), n_bytes);
    for range in ranges {
        let cut = range.start + left.min(range.end - range.start);
        left -= cut - range.start;
        first.extend((range.start < cut).then_some(range.start..cut));
        rest.extend((cut < range.end).then_some(cut..range.end));
    }
    (first, rest)
}

#[cfg(test)]
mod tests;
