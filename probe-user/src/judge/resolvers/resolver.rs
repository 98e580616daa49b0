//! How one resolver answers.

use probe_common::{
    dns::{DnsRecord, mark},
    event::DnsEvent,
    wire::{Address, Packet, dns::flag, quirk},
};

use super::{
    delays::Delays,
    habit::{Habit, KNOWN, Often, WELL_KNOWN},
};

/// TTLs kept: a pool of resolvers behind one address has a few paths.
const HOPS_MAX: usize = 8;

/// Combinations of DF and whether the IP-ID is zero.
const STACKS: usize = 4;

/// After so long counts are halved, in nanoseconds: an hour. What a resolver did yesterday is nearly
/// forgotten.
pub(super) const HALF_LIFE: u64 = 3_600_000_000_000;

/// Halvings after which nothing is left of any count.
const HALVINGS: u64 = 32;

/// Largest step of an IP-ID from one answer to the next that a counter makes, among other packets.
const STEP: u16 = 1_024;

/// The operation in the DNS flags (RFC 1035, section 4.1.1); 0: a standard query.
const OPCODE: u16 = 0x7800;

/// Networks of clients that make a resolver one that many ask. Who has set up one of his own, or ordered one, asks
/// it from fewer.
const MANY: usize = 3;

/// Unusual TTLs of which it is kept that plain answers have them.
const NEWCOMERS_MAX: usize = 4;

/// Such answers that make a site of them, and within which time, in nanoseconds.
const NEWCOMERS: u8 = 2;
const NEWCOMERS_FOR: u64 = 60_000_000_000;

/// How long an IP-ID says where the next one is to be expected, in nanoseconds: somewhat longer than
/// an answer waits until it is judged.
const STEP_TIME: u64 = 3_000_000_000;

/// Of the latest sixteen answers so many have an unusual TTL or stack: the route or the server has
/// changed, and what was usual says nothing.
const CHANGED: u32 = 8;

/// What one answer, in which nothing was wrong, shows of whoever gave it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// When it came, in nanoseconds.
    pub time: u64,
    /// The network of who asked (a /24 or /48), as a number that tells it from others.
    pub asker: u64,
    /// Something that tells questions apart.
    pub question: u32,
    /// TTL or hop limit.
    pub hops: u8,
    /// DF and IP-ID, of IPv4.
    pub stack: Option<Stack>,
    /// Whether it had AA; of answers that say something.
    pub authority: Option<bool>,
    /// Whether it had RA; likewise.
    pub recursion: Option<bool>,
    /// Whether it had an OPT record, where the query had one.
    pub edns: Option<bool>,
    /// Whether it repeated capitals, where the query had some.
    pub capitals: Option<bool>,
    /// Whether it had the query's IP-ID, if that was not zero.
    pub mirrored: Option<bool>,
    /// Time since the query, in nanoseconds; none if it was sent more than once.
    pub delay: Option<u64>,
}

/// Answers of a TTL that is not usual.
#[derive(Clone, Copy, Debug, Default)]
struct Newcomer {
    hops: u8,
    /// When the last one came, and how many.
    last: u64,
    count: u8,
}

/// DF and IP-ID of an IPv4 packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// "Don't fragment".
    pub df: bool,
    /// Identification.
    pub ip_id: u16,
}

/// How a sender counts its IP-IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpIds {
    /// Always zero.
    Zero,
    /// Each a little more than the last.
    Counter,
    /// Neither: drawn at random, or a counter for each destination.
    Varies,
}

/// How a resolver answers.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    hops: Habit<HOPS_MAX>,
    stacks: Habit<STACKS>,
    zero: Often,
    steps: Often,
    last_ip_id: u16,
    last: u64,
    as_usual: u64,
    authority: Often,
    recursion: Often,
    edns: Often,
    capitals: Often,
    mirrored: Often,
    delays: Delays,
    /// Networks that ask it.
    askers: [Option<u64>; MANY],
    /// Answers of a new machine or by a new route, in which nothing else is new.
    newcomers: [Newcomer; NEWCOMERS_MAX],
    /// Of the latest sixteen answers a bit each: whether it was unlike those before.
    unlike: u16,
    answers: u64,
    faded: u64,
}

/// What a reply answers, as it stood before; none if that was not seen. A client that uses port and id
/// again for another question may get a late answer to the one before.
pub(in crate::judge) const fn asked(event: &DnsEvent) -> Option<&DnsRecord> {
    let same = event.query.question == event.question || event.question == 0;
    if event.query.asked != 0 && same { Some(&event.query) } else { None }
}

/// Whether a reply has TC and no answer.
pub(in crate::judge) const fn is_turned_back(event: &DnsEvent) -> bool {
    event.flags & flag::TC != 0 && event.counts[1] == 0
}

impl Observation {
    /// What a reply shows, as far as it can be told without its payload.
    pub(in crate::judge) fn of(event: &DnsEvent) -> Self {
        let asked = asked(event);
        // Standard queries that ask for recursion: what else one address answers, it answers otherwise.
        let usual = asked.is_none_or(|query| query.flags & flag::RD != 0);
        let says = usual
            && event.flags & OPCODE == 0
            && matches!(event.flags & flag::RCODE, 0 | 3)
            && !is_turned_back(event);
        let has = |bit: u16| says.then_some(event.flags & bit != 0);
        let repeats = event.marks & mark::SAME_QUESTION != 0;
        let capitals = asked.is_some_and(|query| query.marks & mark::CAPITALS != 0);
        let stack = Stack::of(&event.packet);
        let mirrored = asked
            .filter(|query| query.query_ip_id != 0)
            .and_then(|query| Some(stack?.ip_id == query.query_ip_id));
        // An OPT record with options is only to be seen in the payload.
        let edns = match (event.opt, event.counts[3]) {
            (0, 0) => Some(false),
            (0, _) => None,
            _ => Some(true),
        };
        let whole = says && event.marks & mark::FRAGMENTED == 0;
        // Of a question asked again it is not known which query is answered.
        let once = asked.filter(|query| query.queries == 1);
        let whole_answer = once.filter(|_| !is_turned_back(event));
        let delay = whole_answer.and_then(|query| event.packet.time.checked_sub(query.asked));
        Self {
            time: event.packet.time,
            asker: network(event.packet.destination),
            // Of names that nobody watches nothing is told: their ids tell them apart.
            question: if event.question == 0 { event.id.into() } else { event.question },
            hops: event.packet.hops,
            stack,
            authority: has(flag::AA),
            recursion: has(flag::RA),
            edns: edns.filter(|_| whole && once.is_some_and(|query| query.query_opt != 0)),
            capitals: (capitals && repeats).then_some(event.marks & mark::SAME_SPELLING != 0),
            mirrored,
            delay,
        }
    }
}

/// The network of an address, a /24 or a /48, as a number that tells it from others.
pub(in crate::judge) const fn network(address: Address) -> u64 {
    // The upper half of the number is empty of IPv4.
    if address.is_v4() { address.low >> 8 } else { 1 << 63 | address.high >> 16 }
}

impl Stack {
    /// Of a packet; none for IPv6.
    pub(in crate::judge) const fn of(packet: &Packet) -> Option<Self> {
        if packet.version != 4 {
            return None;
        }
        Some(Self { df: packet.quirks & quirk::DF != 0, ip_id: packet.ip_id })
    }

    /// DF, and whether the IP-ID is zero.
    pub(in crate::judge) const fn class(self) -> u8 {
        (self.df as u8) << 1 | (self.ip_id == 0) as u8
    }
}

impl Resolver {
    pub(super) fn learn(&mut self, seen: &Observation) {
        self.fade(seen.time);
        let unlike = self.is_foreign(seen.hops) || self.is_other_stack(seen.stack);
        self.unlike = self.unlike << 1 | u16::from(unlike);
        // Who answers in another's place is not to teach how fast that one is.
        if let Some(delay) = seen.delay
            && !unlike
        {
            self.delays.learn(seen.time, seen.question, delay);
        }
        // An answer that was on its way already says nothing about the route of now.
        let asked = seen.delay.and_then(|delay| seen.time.checked_sub(delay));
        if let Some(asked) = asked.filter(|_| !unlike) {
            self.as_usual = self.as_usual.max(asked);
        }
        if let Some(free) =
            self.askers.iter_mut().find(|known| known.is_none_or(|one| one == seen.asker))
        {
            *free = Some(seen.asker);
        }
        if self.is_foreign(seen.hops) && self.is_plain(seen) {
            self.meet(seen);
        }
        self.answers = self.answers.saturating_add(1);
        self.hops.learn(seen.hops);
        if let Some(stack) = seen.stack {
            if self.stacks.total() > 0 {
                let step = stack.ip_id.wrapping_sub(self.last_ip_id);
                self.steps.learn((1..=STEP).contains(&step));
            }
            (self.last_ip_id, self.last) = (stack.ip_id, seen.time);
            self.zero.learn(stack.ip_id == 0);
            self.stacks.learn(stack.class());
        }
        let habits = [
            (&mut self.authority, seen.authority),
            (&mut self.recursion, seen.recursion),
            (&mut self.edns, seen.edns),
            (&mut self.capitals, seen.capitals),
            (&mut self.mirrored, seen.mirrored),
        ];
        for (habit, seen) in habits {
            if let Some(seen) = seen {
                habit.learn(seen);
            }
        }
    }

    /// Whether nothing that it says is unusual.
    fn is_plain(&self, seen: &Observation) -> bool {
        !(seen.authority == Some(true) && self.authority.never()
            || seen.recursion == Some(false) && self.recursion.always()
            || seen.edns == Some(false) && self.edns.always()
            || seen.capitals == Some(false) && self.capitals.always())
    }

    /// Meets an answer of an unusual TTL.
    fn meet(&mut self, seen: &Observation) {
        let old = |one: &Newcomer| one.last.saturating_add(NEWCOMERS_FOR) < seen.time;
        let known = self.newcomers.iter().position(|one| one.count > 0 && one.hops == seen.hops);
        let oldest = || (0..NEWCOMERS_MAX).min_by_key(|&at| self.newcomers[at].last);
        let Some(one) = known.or_else(oldest).and_then(|at| self.newcomers.get_mut(at)) else {
            return;
        };
        let count = if one.hops != seen.hops || old(one) { 0 } else { one.count };
        *one = Newcomer { hops: seen.hops, last: seen.time, count: count.saturating_add(1) };
    }

    /// Whether plain answers of other names have this unusual TTL, too, about `time`: another site of an anycast
    /// address answers, or another machine of a pool, and not somebody who lies about a few names.
    pub fn has_newcomer(&self, hops: u8, time: u64) -> bool {
        let here = |one: &&Newcomer| {
            one.hops.abs_diff(hops) <= 1 && one.last.abs_diff(time) <= NEWCOMERS_FOR
        };
        let met: u32 = self.newcomers.iter().filter(here).map(|one| u32::from(one.count)).sum();
        met >= u32::from(NEWCOMERS)
    }

    /// Whether clients of several networks are known to ask it.
    pub fn has_many(&self) -> bool {
        self.askers.iter().all(Option::is_some)
    }

    fn fade(&mut self, time: u64) {
        if self.answers == 0 {
            self.faded = time;
        }
        let due = time.saturating_sub(self.faded) / HALF_LIFE;
        for _ in 0..due.min(HALVINGS) {
            self.hops.fade();
            self.stacks.fade();
            for often in [
                &mut self.zero,
                &mut self.steps,
                &mut self.authority,
                &mut self.recursion,
                &mut self.edns,
                &mut self.capitals,
                &mut self.mirrored,
            ] {
                often.fade();
            }
        }
        self.faded = self.faded.saturating_add(due.saturating_mul(HALF_LIFE));
    }

    /// Whether enough answers were seen lately to call others unusual.
    pub fn is_known(&self) -> bool {
        self.hops.total() >= KNOWN
    }

    /// Whether most of the latest answers are unlike those before: the route has changed, or the
    /// server.
    pub const fn has_changed(&self) -> bool {
        self.unlike.count_ones() >= CHANGED
    }

    /// Whether one of its answers to what it was asked after `time` had a usual TTL and stack: its route
    /// is what it was.
    pub const fn went_on_after(&self, time: u64) -> bool {
        self.as_usual > time
    }

    /// The shortest time in which it answers, in nanoseconds, if several names agree on it.
    pub fn floor(&self) -> Option<u64> {
        self.delays.floor().filter(|_| self.is_known())
    }

    /// Whether answers with TTL `hops` (give or take one) are none of its own; false as long as it is
    /// not known.
    pub fn is_foreign(&self, hops: u8) -> bool {
        self.is_known() && self.hops.total() > 0 && !self.has_had(hops)
    }

    /// Whether answers with TTL `hops` (give or take one) are usual, as far as anything is.
    pub fn has_had(&self, hops: u8) -> bool {
        self.hops.usual().any(|usual| usual.abs_diff(hops) <= 1)
    }

    /// Whether any answer at all is remembered with TTL `hops`, give or take one: rare members of a pool
    /// are not usual.
    pub fn has_ever_had(&self, hops: u8) -> bool {
        self.hops.all().any(|one| one.abs_diff(hops) <= 1)
    }

    /// Whether such DF and IP-ID are none of its own; false as long as it is not known.
    pub fn is_other_stack(&self, stack: Option<Stack>) -> bool {
        stack.is_some_and(|stack| {
            self.stacks.total() >= KNOWN && !self.stacks.usual().any(|usual| usual == stack.class())
        })
    }

    /// How it counts IP-IDs, once that is known.
    pub fn ip_ids(&self) -> Option<IpIds> {
        if self.stacks.total() < KNOWN {
            None
        } else if self.zero.always() {
            Some(IpIds::Zero)
        } else if self.steps.always() {
            Some(IpIds::Counter)
        } else {
            Some(IpIds::Varies)
        }
    }

    /// Whether an answer with this IP-ID at `time` goes on from its last one, or may do so after such
    /// a time.
    pub fn goes_on(&self, ip_id: u16, time: u64) -> bool {
        if time.abs_diff(self.last) > STEP_TIME {
            return true;
        }
        let step = ip_id.wrapping_sub(self.last_ip_id);
        step <= STEP || step.wrapping_neg() <= STEP
    }

    /// Whether it is known to set AA in none of its answers: a recursive resolver, of other people's
    /// names.
    pub fn is_never_authority(&self) -> bool {
        self.authority.never()
    }

    /// Whether it is known to set RA in all of its answers.
    pub fn always_recurses(&self) -> bool {
        self.recursion.always()
    }

    /// Whether it is known to answer EDNS with EDNS.
    pub fn always_edns(&self) -> bool {
        self.edns.always()
    }

    /// Whether it is known to repeat capitals.
    pub fn always_capitals(&self) -> bool {
        self.capitals.always()
    }

    /// Whether it is known to choose IP-IDs of its own.
    pub fn never_mirrors(&self) -> bool {
        self.mirrored.never()
    }

    /// TTLs that are usual, ascending.
    pub fn usual_hops(&self) -> Vec<u8> {
        let mut hops: Vec<u8> = self.hops.usual().collect();
        hops.sort_unstable();
        hops
    }

    /// Whether so many answers were seen lately that a rare member of a pool would be among them.
    pub fn is_well_known(&self) -> bool {
        self.hops.total() >= WELL_KNOWN
    }

    /// Answers that it was learnt from.
    pub const fn answers(&self) -> u64 {
        self.answers
    }
}

#[cfg(test)]
mod tests {
    use super::{HALF_LIFE, IpIds, Observation, Resolver, Stack};

    const MS: u64 = 1_000_000;

    fn plain(number: u64) -> Observation {
        Observation {
            time: number * MS,
            asker: number % 7,
            question: number as u32,
            hops: 57,
            stack: Some(Stack { df: false, ip_id: 1_000 + number as u16 * 3 }),
            authority: Some(false),
            recursion: Some(true),
            edns: Some(true),
            capitals: None,
            mirrored: Some(false),
            delay: Some(20 * MS + number * 1_000),
        }
    }

    fn known() -> Resolver {
        let mut resolver = Resolver::default();
        for number in 0..100 {
            resolver.learn(&plain(number));
        }
        resolver
    }

    #[test]
    fn nothing_is_foreign_to_somebody_unknown() {
        let mut resolver = Resolver::default();
        for number in 0..19 {
            resolver.learn(&plain(number));
        }
        assert!(!resolver.is_known() && !resolver.is_foreign(99) && resolver.floor().is_none());
        resolver.learn(&plain(19));
        resolver.learn(&plain(20));
        assert!(resolver.is_known() && resolver.is_foreign(99) && !resolver.is_foreign(58));
        assert_eq!(resolver.floor().map(|floor| floor / MS), Some(20));
        assert_eq!(resolver.ip_ids(), Some(IpIds::Counter));
    }

    #[test]
    fn stacks_are_told_apart_by_df_and_zero() {
        let resolver = known();
        let other = |df, ip_id| resolver.is_other_stack(Some(Stack { df, ip_id }));
        assert!(!other(false, 7) && other(true, 7) && other(false, 0) && other(true, 0));
        assert!(!resolver.is_other_stack(None));
    }

    #[test]
    fn a_pool_is_one_of_two_ttls_or_stacks() {
        let mut resolver = known();
        for number in 100..110 {
            resolver.learn(&Observation { hops: 121, ..plain(number) });
        }
        assert!(!resolver.is_foreign(121) && !resolver.is_foreign(57));
        assert_eq!(resolver.usual_hops(), [57, 121]);
    }

    #[test]
    fn forged_fast_answers_of_another_lineage_move_nothing() {
        let mut resolver = known();
        let before = resolver.floor();
        for number in 100..103 {
            let forged = Observation { hops: 63, delay: Some(MS), ..plain(number) };
            resolver.learn(&forged);
        }
        assert_eq!(resolver.floor(), before);
        assert!(!resolver.has_changed());
    }

    #[test]
    fn who_is_asked_by_clients_of_few_networks_is_not_asked_by_many() {
        let mut resolver = Resolver::default();
        for number in 0..100 {
            resolver.learn(&Observation { asker: number % 2, ..plain(number) });
        }
        assert!(!resolver.has_many() && known().has_many());
    }

    #[test]
    fn another_site_is_known_by_plain_answers_of_its_own() {
        let mut resolver = known();
        (100..1_000).for_each(|number| resolver.learn(&plain(number)));
        let other = |number| Observation { hops: 49, ..plain(number) };
        // Who answers a few names in another way is none.
        for number in 1_000..1_005 {
            resolver.learn(&Observation { authority: Some(true), ..other(number) });
        }
        assert!(resolver.is_foreign(49) && !resolver.has_newcomer(49, 1_005 * MS));
        resolver.learn(&other(1_005));
        assert!(!resolver.has_newcomer(49, 1_006 * MS));
        resolver.learn(&other(1_006));
        assert!(resolver.has_newcomer(50, 1_007 * MS) && !resolver.has_newcomer(63, 1_007 * MS));
        assert!(!resolver.has_newcomer(49, 1_006 * MS + super::NEWCOMERS_FOR + 1));
    }

    #[test]
    fn a_new_route_is_noticed_and_then_learnt() {
        let mut resolver = known();
        for number in 100..1_000 {
            resolver.learn(&plain(number));
        }
        for number in 1_000..1_008 {
            assert!(resolver.is_foreign(49) && !resolver.has_changed());
            resolver.learn(&Observation { hops: 49, delay: Some(8 * MS), ..plain(number) });
        }
        assert!(resolver.has_changed() && resolver.is_foreign(49));
        for number in 1_008..1_050 {
            resolver.learn(&Observation { hops: 49, delay: Some(8 * MS), ..plain(number) });
        }
        assert!(!resolver.has_changed());
        assert_eq!(resolver.floor(), Some(8 * MS));
    }

    #[test]
    fn what_was_learnt_long_ago_is_forgotten() {
        let mut resolver = known();
        let late = Observation { time: 8 * HALF_LIFE, ..plain(0) };
        resolver.learn(&late);
        assert!(!resolver.is_known() && resolver.floor().is_none());
        assert!(!resolver.is_foreign(99));
    }
}
