//! What holds for whatever numbers and octets.

use probe_common::{
    dns::{self, DnsSet},
    flow::{self, FlowSet, SOUGHT, STEP, UNIT, WORTH},
    hash::HashKey,
    names::{Names, SUFFIX_MAX},
    resolver::{self, ResolverSet, Tally},
    seq,
    set::WAYS,
    wire::{
        self, Located, Packet, Slice, option,
        question::{self, Name},
    },
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn distances_survive_the_wrap(a in any::<u32>(), d in 0_u32..1 << 31) {
        let b = a.wrapping_add(d);
        prop_assert_eq!(seq::distance(b, a), d.cast_signed());
        prop_assert_eq!(seq::after(b, a), d != 0);
        prop_assert!(!seq::after(a, b));
        prop_assert_eq!(seq::distance(a, b), -d.cast_signed());
    }

    #[test]
    fn order_is_transitive_within_half_the_space(
        a in any::<u32>(), one in 1_u32..1 << 30, two in 1_u32..1 << 30,
    ) {
        let (b, c) = (a.wrapping_add(one), a.wrapping_add(one).wrapping_add(two));
        prop_assert!(seq::after(b, a) && seq::after(c, b) && seq::after(c, a));
    }

    /// The set against a list that does the same: connections by number, and until when each is worth
    /// keeping.
    #[test]
    fn a_flow_once_claimed_is_kept_until_it_is_worth_least(
        steps in prop::collection::vec(
            (1_u64..12, 0_u64..100_000_000_000, any::<[bool; 3]>()),
            1..200,
        ),
    ) {
        let mut set = FlowSet::default();
        let mut model: Vec<(u64, u64, u32)> = Vec::new();
        let mut now = 1;
        for (number, passed, [established, followed, over]) in steps {
            now += passed;
            // The tag of a hash is its highest bits.
            let tags = set.tags;
            let mut held = tags.taken().filter(|&way| u64::from(tags.of(way)) == number);
            let held = (held.next(), held.next());
            prop_assert_eq!(held.1, None, "in two places");
            let mut states = 0;
            let way = if let Some(way) = held.0 {
                let known = model.iter().position(|(known, ..)| *known == number);
                states = model.remove(known.expect("there, but never claimed")).2;
                way
            } else {
                prop_assert!(model.iter().all(|(known, ..)| *known != number), "claimed, but gone");
                let least = model.iter().map(|(_, until, _)| *until).min();
                let full = model.len() == WAYS && least.is_some_and(|least| least > now >> UNIT);
                let Some(way) = set.choose(number << 48, now, followed) else {
                    prop_assert!(full && !followed, "refused though there is room");
                    continue;
                };
                prop_assert!(!full || followed, "taken from one that is worth more");
                let claim = set.claim(way, number << 48);
                prop_assert_eq!(claim.evicted, model.len() == WAYS);
                if claim.evicted {
                    let gone = u64::from(tags.of(way));
                    let at = model.iter().position(|(known, ..)| *known == gone);
                    let gone = model.remove(at.expect("it was there"));
                    prop_assert_eq!(Some(gone.1), least, "not what is worth least");
                    let followed = gone.2 & flow::state::FOLLOWED != 0;
                    prop_assert_eq!(claim.awaited, followed);
                }
                if followed {
                    states |= flow::state::FOLLOWED;
                }
                if established {
                    states |= flow::state::ESTABLISHED;
                }
                if over {
                    states |= flow::state::FIN;
                }
                way
            };
            let again = held.0.is_some();
            set.ages.note(way, states, now, again);
            let has = |bits| states & bits != 0;
            let worth = match (has(flow::state::ESTABLISHED), has(flow::state::FOLLOWED)) {
                (true, _) if !has(flow::state::FIN) => WORTH,
                (true, _) | (_, true) => SOUGHT,
                (false, false) => 0,
            };
            let step = if again { STEP } else { 0 };
            model.push((number, (now >> UNIT) + u64::from(worth + step), states));
        }
    }

    #[test]
    fn a_question_once_claimed_is_found_until_it_is_wanted_least(
        steps in prop::collection::vec(
            (1_u64..12, 0_u64..6_000_000_000, any::<bool>(), any::<bool>()),
            1..200,
        ),
    ) {
        let mut set = Box::new(DnsSet::default());
        // Tag, when asked, whether answered then, and whether for a watched name.
        let mut model: Vec<(u64, u64, bool, bool)> = Vec::new();
        let mut now = 1;
        for (tag, passed, answered, watched) in steps {
            now += passed;
            if let Some(record) = dns::find(&mut set, tag) {
                prop_assert_eq!(u64::from(record.question), tag, "another question's record");
                continue;
            }
            prop_assert!(model.iter().all(|(known, ..)| *known != tag), "claimed, but not found");
            let claim = dns::claim(&mut set, tag, now).expect("a set has places");
            if model.len() == WAYS {
                let wanted = |&(_, asked, answered, _): &(u64, u64, bool, bool)| {
                    now - asked < if answered { dns::WINDOW } else { dns::REPEAT }
                };
                let worth = |one: &(u64, u64, bool, bool)| {
                    let longer = if one.3 && wanted(one) { dns::SOUGHT } else { 0 };
                    (wanted(one), one.1 + longer)
                };
                let least = model.iter().copied().min_by_key(worth).expect("four");
                let gone = u64::from(claim.record.question);
                let at = model.iter().position(|one| one.0 == gone).expect("it was there");
                let gone = model.remove(at);
                prop_assert_eq!(worth(&gone), worth(&least));
                prop_assert_eq!(claim.evicted, wanted(&gone));
            } else {
                prop_assert!(!claim.evicted);
            }
            claim.record.question = tag as u32;
            claim.record.asked_again = now;
            claim.record.answered = now;
            claim.record.replies = u8::from(answered);
            claim.record.marks = if watched { dns::mark::WATCHED } else { 0 };
            model.push((tag, now, answered, watched));
            prop_assert!(dns::find(&mut set, tag).is_some());
        }
    }

    #[test]
    fn options_are_read_as_the_standards_say(
        options in prop::collection::vec(octet_of_options(), 0..=40),
    ) {
        let mut options = options;
        options.truncate(options.len() / 4 * 4);
        let packet = segment(&options);
        let expected = Options::read(&options);
        prop_assert_eq!(usize::from(packet.options_len), options.len());
        prop_assert_eq!(packet.options, expected.present);
        prop_assert_eq!(packet.mss, expected.mss);
        prop_assert_eq!(packet.window_scale, expected.scale);
        prop_assert_eq!((packet.ts_value, packet.ts_echo), expected.timestamps);
    }

    #[test]
    fn a_segment_of_any_octets_is_read_without_panic(
        octets in prop::collection::vec(any::<u8>(), 0..120),
        length in 0_usize..200,
        ip_at in 0_usize..60,
        at in 0_usize..120,
        version in prop::sample::select(vec![4_u8, 6]),
    ) {
        let found = Located { version, ip_at, at, length, ..Located::default() };
        let mut packet = Packet::default();
        let _ = wire::tcp::describe(&Slice::whole(&octets), &found, &mut packet);
    }
}

/// Numbers and lengths of options, likelier than others.
fn octet_of_options() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(vec![0_u8, 1, 2, 3, 4, 5, 8, 10, 18, 34]),
        1 => any::<u8>(),
    ]
}

/// A bare TCP header behind an IPv4 header of nothing.
fn segment(options: &[u8]) -> Packet {
    let mut octets = vec![0_u8; 40];
    octets[32] = ((5 + options.len() / 4) << 4) as u8;
    octets.extend(options);
    let found = Located { version: 4, at: 20, length: 20 + options.len(), ..Located::default() };
    let mut packet = Packet::default();
    wire::tcp::describe(&Slice::whole(&octets), &found, &mut packet).expect("a whole header");
    packet
}

/// RFC 9293, section 3.1, once more, and as plainly as can be.
#[derive(Default)]
struct Options {
    present: u8,
    mss: u16,
    scale: u8,
    timestamps: (u32, u32),
}

impl Options {
    fn read(mut rest: &[u8]) -> Self {
        let mut read = Self::default();
        // The engine interprets so many and no more.
        for _ in 0..wire::tcp::OPTIONS_MAX {
            match *rest {
                [] | [0, ..] => return read,
                [1, ref more @ ..] => {
                    rest = more;
                    continue;
                }
                [kind, len, ..] if len >= 2 && usize::from(len) <= rest.len() => {
                    let (this, more) = rest.split_at(usize::from(len));
                    read.note(kind, &this[2..]);
                    rest = more;
                }
                _ => {
                    read.present |= option::BROKEN;
                    return read;
                }
            }
        }
        read
    }

    fn note(&mut self, kind: u8, value: &[u8]) {
        self.present |= match (kind, value) {
            (2, &[high, low]) => {
                self.mss = u16::from_be_bytes([high, low]);
                option::MSS
            }
            (3, &[scale]) => {
                self.scale = scale;
                option::WINDOW_SCALE
            }
            (4, &[]) => option::SACK_PERMITTED,
            (5, _) => option::SACK,
            (8, &[a, b, c, d, e, f, g, h]) => {
                self.timestamps =
                    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                option::TIMESTAMPS
            }
            (34, _) => option::FAST_OPEN,
            _ => option::OTHER,
        };
    }
}

/// A name's labels as they stand in a message, without the root.
fn labels() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec("[a-zA-Z0-9-]{1,63}", 1..9).prop_map(|labels| {
        let mut octets = Vec::new();
        for label in labels {
            if octets.len() + label.len() < 254 {
                octets.push(label.len() as u8);
                octets.extend(label.bytes());
            }
        }
        octets
    })
}

/// The name as the engine keeps it, and its length.
fn read_name(octets: &[u8]) -> (Name, u16) {
    let mut message = vec![0; 20];
    message.extend(octets);
    message.extend([0, 0, 1, 0, 1]);
    let mut name = Name::default();
    let question = question::read(&Slice::whole(&message), 0, message.len(), &mut name);
    (name, question.expect("a whole question").name_len)
}

/// What [`Names::add`] keeps of a suffix.
fn cut(mut suffix: &[u8]) -> &[u8] {
    while suffix.len() > SUFFIX_MAX {
        suffix = &suffix[1 + usize::from(suffix[0])..];
    }
    suffix
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    /// The list against a comparison of octets. By chance a name is taken for a watched one once in
    /// some hundred million.
    #[test]
    fn the_list_has_a_name_if_it_ends_like_one_of_it(
        name in labels(),
        others in prop::collection::vec(labels(), 0..4),
        from in any::<prop::sample::Index>(),
        key in any::<(u64, u64)>(),
    ) {
        let key = HashKey { k0: key.0, k1: key.1 };
        let folded = name.to_ascii_lowercase();
        // A suffix of the name that begins with a label, and others.
        let mut starts = vec![0];
        while let Some(&octet) = starts.last().and_then(|&at: &usize| folded.get(at)) {
            starts.push(starts[starts.len() - 1] + 1 + usize::from(octet));
        }
        starts.pop();
        let own = folded[starts[from.index(starts.len())]..].to_vec();
        let (read, len) = read_name(&name);
        prop_assert_eq!(usize::from(len), name.len());
        let mut list = Box::<Names>::default();
        prop_assert!(!list.matches(key, &read, len), "nothing is watched");
        for other in &others {
            prop_assert!(list.add(key, &other.to_ascii_lowercase()));
        }
        let expected = others.iter().any(|other| folded.ends_with(cut(&other.to_ascii_lowercase())));
        prop_assert_eq!(list.matches(key, &read, len), expected);
        list.add(key, &own);
        prop_assert!(list.matches(key, &read, len), "{:?} of {:?}", own, name);
    }
}

#[test]
fn a_suffix_is_matched_at_its_labels_only() {
    let key = HashKey { k0: 1, k1: 2 };
    let mut list = Box::<Names>::default();
    list.add(key, b"\x08linkedin\x03com");
    for (name, expected) in [
        (&b"\x08linkedin\x03com"[..], true),
        (b"\x08LINKEDIN\x03Com", true),
        (b"\x03www\x08linkedin\x03com", true),
        (b"\x09xlinkedin\x03com", false),
        (b"\x08linkedin\x03com\x02uk", false),
        (b"\x03com", false),
        (b"", false),
    ] {
        let (read, len) = read_name(name);
        assert_eq!(list.matches(key, &read, len), expected, "{name:?}");
    }
    assert!(!list.add(key, b""), "the root is everybody's suffix");
}

/// Whoever answers, against a list that does the same.
#[test]
fn a_resolver_that_was_asked_makes_way_only_for_another_that_was() {
    let mut set = Box::new(ResolverSet::default());
    for (way, queries) in [(0, 1), (1, 0), (2, 1), (3, 0)] {
        set.tags[way] = way as u64 + 1;
        set.records[way].last = 10 - way as u64;
        set.records[way].counts[Tally::Queries as usize] = queries;
    }
    assert_eq!(resolver::place(&set, 3, false), 2);
    assert_eq!(resolver::place(&set, 9, true), 3, "the oldest");
    assert_eq!(resolver::place(&set, 9, false), 3, "the oldest of those not asked");
    set.records[3].last = 20;
    assert_eq!(resolver::place(&set, 9, true), 2);
    assert_eq!(resolver::place(&set, 9, false), 1);
    set.records[1].counts[Tally::Queries as usize] = 1;
    set.records[3].counts[Tally::Queries as usize] = 1;
    assert_eq!(resolver::place(&set, 9, false), WAYS, "none");
    set.tags[1] = 0;
    assert_eq!(resolver::place(&set, 9, false), 1, "a free one");
}
