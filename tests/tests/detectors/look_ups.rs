//! Look-ups that look like interference and are none, and forged ones that are hard to tell.

use std::net::IpAddr;

use probe_tests::craft::{
    Capture,
    ask::{Answer, Lookups, QUERY_TTL, TTL},
};
use probe_user::report::finding::{Confidence, Verdict};

use crate::heard::Heard;

const NAME: &str = "www.linkedin.com";
const ONE: [u8; 4] = [203, 0, 113, 80];
const OTHER: [u8; 4] = [198, 51, 100, 9];

/// Answers that came in time before the ones in question.
const BEFORE: u16 = 40;

/// A resolver that is known, or not, and then what `act` does from the returned time on.
fn lookups(known: bool, act: impl Fn(&mut Lookups, u64)) -> Capture {
    let mut lookups = Lookups::new("look-ups");
    let now = if known { lookups.usual(0, BEFORE, |_| 20_000, |_, _, _| ()) } else { 0 };
    act(&mut lookups, now);
    lookups.sort();
    lookups.capture
}

/// The verdicts, confidences and frames of what is said.
fn said(capture: &Capture) -> Vec<(Verdict, Confidence, Vec<u64>)> {
    let heard = Heard::of_capture(capture);
    let each = heard.findings.iter();
    each.map(|finding| (finding.verdict, finding.confidence, finding.frames.clone())).collect()
}

/// Nothing at all is said, whether the resolver is known or not.
#[track_caller]
fn innocent(act: impl Fn(&mut Lookups, u64)) {
    for known in [false, true] {
        let capture = lookups(known, &act);
        assert_eq!(said(&capture), [], "resolver known: {known}");
    }
}

/// One question, answered with each of these so many microseconds after it.
fn answered(answers: Vec<(u64, Answer)>) -> impl Fn(&mut Lookups, u64) {
    move |lookups, now| {
        let question = lookups.question(NAME);
        lookups.ask(now, &question);
        for (after, answer) in &answers {
            lookups.reply(now + after, &question, answer);
        }
    }
}

fn addresses(list: &[[u8; 4]]) -> Vec<IpAddr> {
    list.iter().map(|&address| IpAddr::from(address)).collect()
}

#[test]
fn a_question_sent_again_may_be_answered_otherwise() {
    innocent(|lookups, now| {
        let question = lookups.question(NAME);
        lookups.ask(now, &question);
        lookups.ask(now + 1_000_000, &question);
        lookups.reply(now + 1_020_000, &question, &Answer::genuine(1, ONE));
        lookups.reply(now + 1_021_000, &question, &Answer::genuine(2, OTHER));
    });
}

#[test]
fn members_of_a_pool_differ_in_all_and_are_one_resolver() {
    // Before and after, each of two members answers every other question.
    let member = |answer: &mut Answer| {
        (answer.hops, answer.df, answer.ip_id) = (121, true, 0);
    };
    let mut lookups = Lookups::new("pool");
    let now = lookups.usual(
        0,
        BEFORE,
        |_| 20_000,
        |number, _, answer| {
            if number % 2 == 1 {
                member(answer);
            }
        },
    );
    let question = lookups.question(NAME);
    lookups.ask(now, &question);
    lookups.ask(now + 400_000, &question);
    lookups.reply(now + 420_000, &question, &Answer::genuine(1, ONE));
    let mut second = Answer::genuine(2, OTHER);
    member(&mut second);
    lookups.reply(now + 421_000, &question, &second);
    assert_eq!(said(&lookups.capture), []);
}

#[test]
fn a_query_that_the_network_doubled_is_answered_twice_by_a_pool() {
    // Nothing tells them apart: no packet is named, and nobody accused.
    let act =
        answered(vec![(20_000, Answer::genuine(1, ONE)), (20_300, Answer::genuine(2, OTHER))]);
    for known in [false, true] {
        let said = said(&lookups(known, &act));
        assert_eq!(said, [(Verdict::Suspect, Confidence::C2, vec![])]);
    }
}

#[test]
fn an_answer_that_comes_twice_is_one_answer() {
    innocent(answered(vec![
        (20_000, Answer::genuine(1, ONE)),
        (20_300, Answer::genuine(2, ONE)),
        (21_000, Answer::genuine(3, ONE)),
    ]));
}

#[test]
fn an_answer_doubled_by_the_network_and_another_to_the_query_sent_again() {
    innocent(|lookups, now| {
        let question = lookups.question(NAME);
        lookups.ask(now, &question);
        lookups.reply(now + 20_000, &question, &Answer::genuine(1, ONE));
        lookups.reply(now + 20_100, &question, &Answer::genuine(2, ONE));
        lookups.ask(now + 1_000_000, &question);
        lookups.reply(now + 1_020_000, &question, &Answer::genuine(3, OTHER));
    });
}

#[test]
fn a_mirror_of_both_sides_shows_every_packet_twice() {
    innocent(|lookups, now| {
        let question = lookups.question(NAME);
        lookups.ask(now, &question);
        lookups.copy_last(30);
        lookups.reply(now + 20_000, &question, &Answer::genuine(1, ONE));
        lookups.copy_last(30);
    });
    // And two answers to the one query that it shows twice.
    let mirrored = lookups(false, |lookups, now| {
        let question = lookups.question(NAME);
        lookups.ask(now, &question);
        lookups.copy_last(30);
        let forged = Answer { hops: 44, ..Answer::genuine(9, ONE) };
        for (after, answer) in [(5_000, forged), (20_000, Answer::genuine(2, OTHER))] {
            lookups.reply(now + after, &question, &answer);
            lookups.copy_last(30);
        }
    });
    let said = said(&mirrored);
    assert!(matches!(said[..], [(Verdict::Injected, Confidence::C3, _)]), "{said:?}");
}

#[test]
fn parts_of_a_set_and_its_order_do_not_matter() {
    let set = |number, list: &[[u8; 4]]| Answer {
        addresses: addresses(list),
        ..Answer::genuine(number, ONE)
    };
    let third = [192, 0, 2, 99];
    innocent(answered(vec![
        (20_000, set(1, &[ONE, OTHER, third])),
        (20_300, set(2, &[third, OTHER, ONE])),
        (20_400, set(3, &[OTHER, third])),
    ]));
    // Addresses of one network are one answer.
    innocent(answered(vec![
        (20_000, Answer::genuine(1, [203, 0, 113, 1])),
        (20_300, Answer::genuine(2, [203, 0, 113, 200])),
    ]));
}

#[test]
fn failures_and_parts_contradict_nobody() {
    for flags in [0x8181, 0x8182, 0x8185, 0x8184, 0x8380] {
        innocent(answered(vec![
            (20_000, Answer { flags, ..Answer::genuine(1, ONE) }),
            (20_300, Answer::genuine(2, OTHER)),
        ]));
        innocent(answered(vec![
            (20_000, Answer::genuine(1, ONE)),
            (20_300, Answer { flags, ..Answer::genuine(2, OTHER) }),
        ]));
    }
}

#[test]
fn a_first_fragment_is_no_whole_answer() {
    let part = Answer { fragment: true, ..Answer::genuine(1, ONE) };
    let capture = lookups(false, |lookups, now| {
        let question = lookups.question(NAME);
        lookups.ask(now, &question);
        lookups.reply(now + 20_000, &question, &part);
        lookups.reply(now + 20_400, &question, &Answer::genuine(2, OTHER));
    });
    assert!(said(&capture).iter().all(|(verdict, ..)| *verdict == Verdict::Suspect));
}

#[test]
fn rebinding_is_answered_otherwise_when_asked_again() {
    innocent(|lookups, now| {
        for (number, address) in [ONE, [127, 0, 0, 1], [192, 168, 1, 1]].into_iter().enumerate() {
            let question = lookups.question("rebind.example.net");
            let start = now + number as u64 * 500_000;
            lookups.ask(start, &question);
            lookups.reply(start + 20_000, &question, &Answer::genuine(number as u16, address));
        }
    });
}

#[test]
fn a_filter_that_answers_with_nothing_is_believed() {
    let capture = |known| {
        lookups(known, |lookups, now| {
            for name in ["ads.example.net", "telemetry.example.net", NAME] {
                let question = lookups.question(name);
                lookups.ask(now, &question);
                // Local data: authoritative, and at the pace of the others.
                let zero = Answer { flags: 0x8180, ..Answer::genuine(41, [0, 0, 0, 0]) };
                lookups.reply(now + 20_000, &question, &zero);
            }
        })
    };
    // What a filter is for, nobody can see: it is wondered at, and accused of nothing.
    for known in [false, true] {
        let said = said(&capture(known));
        assert!(said.iter().all(|(verdict, ..)| *verdict == Verdict::Suspect), "{said:?}");
    }
}

#[test]
fn a_forwarder_asks_the_same_under_another_id() {
    innocent(|lookups, now| {
        let [inside, outside] = [NAME, NAME].map(|name| lookups.question(name));
        lookups.ask(now, &inside);
        lookups.ask(now + 100, &outside);
        lookups.reply(now + 20_000, &outside, &Answer::genuine(1, ONE));
        lookups.reply(now + 20_100, &inside, &Answer::genuine(2, OTHER));
    });
}

#[test]
fn port_and_id_used_again_for_another_question_get_the_answer_to_the_first() {
    innocent(|lookups, now| {
        let first = lookups.question("slow.example.org");
        let mut second = lookups.question(NAME);
        (second.id, second.port) = (first.id, first.port);
        lookups.ask(now, &first);
        lookups.ask(now + 300_000, &second);
        // The first one's, a millisecond after the second was asked.
        lookups.reply(now + 301_000, &first, &Answer::genuine(1, ONE));
        lookups.reply(now + 320_000, &second, &Answer::genuine(2, OTHER));
    });
}

#[test]
fn a_site_that_is_nearer_accuses_nobody() {
    let near = |number: u16| Answer { hops: 61, ..Answer::genuine(number, ONE) };
    // One question only, and from then on all.
    for more in [0, 60] {
        let mut lookups = Lookups::new("anycast");
        let now = lookups.usual(0, BEFORE, |_| 20_000, |_, _, _| ());
        let question = lookups.question(NAME);
        lookups.ask(now, &question);
        lookups.reply(now + 3_000, &question, &near(41));
        lookups.usual(
            now + 100_000,
            more,
            |_| 3_000,
            |number, _, answer| {
                *answer = Answer { addresses: answer.addresses.clone(), ..near(42 + number) };
            },
        );
        let said = said(&lookups.capture);
        assert!(said.iter().all(|(verdict, ..)| *verdict == Verdict::Suspect), "{said:?}");
    }
}

#[test]
fn an_injector_that_copies_the_queries_ttl_is_found_by_the_second_answer() {
    let mirror = Answer { hops: QUERY_TTL, ip_id: 0, ..Answer::genuine(1, ONE) };
    for (order, frame) in [(0, 2), (40_000, 3)] {
        let act =
            answered(vec![(3_000 + order, mirror.clone()), (20_000, Answer::genuine(2, OTHER))]);
        let unknown = said(&lookups(false, &act));
        assert_eq!(unknown, [(Verdict::Injected, Confidence::C3, vec![frame])]);
        let known = said(&lookups(true, &act));
        let frame = frame + 2 * u64::from(BEFORE);
        assert_eq!(known, [(Verdict::Injected, Confidence::C3, vec![frame])]);
    }
}

#[test]
fn and_by_its_impossible_delay_where_the_genuine_answer_never_comes() {
    let mirror = Answer { hops: QUERY_TTL, ip_id: 0, ..Answer::genuine(1, ONE) };
    let said = said(&lookups(true, answered(vec![(3_000, mirror)])));
    let frame = 2 + 2 * u64::from(BEFORE);
    assert!(matches!(&said[..], [(_, Confidence::C2, frames)] if *frames == [frame]), "{said:?}");
}

#[test]
fn what_an_in_path_device_makes_up_is_found_by_time_and_lineage() {
    let capture = {
        let mut lookups = Lookups::new("in path");
        let now = lookups.usual(
            0,
            BEFORE,
            |_| 20_000,
            |_, question, answer| {
                (question.edns, answer.edns) = (true, true);
            },
        );
        let mut question = lookups.question(NAME);
        question.edns = true;
        lookups.ask(now, &question);
        let forged = Answer { hops: 55, flags: 0x8580, ..Answer::genuine(41, [10, 10, 34, 35]) };
        lookups.reply(now + 2_000, &question, &forged);
        lookups.usual(
            now + 100_000,
            5,
            |_| 20_000,
            |_, question, answer| {
                (question.edns, answer.edns) = (true, true);
            },
        );
        lookups.capture
    };
    let frame = 2 + 2 * u64::from(BEFORE);
    assert_eq!(said(&capture), [(Verdict::Injected, Confidence::C3, vec![frame])]);
}

#[test]
fn capitals_that_are_lost_are_a_mark() {
    let mut lookups = Lookups::new("capitals");
    let now = lookups.usual(
        0,
        BEFORE,
        |_| 20_000,
        |number, question, _| {
            question.name = format!("hOsT-{number}.eXaMpLe.org");
        },
    );
    let question = lookups.question("wWw.LiNkEdIn.cOm");
    lookups.ask(now, &question);
    let forged = Answer { hops: TTL + 9, name: Some(NAME.into()), ..Answer::genuine(41, ONE) };
    lookups.reply(now + 20_000, &question, &forged);
    let heard = Heard::of_capture(&lookups.capture);
    assert_eq!(heard.words(), "suspect C2 [DNS_LINEAGE C2]");
}
