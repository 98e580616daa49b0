//! DNS as nobody should send it: it costs a counter, and nothing else.

use probe_common::{
    config::{Config, FLAG_STAMPED},
    counter::Counter,
};
use probe_tests::{
    craft::{DAY, MS, Packet, dns, frame, net::Ip},
    duel::{Duel, Told},
};
use probe_user::targets::TargetSet;

const NAME: &str = "www.linkedin.com";
const PORT: u16 = 40_000;

struct Bench {
    duel: Duel,
    sent: u64,
}

impl Bench {
    fn new(flags: u32) -> Self {
        let config = Config { flags, ..Config::replay() };
        let mut duel = Duel::new(config).expect("both engines");
        duel.watch_names(&TargetSet::builtin().names(config.hash_key));
        Self { duel, sent: 0 }
    }

    fn send(&mut self, what: &str, from_resolver: bool, message: &[u8]) -> Vec<Told> {
        let data = if from_resolver {
            dns::datagram(&Ip::v4().back(), (53, PORT), message)
        } else {
            dns::datagram(&Ip::v4(), (PORT, 53), message)
        };
        self.sent += 1;
        let packet = Packet::whole(DAY + self.sent * MS, frame::ethernet(&data));
        self.duel.packet(what, &packet.frame(self.sent))
    }

    /// The message ends as malformed, tells nothing, and leaves nothing in any table.
    fn refuses(&mut self, what: &str, from_resolver: bool, message: &[u8]) {
        let before = self.duel.counted(Counter::DnsMalformed);
        let resolvers = self.duel.resolvers();
        let told = self.send(what, from_resolver, message);
        assert!(told.is_empty(), "{what}: {told:?}");
        assert_eq!(self.duel.counted(Counter::DnsMalformed), before + 1, "{what}");
        assert_eq!(self.duel.resolvers(), resolvers, "{what}");
    }

    /// An exchange goes as it always does.
    fn is_well(&mut self) {
        let evicted = self.duel.counted(Counter::DnsEvicted);
        let unasked = self.duel.counted(Counter::DnsRepliesUnasked);
        assert!(self.send("a query", false, &dns::query(9, NAME, 1, true)).is_empty());
        assert_eq!(self.send("a reply", true, &reply(9)).len(), 1);
        assert_eq!(self.duel.counted(Counter::DnsEvicted), evicted);
        assert_eq!(self.duel.counted(Counter::DnsRepliesUnasked), unasked);
    }
}

fn reply(id: u16) -> Vec<u8> {
    dns::reply(id, 0x8180, NAME, 1, &[[203, 0, 113, 1].into(), [203, 0, 113, 2].into()])
}

/// Octets of the fixed part and of the question of [`NAME`].
const ASKED: usize = 12 + 18 + 4;

#[test]
fn every_beginning_of_a_message_is_read_or_counted() {
    for flags in [FLAG_STAMPED, Config::replay().flags] {
        let mut bench = Bench::new(flags);
        let (query, reply) = (dns::query(1, NAME, 1, true), reply(1));
        for len in 0..ASKED {
            bench.refuses(&format!("{len} octets of a query"), false, &query[..len]);
            bench.refuses(&format!("{len} octets of a reply"), true, &reply[..len]);
        }
        bench.is_well();
        for len in ASKED..query.len() {
            assert!(bench.send("a query", false, &query[..len]).is_empty());
        }
        for len in ASKED..reply.len() {
            // From here on it is a reply, however little of its answers is there.
            let told = bench.send(&format!("{len} octets of a reply"), true, &reply[..len]);
            assert!(told.len() == 1 || bench.duel.counted(Counter::DnsRepliesBeyond) != 0);
        }
        bench.is_well();
    }
}

/// To a query that was seen, anything is a reply: a device that cannot write DNS answers, too.
#[test]
fn a_broken_reply_to_a_query_that_was_seen_goes_up() {
    let mut bench = Bench::new(FLAG_STAMPED);
    for len in 12..ASKED {
        let message = reply(len as u16);
        bench.send("a query", false, &dns::query(len as u16, NAME, 1, true));
        let told = bench.send("half a reply", true, &message[..len]);
        let [Told::Dns(event, payload)] = told.as_slice() else { panic!("{len}: {told:?}") };
        assert_eq!((event.question, payload.len()), (0, len));
        assert_eq!(bench.duel.counted(Counter::DnsMalformed), 0);
    }
}

#[test]
fn messages_without_a_question_are_counted() {
    let mut bench = Bench::new(FLAG_STAMPED);
    for whole in [dns::query(1, NAME, 1, true), reply(1)] {
        let from_resolver = whole[2] & 0x80 != 0;
        let mut none = whole;
        none[5] = 0;
        bench.refuses("no question, it says", from_resolver, &none);
    }
    bench.refuses("nothing at all", false, &[]);
    bench.refuses("all zero", false, &[0; 12]);
    bench.is_well();
}

#[test]
fn names_that_do_not_end_are_counted() {
    let mut bench = Bench::new(FLAG_STAMPED);
    let head = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for (what, label, times) in [
        ("255 labels of one octet", &[1, b'a'][..], 255),
        ("a label of 255 octets", &[255][..], 1),
        ("nothing but letters", &b"abcdefgh"[..], 60),
        ("pointers, each to the next", &[0xc0, 14][..], 200),
    ] {
        let mut message = head.to_vec();
        for _ in 0..times {
            message.extend(label);
        }
        bench.refuses(what, false, &message);
        // With an end, but beyond what a name can have.
        message.resize(message.len().max(12 + 256), b'a');
        message.extend([0, 0, 1, 0, 1]);
        bench.refuses(what, false, &message);
        message[2] |= 0x80;
        bench.refuses(what, true, &message);
    }
    bench.is_well();
}

/// Pointers are not followed, so none can lead in circles: what the engine reads of such a message
/// is the same whatever they say.
#[test]
fn compression_loops_cost_nothing() {
    let mut bench = Bench::new(FLAG_STAMPED);
    let around = [
        ("the question is a pointer to itself", &[0xc0, 12, 0, 1, 0, 1][..]),
        ("two pointers to each other", &[0xc0, 14, 0xc0, 12, 0, 1, 0, 1][..]),
        ("a label, then a pointer back to it", &[1, b'a', 0xc0, 12, 0, 1, 0, 1][..]),
    ];
    for (what, question) in around {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(question);
        let told = bench.send(what, false, &message);
        assert!(told.is_empty(), "{what}");
        message[2] |= 0x80;
        message.extend(question.repeat(300));
        message[7] = 255;
        bench.send(what, true, &message);
    }
    // Answers whose owner is a pointer to itself, as many as fit.
    let mut answers = dns::query(2, NAME, 1, false);
    answers[2] |= 0x80;
    (answers[6], answers[7]) = (255, 255);
    let at = answers.len() as u8;
    for _ in 0..100 {
        answers.extend([0xc0, at, 0, 5, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, at]);
    }
    bench.send("a query", false, &dns::query(2, NAME, 1, false));
    assert_eq!(bench.send("answers that lead in circles", true, &answers).len(), 1);
    bench.is_well();
}

/// The longest name there may be, and names that end in each octet of a word.
#[test]
fn names_of_every_length_are_read() {
    let mut bench = Bench::new(FLAG_STAMPED);
    // 63 + 63 + 63 + 61 octets and their lengths: with the root's 255.
    let longest: Vec<u8> = [63, 63, 63, 61]
        .into_iter()
        .flat_map(|len: u8| std::iter::once(len).chain(std::iter::repeat_n(b'x', len.into())))
        .collect();
    for len in 1..=longest.len() {
        // Labels from the back: the first one is cut.
        let mut name = longest[longest.len() - len..].to_vec();
        let first = name.iter().position(|&octet| octet != b'x').unwrap_or(len);
        if first == 1 {
            // A label has an octet at the least.
            continue;
        }
        if first != 0 {
            name[0] = first as u8 - 1;
        }
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(&name);
        message.extend([0, 0, 1, 0, 1]);
        let before = bench.duel.counted(Counter::DnsQueries);
        bench.send(&format!("a name of {len} octets"), false, &message);
        assert_eq!(bench.duel.counted(Counter::DnsQueries), before + 1, "{len}");
    }
    assert_eq!(bench.duel.counted(Counter::DnsMalformed), 0);
}
