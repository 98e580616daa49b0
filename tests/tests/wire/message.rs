//! What the engine reads of DNS messages against what `domain` makes of them, by way of the agent's
//! own reading, which shares no line with the engine's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use probe_common::{
    config::Config,
    dns::mark,
    event::DnsEvent,
    wire::{Address, answer::ANSWERS_MAX},
};
use probe_tests::craft::{DAY, MS, Packet, dns, frame, net::Ip};
use probe_user::{
    names::dns::{AnswerData, Dns, TYPE_A, TYPE_AAAA},
    source::{event::Event, local::Local},
};
use proptest::prelude::*;

/// One answer of a message to be.
#[derive(Clone, Debug)]
enum Record {
    Alias(Vec<u8>),
    Address(IpAddr),
    Text(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    id: u16,
    flags: u16,
    answers: Vec<(Record, u32)>,
    /// Size, "DNSSEC OK", octets of options.
    opt: Option<(u16, bool, usize)>,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let address = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    ];
    let record = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Record::Text),
        "[a-z]{1,20}".prop_map(|label| Record::Alias(dns::name(&label))),
        address.prop_map(Record::Address),
    ];
    (
        prop::collection::vec("[a-zA-Z0-9-]{1,40}", 1..6).prop_map(|labels| labels.join(".")),
        any::<u16>(),
        any::<u16>(),
        prop::collection::vec((record, 0..1_u32 << 31), 0..6),
        prop::option::of((512..4_096_u16, any::<bool>(), 0..20_usize)),
    )
        .prop_map(|(name, id, flags, answers, opt)| Wanted { name, id, flags, answers, opt })
}

impl Wanted {
    fn message(&self, response: bool) -> Vec<u8> {
        let flags = if response { self.flags | 0x8000 } else { self.flags & 0x7fff };
        let answers = if response { &self.answers[..] } else { &[] };
        let mut octets = dns::reply(self.id, flags, &self.name, TYPE_A, &[]);
        octets[7] = answers.len() as u8;
        for (record, ttl) in answers {
            let (kind, data) = match record {
                Record::Alias(name) => (5_u16, name.clone()),
                Record::Text(text) => {
                    (16, std::iter::once(text.len() as u8).chain(text.iter().copied()).collect())
                }
                Record::Address(IpAddr::V4(ip)) => (TYPE_A, ip.octets().to_vec()),
                Record::Address(IpAddr::V6(ip)) => (TYPE_AAAA, ip.octets().to_vec()),
            };
            octets.extend([0xc0, 12]);
            octets.extend(kind.to_be_bytes());
            octets.extend([0, 1]);
            octets.extend(ttl.to_be_bytes());
            octets.extend((data.len() as u16).to_be_bytes());
            octets.extend(data);
        }
        if let Some((size, dnssec_ok, padding)) = self.opt {
            octets[11] = 1;
            octets.extend([0, 0, 41]);
            octets.extend(size.to_be_bytes());
            octets.extend([0, 0, if dnssec_ok { 0x80 } else { 0 }, 0]);
            // Padding (RFC 7830), or no option at all.
            let length = if padding == 0 { 0 } else { padding + 4 } as u16;
            octets.extend(length.to_be_bytes());
            if padding != 0 {
                octets.extend([0, 12, 0, padding as u8]);
                octets.extend(vec![0; padding]);
            }
        }
        octets
    }
}

/// A query and two replies, all of one make, and what is told of the second reply.
fn told(wanted: &Wanted, first: &[u8]) -> DnsEvent {
    let mut local = Local::new(Config::replay());
    let mut last = None;
    let mut send = |number: u64, ip: &Ip, ports, message: &[u8]| {
        let data = frame::ethernet(&dns::datagram(ip, ports, message));
        let packet = Packet::whole(DAY + number * MS, data);
        local.packet(&packet.frame(number), |event| {
            if let Event::Dns(event, _) = event {
                last = Some(*event);
            }
        });
    };
    send(1, &Ip::v4(), (4_000, 53), &wanted.message(false));
    send(2, &Ip::v4().back(), (53, 4_000), first);
    send(3, &Ip::v4().back(), (53, 4_000), first);
    last.expect("a reply is told")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn messages_are_read_as_domain_reads_them(wanted in wanted()) {
        let (query, reply) = (wanted.message(false), wanted.message(true));
        let event = told(&wanted, &reply);
        let record = &event.query;
        let [asked, theirs] = [&query, &reply].map(|message| Dns::parse(message).expect("DNS"));
        prop_assert!(!theirs.malformed && theirs.trailing == 0, "{theirs:?}");

        let question = asked.question.as_ref().expect("a question");
        let capitals = question.sent != question.sent.to_ascii_lowercase();
        prop_assert_eq!(record.marks & mark::CAPITALS != 0, capitals);
        let opt = asked.opt.as_ref();
        prop_assert_eq!(record.query_opt, opt.map_or(0, |opt| opt.udp_size));
        prop_assert_eq!(record.marks & mark::DNSSEC_OK != 0, opt.is_some_and(|opt| opt.dnssec_ok));
        prop_assert_eq!(record.flags, asked.flags.raw);

        prop_assert_eq!((event.flags, event.id), (theirs.flags.raw, theirs.id));
        prop_assert_eq!(record.reply_flags, theirs.flags.raw);
        let counts = theirs.counts;
        prop_assert_eq!(record.reply_counts, [counts.answer, counts.authority, counts.additional]);
        prop_assert_eq!(usize::from(record.reply_len), reply.len());
        // One with options is not where it is looked for.
        let bare = theirs.opt.as_ref().filter(|opt| opt.options_len == 0);
        prop_assert_eq!(event.opt, bare.map_or(0, |opt| opt.udp_size));
        prop_assert_eq!(record.reply_opt, event.opt);

        let first = theirs.answers.iter().take(ANSWERS_MAX).find_map(|answer| match answer.data {
            AnswerData::A(ip) => Some((TYPE_A, answer.ttl, IpAddr::V4(ip))),
            AnswerData::Aaaa(ip) => Some((TYPE_AAAA, answer.ttl, IpAddr::V6(ip))),
            _ => None,
        });
        let (kind, ttl, address) = match first {
            Some((kind, ttl, ip)) => (kind, ttl, match ip {
                IpAddr::V4(ip) => Address::v4(ip.to_bits()),
                // As it stands, also where it has an IPv4 address in it.
                IpAddr::V6(ip) => ip_v6(ip),
            }),
            None => (0, 0, Address::default()),
        };
        prop_assert_eq!((record.reply_kind, record.reply_ttl), (kind, ttl));
        prop_assert_eq!(record.reply_address, address);

        prop_assert_eq!(event.marks & mark::SAME_QUESTION != 0, asked.qname() == theirs.qname());
    }

    /// Two questions agree for the engine if they do for the agent: name without regard to case,
    /// and type; and in spelling, if octet by octet.
    #[test]
    fn questions_agree_for_both(
        wanted in wanted(), turned in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let mut reply = wanted.message(true);
        // One bit of the question, but of no length and not of the count of questions.
        let end = 12 + wanted.name.len() + 2 + 4;
        let at = 12 + turned.index(end - 12);
        reply[at] ^= 1 << bit;
        let event = told(&wanted, &reply);
        let ours = (
            event.marks & mark::SAME_QUESTION != 0,
            event.marks & mark::SAME_SPELLING != 0,
        );
        let (asked, theirs) = (&wanted.message(false)[12..end], &reply[12..end]);
        // Of a question that is whole; a length that has been changed makes another of it.
        let folded = |octets: &[u8]| {
            let (name, rest) = octets.split_at(octets.len() - 4);
            (name.to_ascii_lowercase(), rest.to_vec())
        };
        prop_assert_eq!(ours, (folded(asked) == folded(theirs), false));
    }
}

fn ip_v6(ip: Ipv6Addr) -> Address {
    Address { high: (ip.to_bits() >> 64) as u64, low: ip.to_bits() as u64 }
}
