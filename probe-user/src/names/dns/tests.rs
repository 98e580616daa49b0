//! Messages built here byte by byte, cut everywhere, and pairs of replies with their verdict.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// A message under construction.
#[derive(Clone)]
struct Build {
    bytes: Vec<u8>,
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

impl Build {
    /// A header and one question, which therefore stands at offset 12.
    fn reply(flags: u16, name: &str, qtype: u16) -> Self {
        let mut bytes = vec![0xab, 0xcd];
        bytes.extend(flags.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend(wire_name(name));
        bytes.extend(qtype.to_be_bytes());
        bytes.extend([0, 1]);
        Self { bytes }
    }

    fn record(mut self, section: usize, rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Self {
        self.bytes[5 + 2 * section] += 1;
        self.bytes.extend([0xc0, 0x0c]);
        self.bytes.extend(rtype.to_be_bytes());
        self.bytes.extend(class.to_be_bytes());
        self.bytes.extend(ttl.to_be_bytes());
        self.bytes.extend((rdata.len() as u16).to_be_bytes());
        self.bytes.extend(rdata);
        self
    }

    fn address(self, address: &str) -> Self {
        match address.parse().unwrap() {
            IpAddr::V4(address) => self.record(1, TYPE_A, 1, 300, &address.octets()),
            IpAddr::V6(address) => self.record(1, TYPE_AAAA, 1, 300, &address.octets()),
        }
    }

    fn parse(&self) -> Dns {
        Dns::parse(&self.bytes).unwrap()
    }
}

/// A reply to an A question for www.linkedin.com.
fn a_reply(addresses: &[&str]) -> Dns {
    let build = Build::reply(0x8180, "www.linkedin.com", TYPE_A);
    addresses.iter().fold(build, |build, address| build.address(address)).parse()
}

fn compare(first: &Dns, second: &Dns) -> Difference {
    same_substance(first, second, |_, _| false)
}

#[test]
fn reads_a_reply() {
    let build = Build::reply(0x8580, "wWw.LinkedIn.cOm", TYPE_A)
        .record(1, 5, 1, 60, &wire_name("L-0005.l-msedge.net"))
        .address("13.107.42.14")
        .record(3, 41, 1232, 0x0000_8000, &[0, 10, 0, 2, 1, 2]);
    let mut bytes = build.bytes.clone();
    bytes.extend(b"xyz");
    let dns = Dns::parse(&bytes).unwrap();
    assert_eq!(dns.id, 0xabcd);
    assert!(dns.flags.qr && dns.flags.aa && dns.flags.rd && dns.flags.ra && !dns.flags.tc);
    assert_eq!(dns.qname(), Some("www.linkedin.com"));
    assert_eq!(dns.question.as_ref().unwrap().sent, "wWw.LinkedIn.cOm");
    assert_eq!(dns.answers.len(), 2);
    assert_eq!(dns.answers[0].data, AnswerData::Cname("l-0005.l-msedge.net".into()));
    assert_eq!(dns.answers[0].ttl, 60);
    assert_eq!(dns.answers[1].name, "www.linkedin.com");
    assert_eq!(dns.answers[1].data, AnswerData::A([13, 107, 42, 14].into()));
    let opt = Opt { udp_size: 1232, version: 0, dnssec_ok: true, options_len: 6 };
    assert_eq!(dns.opt, Some(opt));
    assert_eq!((dns.trailing, dns.truncated, dns.malformed), (3, false, false));
}

#[test]
fn every_cut_keeps_what_came_before() {
    let build = Build::reply(0x8180, "www.linkedin.com", TYPE_AAAA)
        .address("2620:1ec:21::14")
        .record(1, 16, 1, 5, b"\x03txt")
        .record(3, 41, 4096, 0, &[]);
    let length = build.bytes.len();
    let question_end = 12 + 18 + 4;
    let first_end = question_end + 2 + 10 + 16;
    for cut in 0..=length {
        let parsed = Dns::parse(&build.bytes[..cut]);
        if cut < 12 {
            assert_eq!(parsed, Err(DnsError::Short { length: cut }));
            continue;
        }
        let dns = parsed.unwrap();
        assert_eq!(dns.truncated, cut < length, "cut at {cut}");
        assert!(!dns.malformed, "cut at {cut}");
        assert_eq!(dns.question.is_some(), cut >= question_end, "cut at {cut}");
        assert_eq!(!dns.answers.is_empty(), cut >= first_end, "cut at {cut}");
        assert_eq!(dns.counts.answer, 2);
    }
}

#[test]
fn record_data_of_the_wrong_length_is_told_and_kept_opaque() {
    let dns = Build::reply(0x8180, "a.example", TYPE_A)
        .record(1, TYPE_A, 1, 1, &[1, 2, 3])
        .address("192.0.2.1")
        .parse();
    assert!(dns.malformed && !dns.truncated);
    assert!(matches!(dns.answers[0].data, AnswerData::Other { length: 3, .. }));
    assert_eq!(dns.addresses().count(), 1);
}

#[test]
fn a_name_that_points_at_itself_ends() {
    let mut bytes = Build::reply(0x8180, "a.example", TYPE_A).bytes;
    bytes.splice(12.., [0xc0, 0x0c, 0, 1, 0, 1]);
    let dns = Dns::parse(&bytes).unwrap();
    assert!(dns.malformed && dns.question.is_none());
}

#[test]
fn only_so_many_answers_are_kept() {
    let addresses: Vec<String> = (0..100).map(|last| format!("192.0.2.{last}")).collect();
    let dns = a_reply(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((dns.answers.len(), dns.counts.answer), (ANSWERS_MAX, 100));
}

#[test]
fn order_ttl_and_case_do_not_matter() {
    let one = a_reply(&["192.0.2.1", "198.51.100.7"]);
    let two = Build::reply(0x8580, "WWW.linkedin.com", TYPE_A)
        .record(1, TYPE_A, 1, 7, &[198, 51, 100, 7])
        .address("192.0.2.1")
        .parse();
    assert_eq!(compare(&one, &two), Difference::Equal);
}

#[test]
fn differing_addresses_are_a_contradiction_unless_near() {
    let genuine = a_reply(&["13.107.42.14", "13.107.42.15"]);
    let forged = a_reply(&["203.0.113.7"]);
    let difference = compare(&forged, &genuine);
    assert!(difference.is_contradiction());
    let Difference::DifferentAddresses { shared, only_first, only_second } = difference else {
        panic!("{difference:?}");
    };
    assert_eq!((shared.len(), only_first.len(), only_second.len()), (0, 1, 2));

    assert_eq!(compare(&genuine, &a_reply(&["13.107.42.200"])), Difference::SameNetwork);
    assert!(!compare(&genuine, &a_reply(&["13.107.42.14", "203.0.113.7"])).is_contradiction());
    // One address near, another far away and not shared: still different.
    assert!(compare(&genuine, &a_reply(&["13.107.42.200", "203.0.113.7"])).is_contradiction());
    let known = same_substance(&genuine, &forged, |_, _| true);
    assert_eq!(known, Difference::SameNetwork, "the same origin network");
}

#[test]
fn ipv6_networks_are_48_bits() {
    let reply = |address| Build::reply(0x8180, "a.example", TYPE_AAAA).address(address).parse();
    let genuine = reply("2620:1ec:21::14");
    assert_eq!(compare(&genuine, &reply("2620:1ec:21:9::1")), Difference::SameNetwork);
    assert!(compare(&genuine, &reply("2001::5dae:2e08")).is_contradiction());
}

#[test]
fn different_cname_chains_to_the_same_addresses_agree_in_substance() {
    let chain = |target| {
        Build::reply(0x8180, "www.linkedin.com", TYPE_A)
            .record(1, 5, 1, 60, &wire_name(target))
            .address("13.107.42.14")
            .parse()
    };
    let difference = compare(&chain("a.example"), &chain("b.example"));
    assert_eq!(difference, Difference::OtherRecordsDiffer);
    assert!(!difference.is_contradiction());
}

#[test]
fn failures_truncation_and_emptiness_are_exempt() {
    let genuine = a_reply(&["13.107.42.14"]);
    let of = |flags: u16| Build::reply(flags, "www.linkedin.com", TYPE_A).parse();
    for failure in [RCODE_SERVFAIL, RCODE_REFUSED, 1, 4] {
        let difference = compare(&genuine, &of(0x8180 | failure));
        assert_eq!(difference, Difference::OneFailed { first: 0, second: failure });
        assert!(!difference.is_contradiction());
    }
    assert_eq!(compare(&of(0x8380), &genuine), Difference::OneIsTruncated);
    assert_eq!(compare(&of(0x8180), &genuine), Difference::OneIsEmpty);
    assert!(compare(&of(0x8183), &genuine).is_contradiction(), "NXDOMAIN against addresses");
    let other = Build::reply(0x8180, "example.org", TYPE_A).parse();
    assert_eq!(compare(&other, &genuine), Difference::NotComparable);
    assert_eq!(compare(&of(0x0100), &genuine), Difference::NotComparable, "a query");
}

#[test]
fn compression_inside_of_record_data_does_not_matter() {
    let mail = |target: &[u8]| {
        Build::reply(0x8180, "linkedin.com", 15)
            .record(1, 15, 1, 60, &[&[0, 10][..], target].concat())
            .parse()
    };
    let plain = mail(&wire_name("mail.linkedin.com"));
    let compressed = mail(b"\x04mail\xc0\x0c");
    assert_eq!(compare(&plain, &compressed), Difference::Equal);
    let other = mail(&wire_name("mail.example"));
    assert_eq!(compare(&plain, &other), Difference::OtherRecordsDiffer);
}

proptest! {
    #[test]
    fn takes_anything(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(dns) = Dns::parse(&bytes) {
            prop_assert!(dns.answers.len() <= ANSWERS_MAX);
            prop_assert!(!(dns.truncated && dns.trailing > 0));
        }
    }

    /// Damage near valid messages reaches further into the parser than noise does.
    #[test]
    fn takes_damaged_messages(
        rtype in prop_oneof![any::<u16>(), 1u16..70],
        rdata in proptest::collection::vec(any::<u8>(), 0..60),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut bytes = Build::reply(0x8180, "www.linkedin.com", rtype)
            .record(1, rtype, 1, 60, &rdata)
            .address("192.0.2.1")
            .record(3, 41, 1232, 0, &rdata)
            .bytes;
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Ok(dns) = Dns::parse(&bytes) {
            prop_assert_eq!(compare(&dns, &dns) == Difference::NotComparable, !dns.flags.qr);
        }
    }

    /// Which of two replies comes first changes the words, not the verdict.
    #[test]
    fn comparing_is_symmetric(
        one in proptest::collection::vec(any::<[u8; 4]>(), 0..4),
        two in proptest::collection::vec(any::<[u8; 4]>(), 0..4),
        flags in (0u16..6, 0u16..6),
    ) {
        let reply = |rcode: u16, addresses: &[[u8; 4]]| {
            let build = Build::reply(0x8180 | rcode, "a.example", TYPE_A);
            addresses.iter().fold(build, |build, four| build.record(1, TYPE_A, 1, 1, four)).parse()
        };
        let (one, two) = (reply(flags.0, &one), reply(flags.1, &two));
        prop_assert_eq!(compare(&one, &two).is_contradiction(), compare(&two, &one).is_contradiction());
    }
}
