//! What names were seen to answer, and by whom.
//!
//! One resolver's word is held against that of the others, never against its own history alone: a
//! resolver that has always lied is as steady as an honest one. Resolvers of one network count once.

use std::net::IpAddr;

use probe_common::wire::Address;

use super::bounded::Bounded;
use crate::{
    names::dns::{Dns, RCODE_NOERROR, RCODE_NXDOMAIN, SAME_NETWORK_V4, SAME_NETWORK_V6},
    sinkholes::is_bogon,
};

/// Names remembered: those of the watched services and the controls that a busy router's clients ask
/// for within the time that an answer counts.
const NAMES_MAX: usize = 4_096;

/// Answers kept of one name, the last of each resolver. The one given longest ago goes first.
const VOTES_MAX: usize = 32;

/// Resolvers with names of which it is kept what they have answered themselves: busier ones push each
/// other out of the answers of a name.
const OWN_MAX: usize = 8_192;

/// Different answers kept of one resolver for one name.
const OWN_EACH: usize = 4;

/// Addresses kept of one answer.
const ADDRESSES_MAX: usize = 8;

/// Clients with resolvers of which it is remembered what else they are answered.
const PAIRS_MAX: usize = 16_384;

/// Networks kept of what a client was answered for names that are not watched.
const ELSEWHERE_MAX: usize = 4;

/// How long before or after a doubtful answer others show that a captive portal stands there, in
/// nanoseconds: ten minutes, for as long as it may take to log in.
const PORTAL: u64 = 600_000_000_000;

/// How long before or after it others show that none stands there: a session ends at some moment, and it
/// takes longer than that to log in.
const NO_PORTAL: u64 = 5_000_000_000;

/// How long an answer counts, in nanoseconds: an hour. Addresses change within minutes, the networks
/// that a name is served from within months.
const AGE: u64 = 3_600_000_000_000;

/// The answers of the last hour.
#[derive(Debug)]
pub struct Answers {
    names: Bounded<Box<str>, Vec<Vote>>,
    /// What resolvers have answered themselves, by resolver and name.
    own: Bounded<(Network, Box<str>), Own>,
    /// What clients were answered by resolvers for other names.
    elsewhere: Bounded<[Address; 2], Vec<(IpAddr, u64)>>,
}

/// What one resolver said.
#[derive(Clone, Debug)]
struct Vote {
    voter: Network,
    time: u64,
    qtype: u16,
    said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Addresses(Vec<IpAddr>),
    NoSuchName,
}

/// Answers of one resolver for one name, each with when it was given last.
type Own = Vec<(u64, Said)>;

/// A network of the size that counts as one: a /24 or a /48.
type Network = (bool, u128);

/// The voices of resolvers about an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voices {
    /// Others that gave an address of the same network or operator, or said as well that there is no
    /// such name.
    pub same: usize,
    /// Others that gave plausible addresses, none of them of the same network or operator.
    pub other: usize,
    /// Of these, those that gave addresses from which the service is known to be served.
    pub home: usize,
    /// The very resolver gave such addresses itself within the hour.
    pub itself: bool,
}

/// What is known of addresses, to compare answers by.
pub(super) trait Known {
    /// Whether two addresses are of one operator.
    fn same_origin(&self, one: IpAddr, other: IpAddr) -> bool;
    /// Whether the service in question is known to be served from there.
    fn is_home(&self, address: IpAddr) -> bool;
    /// Whether a genuine answer may have this address.
    fn is_plausible(&self, address: IpAddr) -> bool;
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            names: Bounded::new(NAMES_MAX),
            own: Bounded::new(OWN_MAX),
            elsewhere: Bounded::new(PAIRS_MAX),
        }
    }
}

impl Answers {
    /// At `now` a resolver answered for a name that is watched, or a control.
    pub(super) fn note(&mut self, name: &str, resolver: Address, now: u64, dns: &Dns) {
        let Some(said) = Said::of(dns) else { return };
        let vote = Vote {
            voter: network(resolver.ip()),
            time: now,
            qtype: dns.qtype().unwrap_or_default(),
            said,
        };
        // Most have one answer, and there are many: a list that grows by itself begins with four places.
        let (own, _) = self.own.entry((vote.voter, name.into()), || Vec::with_capacity(1));
        match own.iter_mut().find(|(_, said)| *said == vote.said) {
            Some(again) => again.0 = now,
            None => {
                if own.len() == OWN_EACH {
                    own.remove(0);
                }
                own.push((now, vote.said.clone()));
            }
        }
        let (votes, _) = self.names.entry(name.into(), || Vec::with_capacity(1));
        let mine = |other: &Vote| other.voter == vote.voter && other.qtype == vote.qtype;
        if let Some(before) = votes.iter_mut().find(|other| mine(other)) {
            *before = vote;
            return;
        }
        if votes.len() >= VOTES_MAX
            && let Some(oldest) = (0..votes.len()).min_by_key(|&at| votes[at].time)
        {
            votes.remove(oldest);
        }
        votes.push(vote);
    }

    /// At `now` a client was answered by a resolver for a name that is not watched.
    pub(super) fn note_elsewhere(&mut self, ends: [Address; 2], now: u64, dns: &Dns) {
        let Some(address) = dns.addresses().next() else { return };
        let (networks, _) = self.elsewhere.entry(ends, Vec::new);
        let there = network(address);
        if let Some(known) = networks.iter_mut().find(|(known, _)| network(*known) == there) {
            known.1 = now;
            return;
        }
        if networks.len() == ELSEWHERE_MAX {
            networks.remove(0);
        }
        networks.push((address, now));
    }

    /// Whether a client and a resolver (`ends`) are known not to stand before a captive portal, which
    /// shows the same page to whatever is asked: within seconds of `now` another name was answered with a
    /// public address of another network than that of `address`, and within minutes none otherwise.
    pub fn excludes_portal(&self, ends: [Address; 2], address: IpAddr, now: u64) -> bool {
        let Some(others) = self.elsewhere.get(&ends) else { return false };
        let there = network(address);
        let shown = |other: IpAddr| network(other) == there || is_bogon(other);
        let within = |time: u64, span: u64| time.abs_diff(now) <= span;
        others.iter().any(|&(other, time)| !shown(other) && within(time, NO_PORTAL))
            && !others.iter().any(|&(other, time)| shown(other) && within(time, PORTAL))
    }

    /// What resolvers said about `name` within the last hour, beside what `resolver` said in `dns`.
    pub(super) fn voices(
        &self,
        name: &str,
        resolver: Address,
        now: u64,
        dns: &Dns,
        known: &impl Known,
    ) -> Voices {
        let mut voices = Voices::default();
        let (me, qtype) = (network(resolver.ip()), dns.qtype().unwrap_or_default());
        let nothing = dns.rcode == RCODE_NXDOMAIN;
        let judged: Vec<IpAddr> = dns.addresses().collect();
        let own = self.own.get(&(me, name.into()));
        // Many lie about one type of address only.
        let family = |list: &[IpAddr]| list.first().map(IpAddr::is_ipv4);
        let speaks = |(time, said): &(u64, Said)| {
            let comparable = nothing || family(said.addresses()) == family(&judged);
            comparable && is_recent(*time, now) && said.speaks_against(&judged, known)
        };
        voices.itself = own.is_some_and(|own| own.iter().any(speaks));
        let Some(votes) = self.names.get(name) else { return voices };
        // The latest word of each, of either type of address if the name is said not to exist.
        let mut heard: Vec<&Vote> = Vec::new();
        for vote in votes.iter().filter(|vote| is_recent(vote.time, now)) {
            if vote.qtype != qtype && !nothing {
                continue;
            }
            if vote.voter == me {
                continue;
            }
            match heard.iter_mut().find(|other| other.voter == vote.voter) {
                Some(other) if other.time <= vote.time => *other = vote,
                Some(_) => {}
                None => heard.push(vote),
            }
        }
        for vote in heard {
            if vote.said.agrees(nothing, &judged, known) {
                voices.same += 1;
            } else if vote.said.speaks_against(&judged, known) {
                voices.other += 1;
                let home = vote.said.addresses().iter().any(|&address| known.is_home(address));
                voices.home += usize::from(home);
            }
        }
        voices
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.names.evicted() + self.own.evicted() + self.elsewhere.evicted()
    }
}

impl Voices {
    /// Voices against an answer: each other resolver is one, and what the target file knows of the
    /// service's networks is one more where it agrees with them.
    pub fn against(&self) -> usize {
        self.other + usize::from(self.home > 0)
    }

    /// Whether there are two voices against it at least, and more resolvers than for it.
    pub fn outvote(&self) -> bool {
        self.against() >= 2 && self.other > self.same
    }
}

impl Said {
    fn of(dns: &Dns) -> Option<Self> {
        let addresses: Vec<IpAddr> = dns.addresses().take(ADDRESSES_MAX).collect();
        match (dns.rcode, addresses.is_empty()) {
            (RCODE_NOERROR, false) => Some(Self::Addresses(addresses)),
            (RCODE_NXDOMAIN, _) => Some(Self::NoSuchName),
            _ => None,
        }
    }

    fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Addresses(addresses) => addresses,
            Self::NoSuchName => &[],
        }
    }

    fn agrees(&self, nothing: bool, judged: &[IpAddr], known: &impl Known) -> bool {
        match self {
            Self::NoSuchName => nothing,
            Self::Addresses(addresses) => addresses.iter().any(|&one| near(one, judged, known)),
        }
    }

    /// Whether these are plausible addresses, none of them near those that are judged.
    fn speaks_against(&self, judged: &[IpAddr], known: &impl Known) -> bool {
        let addresses = self.addresses();
        !addresses.is_empty()
            && addresses.iter().all(|&one| known.is_plausible(one) && !near(one, judged, known))
    }
}

fn near(one: IpAddr, others: &[IpAddr], known: &impl Known) -> bool {
    others.iter().any(|&other| network(one) == network(other) || known.same_origin(one, other))
}

const fn is_recent(time: u64, now: u64) -> bool {
    now.saturating_sub(time) <= AGE
}

fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(address) => (false, u128::from(address.to_bits() >> (32 - SAME_NETWORK_V4))),
        IpAddr::V6(address) => (true, address.to_bits() >> (128 - SAME_NETWORK_V6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::dns::{Answer, AnswerData, Question, TYPE_A};

    const NAME: &str = "www.linkedin.com";
    const HOUR: u64 = AGE;

    struct Plain;

    impl Known for Plain {
        fn same_origin(&self, one: IpAddr, other: IpAddr) -> bool {
            self.is_home(one) && self.is_home(other)
        }
        fn is_home(&self, address: IpAddr) -> bool {
            address.to_string().starts_with("108.174.")
        }
        fn is_plausible(&self, address: IpAddr) -> bool {
            !address.to_string().starts_with("10.")
        }
    }

    fn dns(addresses: &[&str]) -> Dns {
        let answers = addresses.iter().map(|text| Answer {
            name: NAME.into(),
            rtype: TYPE_A,
            ttl: 60,
            data: AnswerData::A(text.parse().expect("an address")),
        });
        let question = Question { name: NAME.into(), qtype: TYPE_A, ..Question::default() };
        let rcode = if addresses.is_empty() { RCODE_NXDOMAIN } else { RCODE_NOERROR };
        Dns { answers: answers.collect(), question: Some(question), rcode, ..Dns::default() }
    }

    fn resolver(number: u32) -> Address {
        Address::v4(0x0901_0035 + (number << 8))
    }

    fn voices(answers: &Answers, of: u32, now: u64, judged: &[&str]) -> Voices {
        answers.voices(NAME, resolver(of), now, &dns(judged), &Plain)
    }

    #[test]
    fn a_liar_is_outvoted_and_does_not_outvote() {
        let mut answers = Answers::default();
        for _ in 0..100 {
            answers.note(NAME, resolver(1), 1, &dns(&["203.0.113.1"]));
        }
        answers.note(NAME, resolver(2), 1, &dns(&["108.174.10.10"]));
        answers.note(NAME, resolver(3), 1, &dns(&["108.174.11.10", "108.174.12.10"]));
        let liar = voices(&answers, 1, 2, &["203.0.113.1"]);
        assert_eq!(liar, Voices { same: 0, other: 2, home: 2, itself: false });
        assert!(liar.outvote());
        let honest = voices(&answers, 2, 2, &["108.174.10.10"]);
        assert!(!honest.outvote());
        // A second liar with the same answer makes it two against two.
        answers.note(NAME, resolver(4), 1, &dns(&["203.0.113.2"]));
        assert_eq!(voices(&answers, 1, 2, &["203.0.113.1"]).same, 1);
        answers.note(NAME, resolver(5), 1, &dns(&["203.0.113.2"]));
        assert!(!voices(&answers, 1, 2, &["203.0.113.1"]).outvote());
    }

    #[test]
    fn one_other_resolver_suffices_where_the_file_agrees() {
        let mut answers = Answers::default();
        answers.note(NAME, resolver(2), 1, &dns(&["198.51.100.1"]));
        assert!(!voices(&answers, 1, 2, &["10.1.1.1"]).outvote());
        answers.note(NAME, resolver(2), 1, &dns(&["108.174.10.10"]));
        assert!(voices(&answers, 1, 2, &["10.1.1.1"]).outvote());
        assert!(voices(&answers, 1, 2, &[]).outvote(), "of a name that is said not to exist");
    }

    #[test]
    fn what_cannot_be_or_is_old_has_no_voice() {
        let mut answers = Answers::default();
        answers.note(NAME, resolver(2), 1, &dns(&["10.0.0.1"]));
        answers.note(NAME, resolver(3), 1, &dns(&[]));
        answers.note(NAME, resolver(4), 1, &dns(&["108.174.10.10"]));
        let heard = voices(&answers, 1, 2, &["203.0.113.1"]);
        assert_eq!(heard, Voices { other: 1, home: 1, ..Voices::default() });
        assert_eq!(voices(&answers, 1, HOUR + 2, &["203.0.113.1"]), Voices::default());
    }

    #[test]
    fn a_resolver_that_says_both_is_known_for_it() {
        let mut answers = Answers::default();
        answers.note(NAME, resolver(1), 1, &dns(&["108.174.10.10"]));
        answers.note(NAME, resolver(1), 2, &dns(&["10.1.1.1"]));
        assert!(voices(&answers, 1, 3, &["10.1.1.1"]).itself);
        assert!(!voices(&answers, 1, 3, &["108.174.10.10"]).itself);
    }

    #[test]
    fn a_portal_leads_nowhere_else() {
        let mut answers = Answers::default();
        let portal = "203.0.113.1".parse().expect("an address");
        let ends = [resolver(9), resolver(1)];
        assert!(!answers.excludes_portal(ends, portal, 2), "nothing is known");
        answers.note_elsewhere(ends, 1, &dns(&["192.0.2.1"]));
        assert!(answers.excludes_portal(ends, portal, 2));
        assert!(!answers.excludes_portal([resolver(8), ends[1]], portal, 2), "of somebody else");
        assert!(!answers.excludes_portal(ends, portal, NO_PORTAL + 2));
        answers.note_elsewhere(ends, 3, &dns(&["203.0.113.1"]));
        assert!(!answers.excludes_portal(ends, portal, 2), "it shows itself");
    }

    #[test]
    fn answers_are_bounded() {
        let mut answers = Answers::default();
        for number in 0..100 {
            answers.note(NAME, resolver(number), number.into(), &dns(&["108.174.10.10"]));
            answers.note(NAME, resolver(1), 200, &dns(&[&format!("192.0.2.{number}")]));
        }
        let votes = answers.names.get(NAME).expect("the name is known");
        assert_eq!(votes.len(), VOTES_MAX);
        assert!(votes.iter().filter(|vote| vote.voter == network(resolver(1).ip())).count() <= 2);
    }
}
