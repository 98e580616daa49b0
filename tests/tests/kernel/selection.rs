//! Which DNS replies go up when not all do: those of watched names and second ones whole, a few
//! others without a name, the rest not at all.
//!
//! By both engines at once: what one selects, the other must.

use std::net::{IpAddr, Ipv4Addr};

use probe_common::{
    config::{Config, FLAG_STAMPED},
    counter::Counter,
    dns::{REPLIES_TOLD, mark},
    event::{DnsEvent, kind},
    resolver::{ResolverRecord, SAMPLE_EVERY, SAMPLE_FIRST, Tally},
    wire::Address,
};
use probe_tests::{
    craft::{DAY, MS, Packet, dns, frame, net::Ip},
    duel::{Duel, Told},
};
use probe_user::targets::TargetSet;
use zerocopy::IntoBytes as _;

const WATCHED: &str = "www.linkedin.com";
const UNWATCHED: &str = "private.unwatched.test";
const RESOLVER: u16 = 53;

/// So many of [`frame::LINKS`] are followed: plain, VLAN, QinQ, PPPoE, MPLS.
const FOLLOWED: usize = 6;

/// Both engines, as live, and a clock that moves a millisecond with each packet.
struct Bench {
    duel: Duel,
    ip: Ip,
    link: frame::Link,
    sent: u64,
}

impl Bench {
    fn new() -> Self {
        Self::between(Ip::v4(), frame::ethernet)
    }

    fn between(ip: Ip, link: frame::Link) -> Self {
        let config = Config { flags: FLAG_STAMPED, ..Config::replay() };
        let mut duel = Duel::new(config).expect("both engines");
        duel.watch_names(&TargetSet::builtin().names(config.hash_key));
        Self { duel, ip, link, sent: 0 }
    }

    fn packet(&mut self, data: Vec<u8>) -> Vec<(DnsEvent, Vec<u8>)> {
        self.sent += 1;
        let packet = Packet::whole(DAY + self.sent * MS, data);
        let told = self.duel.packet("selection", &packet.frame(self.sent));
        told.into_iter()
            .map(|told| match told {
                Told::Dns(event, payload) => (*event, payload),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// Sends a query from `port`.
    fn ask(&mut self, port: u16, message: &[u8]) {
        let data = (self.link)(&dns::datagram(&self.ip, (port, RESOLVER), message));
        assert!(self.packet(data).is_empty(), "a query is told of");
    }

    /// Sends a reply to `port`, and returns what is told of it.
    fn answer(&mut self, port: u16, message: &[u8]) -> Option<(DnsEvent, Vec<u8>)> {
        let data = (self.link)(&dns::datagram(&self.ip.back(), (RESOLVER, port), message));
        let mut told = self.packet(data);
        assert!(told.len() <= 1);
        told.pop()
    }

    fn exchange(&mut self, port: u16, name: &str) -> Option<(DnsEvent, Vec<u8>)> {
        self.ask(port, &dns::query(port, name, 1, true));
        self.answer(port, &reply(port, name, 1))
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.duel.counted(counter)
    }

    fn resolver(&self) -> ResolverRecord {
        let of = Address::from(self.ip.destination);
        self.duel.resolvers().into_iter().find(|record| record.address == of).expect("a record")
    }
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, last).into()
}

fn reply(id: u16, name: &str, last: u8) -> Vec<u8> {
    dns::reply(id, 0x8180, name, 1, &[address(last)])
}

/// Whether the first label of [`UNWATCHED`] is anywhere in what goes up.
fn gives_away(event: &DnsEvent, payload: &[u8]) -> bool {
    let has = |octets: &[u8]| octets.windows(7).any(|part| part.eq_ignore_ascii_case(b"private"));
    has(event.as_bytes()) || has(payload)
}

#[test]
fn replies_of_watched_names_go_up_whole_by_every_way_through_the_link() {
    let mut bench = Bench::new();
    let mut told = 0;
    for &(link_name, link) in &frame::LINKS[..FOLLOWED] {
        for (ip, version) in [(Ip::v4(), 4), (Ip::v6(), 6)] {
            (bench.ip, bench.link) = (ip, link);
            for name in [WATCHED, "linkedin.com", "A.b.LICDN.com"] {
                // Without tags, one way is as good as another: it is the same conversation.
                let port = 40_000 + told as u16;
                bench.ask(port, &dns::query(7, name, 1, true));
                let message = reply(7, name, 1);
                let Some((event, payload)) = bench.answer(port, &message) else {
                    panic!("{link_name}: nothing of {name}")
                };
                told += 1;
                assert_eq!(event.header.kind, kind::DNS_REPLY);
                assert_eq!(event.packet.version, version);
                assert_eq!(payload, message);
                let capitals = if name.starts_with('A') { mark::CAPITALS } else { 0 };
                assert_eq!(
                    event.marks,
                    mark::WATCHED | mark::SAME_QUESTION | mark::SAME_SPELLING | capitals
                );
                assert_eq!(event.query.marks, mark::WATCHED | capitals);
                assert_eq!(event.query.query_opt, 1232);
                assert_eq!(event.packet.time - event.query.asked, MS);
                assert_eq!(
                    (event.question, event.exact),
                    (event.query.question, event.query.exact)
                );
            }
            assert_eq!(bench.counted(Counter::DnsRepliesWatched), told);
        }
    }
    assert_eq!(bench.counted(Counter::DnsRepliesUnwatched), 0);
    assert_eq!(bench.resolver().count(Tally::Watched), told / 2);
}

#[test]
fn names_that_only_look_like_watched_ones_do_not_go_up() {
    let mut bench = Bench::new();
    let names = [
        "notlinkedin.com",
        "linkedin.com.unwatched.test",
        "linkedin.co",
        "linkedin",
        "com",
        ".",
        "www.linkedin.com.",
        "8linkedin3com",
    ];
    for (port, name) in (41_000..).zip(names) {
        let told = bench.exchange(port, name).map(|(event, _)| event.header.kind);
        let expected = if name == "www.linkedin.com." { kind::DNS_REPLY } else { kind::DNS_SAMPLE };
        assert_eq!(told, Some(expected), "{name}");
    }
}

#[test]
fn of_names_that_nobody_watches_a_few_replies_go_up_and_not_the_name() {
    let mut bench = Bench::new();
    let mut samples = 0;
    for number in 0..200 {
        let due = number < SAMPLE_FIRST || number % SAMPLE_EVERY == 0;
        let told = bench.exchange(42_000 + number as u16, UNWATCHED);
        assert_eq!(told.is_some(), due, "reply {number}");
        let Some((event, payload)) = told else { continue };
        samples += 1;
        assert_eq!(event.header.kind, kind::DNS_SAMPLE);
        assert!(payload.is_empty());
        assert!(!gives_away(&event, &payload));
        assert_eq!((event.question, event.exact), (0, 0));
        assert_eq!((event.query.question, event.query.exact), (0, 0));
        assert_eq!(event.query.reply_address, Address::default());
        // What it is for: what this resolver's replies are like.
        assert_eq!(event.marks, mark::SAME_QUESTION | mark::SAME_SPELLING);
        assert_eq!(event.packet.time - event.query.asked, MS);
        assert_eq!((event.flags, event.counts), (0x8180, [1, 1, 0, 0]));
        assert_eq!(event.resolver.replies(), number);
    }
    assert_eq!(bench.counted(Counter::DnsSamples), samples);
    assert_eq!(bench.counted(Counter::Events), samples);
    assert_eq!(bench.counted(Counter::DnsRepliesUnwatched), 200);
    let record = bench.resolver();
    assert_eq!(record.count(Tally::Queries), 200);
    assert_eq!(record.count(Tally::Answers), 200);
    assert_eq!(record.replies(), 200);
}

#[test]
fn a_second_reply_goes_up_with_what_the_first_one_said() {
    let mut bench = Bench::new();
    for number in 0..SAMPLE_FIRST {
        bench.exchange(43_000 + number as u16, UNWATCHED);
    }
    let port = 44_000;
    let mut query = dns::query(9, "pRivate.unwatched.test", 1, true);
    let flags = query.len() - 4;
    query[flags] = 0x80;
    bench.ask(port, &query);
    // An alias first, and the address behind it.
    let mut first = dns::reply(9, 0x8580, "private.unwatched.test", 5, &[]);
    first[7] = 2;
    first.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'x', 0xc0, 20]);
    first.extend([0xc0, 52, 0, 1, 0, 1, 0, 1, 0, 2, 0, 4, 203, 0, 113, 6]);
    assert_eq!(bench.answer(port, &first), None);
    let second = reply(9, "private.unwatched.test", 7);
    let (event, payload) = bench.answer(port, &second).expect("a second reply");
    assert_eq!(event.header.kind, kind::DNS_REPLY);
    assert_eq!(payload, second);
    let query = event.query;
    assert_eq!(query.marks, mark::CAPITALS | mark::DNSSEC_OK);
    assert_eq!(query.replies, 1);
    assert_eq!(query.reply_flags, 0x8580);
    assert_eq!(query.reply_counts, [2, 0, 0]);
    assert_eq!(usize::from(query.reply_len), first.len());
    assert_eq!((query.reply_kind, query.reply_ttl), (1, 0x1_0002));
    assert_eq!(query.reply_address, Address::from(address(6)));
    // The first was of another type; the second repeats the question, not its spelling.
    assert_eq!(query.reply_marks, 0);
    assert_eq!(event.marks, mark::SAME_QUESTION);
    assert_eq!(event.question, query.question);
    assert_ne!(event.exact, query.exact);
    assert_eq!(bench.counted(Counter::DnsRepliesRepeated), 1);
    assert_eq!(bench.resolver().count(Tally::OtherQuestion), 1);
    assert_eq!(bench.resolver().count(Tally::Authoritative), 1);
}

#[test]
fn replies_beyond_the_sixteenth_are_counted() {
    let mut bench = Bench::new();
    bench.ask(45_000, &dns::query(1, WATCHED, 1, false));
    for number in 0..40 {
        let told = bench.answer(45_000, &reply(1, WATCHED, number)).is_some();
        assert_eq!(told, number < REPLIES_TOLD, "reply {number}");
    }
    assert_eq!(bench.counted(Counter::DnsRepliesBeyond), 40 - u64::from(REPLIES_TOLD));
}

#[test]
fn a_reply_to_nothing_goes_up_if_its_name_is_watched() {
    let mut bench = Bench::new();
    assert_eq!(bench.answer(46_000, &reply(1, UNWATCHED, 1)), None);
    let (event, _) = bench.answer(46_000, &reply(1, WATCHED, 1)).expect("a watched name");
    assert_eq!(event.query.asked, 0);
    assert_eq!(event.marks, mark::WATCHED);
    assert_eq!(bench.counted(Counter::DnsRepliesUnasked), 2);
    assert_eq!(bench.resolver().count(Tally::Unasked), 2);
}

/// What answers another question than was asked is looked at by its own name, too.
#[test]
fn a_reply_of_another_name_goes_up_if_either_is_watched() {
    for (asked, answered) in [(WATCHED, UNWATCHED), (UNWATCHED, WATCHED)] {
        let mut bench = Bench::new();
        bench.ask(47_000, &dns::query(1, asked, 1, false));
        let (event, _) = bench.answer(47_000, &reply(1, answered, 1)).expect("a watched name");
        assert_eq!(event.marks, mark::WATCHED);
        assert_ne!(event.question, event.query.question);
    }
}

#[test]
fn another_list_takes_the_place_of_the_first() {
    let mut bench = Bench::new();
    let mut names = Box::<probe_common::names::Names>::default();
    assert!(names.add(Config::replay().hash_key, b"\x09unwatched\x04test"));
    bench.duel.watch_names(&names);
    let kinds = [UNWATCHED, WATCHED]
        .map(|name| bench.exchange(48_000, name).map(|(event, _)| event.header.kind));
    assert_eq!(kinds, [Some(kind::DNS_REPLY), Some(kind::DNS_SAMPLE)]);
}

#[test]
fn a_reply_in_fragments_goes_up_marked_by_its_first() {
    for ip in [Ip::v4(), Ip::v6()] {
        let mut bench = Bench::between(ip, frame::ethernet);
        bench.ask(49_000, &dns::query(3, WATCHED, 1, true));
        let addresses: Vec<IpAddr> = (0..20).map(address).collect();
        let message = dns::reply(3, 0x8180, WATCHED, 1, &addresses);
        let whole = dns::datagram(&bench.ip.back(), (RESOLVER, 49_000), &message);
        let udp = &whole[whole.len() - message.len() - 8..];
        let (one, two) = udp.split_at(104);
        let part = |offset, more, octets: &[u8]| {
            frame::ethernet(
                &Ip { fragment: Some((offset, more)), ..bench.ip.back() }.packet(17, octets),
            )
        };
        let (first, last) = (part(0, true, one), part(104, false, two));
        let told = bench.packet(first);
        let [(event, payload)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(
            event.marks,
            mark::WATCHED | mark::SAME_QUESTION | mark::SAME_SPELLING | mark::FRAGMENTED
        );
        assert_eq!(payload, &message[..96]);
        assert!(bench.packet(last).is_empty());
        assert_eq!(bench.counted(Counter::DnsRepliesFragmented), 1);
        assert_eq!(bench.counted(Counter::FragmentTail), 1);
    }
}
