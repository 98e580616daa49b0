//! Answers that may be lies, until it is known what clients met where they led.
//!
//! The answer is judged when its exchange is closed, 2.5 s after it came; the connection to the address
//! that it gave may still be trying. So the exchange is kept for a while, and judged again: live when a
//! connection of its client to one of its addresses has ended, and in any case at the end of the while.
//! From a capture it is told once, at the end. That a name does not exist leads nowhere; such an answer is
//! kept for as long as a resolver may take to learn that it does.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use probe_common::wire::Address;

use super::{
    Claim, Knowledge, Settings, Telling, arrivals::LED, bounded::Bounded, decision::decide,
    exchange::Exchange, exchanges,
};
use crate::{
    detect::Hit,
    report::{Finding, finding::Told},
};

/// Doubtful answers kept: those of five minutes at 13 a second. The one that came first is judged with
/// what is known by then.
const LIES_MAX: usize = 4_096;

/// Octets that they take: as many as are usual, of 4 KiB each. See `EXCHANGES_OCTETS`.
const LIES_OCTETS: usize = 16_777_216;

/// Octets that it takes to find an answer again by an address that it gave.
const PLACE_OCTETS: usize = 128;

/// How long an answer that leads nowhere is kept, in nanoseconds: a name that was just made is known
/// everywhere by then.
const NOTHING: u64 = 30_000_000_000;

/// Answers found again by client and address, beyond which the older are judged at their end only.
const SAME_MAX: usize = 8;

/// All of them.
#[derive(Debug)]
pub(super) struct Lies {
    open: Bounded<u64, Pending>,
    /// Octets that these take.
    octets: usize,
    /// By the time at which they are judged last.
    due: BTreeSet<(u64, u64)>,
    led: HashMap<(Address, Address), Vec<u64>>,
    next: u64,
    /// When the machine woke last, and for how long it had slept; 0: it did not.
    woke: (u64, u64),
}

#[derive(Debug)]
struct Pending {
    /// When it is judged last.
    due: u64,
    exchange: Exchange,
    /// What was found of it as packets, with what was known by then.
    forged: Vec<Hit<'static>>,
    told: Option<Told>,
}

impl Pending {
    /// Octets of memory that it takes, with what it is found again by.
    fn octets(&self) -> usize {
        size_of::<Self>() + self.exchange.octets() + places(&self.exchange).len() * PLACE_OCTETS
    }

    /// Tells what is found with what is known now, if it is more than was told.
    fn judge(
        &mut self,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        let Self { exchange, forged, told, .. } = self;
        if let Some(decision) = decide(exchanges::lies(exchange, forged.clone(), knowledge)) {
            exchanges::told(exchange, &decision, told, knowledge, settings, tell);
        }
    }
}

impl Default for Lies {
    fn default() -> Self {
        Self {
            open: Bounded::new(LIES_MAX),
            octets: 0,
            due: BTreeSet::new(),
            led: HashMap::new(),
            next: 0,
            woke: (0, 0),
        }
    }
}

impl Lies {
    /// Whether an exchange is to be kept once it is closed.
    pub(super) fn are_possible(exchange: &Exchange, knowledge: &Knowledge) -> bool {
        Claim::only(exchange, knowledge).is_some()
    }

    /// Keeps an exchange, of which so much was found and told. Live it is told of at once.
    pub(super) fn keep(
        &mut self,
        exchange: Exchange,
        forged: Vec<Hit<'static>>,
        told: Option<Told>,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        let (id, time) = (self.next, exchange.replies.first().map_or(0, super::Reply::time));
        self.next += 1;
        let places = places(&exchange);
        let leads = !places.is_empty();
        let (woke, slept) = self.woke;
        let wait = if leads { LED } else { NOTHING } + if time < woke { slept } else { 0 };
        let due = time.saturating_add(wait);
        self.due.insert((due, id));
        for place in places {
            let ids = self.led.entry(place).or_default();
            if ids.len() == SAME_MAX {
                ids.remove(0);
            }
            ids.push(id);
        }
        let mut pending = Pending { due, exchange, forged, told };
        if leads && settings.telling == Telling::AtOnce {
            pending.judge(knowledge, settings, tell);
        }
        self.octets += pending.octets();
        let (_, out) = self.open.entry(id, || pending);
        if let Some((id, pending)) = out {
            self.close(id, pending, knowledge, settings, tell);
        }
        while self.octets > LIES_OCTETS
            && let Some((id, pending)) = self.open.evict()
        {
            self.close(id, pending, knowledge, settings, tell);
        }
    }

    /// A connection of `client` to `address` has ended.
    pub(super) fn news(
        &mut self,
        client: Address,
        address: Address,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        if settings.telling != Telling::AtOnce {
            return;
        }
        let Some(ids) = self.led.get(&(client, address)) else { return };
        for id in ids {
            if let Some(pending) = self.open.get_mut(id) {
                pending.judge(knowledge, settings, tell);
            }
        }
    }

    /// The machine slept until `at`, for so long: what speaks for an answer could not be seen meanwhile, and gets
    /// its time.
    pub(super) fn woke(&mut self, at: u64, slept: u64) {
        self.woke = (at, slept);
        for (due, id) in std::mem::take(&mut self.due) {
            if let Some(pending) = self.open.get_mut(&id) {
                pending.due = due.saturating_add(slept);
                self.due.insert((pending.due, id));
            }
        }
    }

    /// When an exchange is given up next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Gives up the exchanges that are due by `now`.
    pub(super) fn close_until(
        &mut self,
        now: u64,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, id)) = self.due.pop_first() else { return };
            if let Some(pending) = self.open.remove(&id) {
                self.close(id, pending, knowledge, settings, tell);
            }
        }
    }

    fn close(
        &mut self,
        id: u64,
        mut pending: Pending,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        pending.judge(knowledge, settings, tell);
        self.octets -= pending.octets();
        self.due.remove(&(pending.due, id));
        for place in places(&pending.exchange) {
            if let Some(ids) = self.led.get_mut(&place) {
                ids.retain(|&other| other != id);
                if ids.is_empty() {
                    self.led.remove(&place);
                }
            }
        }
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.open.evicted()
    }
}

/// The client with each address that it was led to.
fn places(exchange: &Exchange) -> Vec<(Address, Address)> {
    let (client, _) = exchange.client();
    let mut addresses: Vec<IpAddr> =
        exchange.replies.iter().flat_map(|reply| reply.dns.addresses()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.into_iter().map(|address| (client, address.into())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use probe_common::event::DnsEvent;

    use super::{Address, Exchange, Knowledge, LIES_MAX, Lies, Settings, Telling};
    use crate::{
        judge::exchange::Reply,
        names::dns::{Answer, AnswerData, Dns, TYPE_A},
        targets::TargetSet,
    };

    /// What is told to the client of this number.
    fn told(number: u32) -> Exchange {
        let mut event = DnsEvent::default();
        event.packet.time = u64::from(number);
        event.packet.destination = Address::v4(0x0a00_0000 + number);
        let answer = Answer {
            name: "www.linkedin.com".into(),
            rtype: TYPE_A,
            ttl: 60,
            data: AnswerData::A([192, 0, 2, 1].into()),
        };
        let dns = Dns { answers: vec![answer], ..Dns::default() };
        Exchange::of(Reply::new(&event, dns, &[]))
    }

    #[test]
    fn an_answer_that_makes_way_leaves_nothing_behind() {
        let targets = Arc::new(TargetSet::builtin());
        let knowledge = Knowledge::new(Arc::clone(&targets));
        let settings = Settings { telling: Telling::AtClose, epoch: 0, targets };
        let mut lies = Lies::default();
        for number in 0..LIES_MAX as u32 + 100 {
            lies.keep(told(number), Vec::new(), None, &knowledge, &settings, &mut drop);
        }
        let kept = |lies: &Lies| (lies.due.len(), lies.led.len());
        assert_eq!((kept(&lies), lies.evicted()), ((LIES_MAX, LIES_MAX), 100));
        lies.woke(1, 1);
        assert_eq!(kept(&lies), (LIES_MAX, LIES_MAX));
        lies.close_until(u64::MAX, &knowledge, &settings, &mut drop);
        assert_eq!(kept(&lies), (0, 0));
    }
}
