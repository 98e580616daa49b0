//! Questions and replies that no case of the corpus has.

use probe_tests::craft::{
    Capture,
    ask::{Answer, Lookups, QUERY_TTL, TTL},
};

const NAME: &str = "www.linkedin.com";
const GENUINE: [u8; 4] = [108, 174, 10, 10];
const FORGED: [u8; 4] = [203, 0, 113, 80];

/// Two replies to one question; the first one has these flags.
fn two_replies(flags: u16) -> Capture {
    let mut lookups = Lookups::new("two replies");
    let question = lookups.question(NAME);
    lookups.ask(0, &question);
    lookups.reply(9_000, &question, &Answer { flags, ..Answer::genuine(9, FORGED) });
    lookups.reply(30_000, &question, &Answer::genuine(2, GENUINE));
    lookups.capture
}

pub(crate) fn two_addresses() -> Capture {
    two_replies(0x8180)
}

pub(crate) fn failure_beside_an_answer() -> Capture {
    two_replies(0x8182)
}

/// Thirty answers that took so long, then one that takes a millisecond and is made as `change` says,
/// and ten more as before.
fn sudden(delay: impl Fn(u64) -> u64, change: impl Fn(&mut Answer)) -> Capture {
    let mut lookups = Lookups::new("sudden");
    let now = lookups.usual(0, 30, &delay, |_, question, answer| {
        (question.edns, answer.edns) = (true, true);
    });
    let mut question = lookups.question(NAME);
    question.edns = true;
    lookups.ask(now, &question);
    let mut answer = Answer { edns: true, ..Answer::genuine(31, FORGED) };
    change(&mut answer);
    if answer.ip_id == 1 {
        answer.ip_id = question.ip_id;
    }
    lookups.reply(now + 1_000, &question, &answer);
    lookups.usual(now + 100_000, 10, &delay, |_, question, answer| {
        (question.edns, answer.edns) = (true, true);
    });
    lookups.capture
}

fn about_30_ms(number: u64) -> u64 {
    30_000 + number * 20
}

pub(crate) fn sooner_than_ever() -> Capture {
    sudden(about_30_ms, |answer| answer.hops = TTL + 20)
}

/// A resolver that was only seen with names that it had to look up.
pub(crate) fn first_cached_name() -> Capture {
    sudden(|number| 30_000 + number * 17_000, |_| ())
}

/// Answered in time, but authoritative, without OPT record, from elsewhere.
pub(crate) fn unlike_the_others() -> Capture {
    sudden(|_| 1_100, |answer| (answer.hops, answer.flags, answer.edns) = (101, 0x8580, false))
}

/// A pool of two, of which the second answers every fourth question: with another TTL, another stack,
/// and AA for a name of its own.
pub(crate) fn the_pools_second_member() -> Capture {
    let mut lookups = Lookups::new("pool");
    let second = |answer: &mut Answer| {
        (answer.hops, answer.df, answer.ip_id, answer.flags) = (121, true, 0, 0x8580);
    };
    let now = lookups.usual(
        0,
        60,
        |_| 20_000,
        |number, _, answer| {
            if number % 4 == 3 {
                second(answer);
            }
        },
    );
    let question = lookups.question(NAME);
    lookups.ask(now, &question);
    let mut answer = Answer::genuine(61, GENUINE);
    second(&mut answer);
    lookups.reply(now + 20_000, &question, &answer);
    lookups.capture
}

/// An answer that is too soon, with the query's IP-ID.
pub(crate) fn query_turned_round() -> Capture {
    sudden(about_30_ms, |answer| (answer.ip_id, answer.hops) = (1, QUERY_TTL))
}

/// A resolver beside the router, as far away as its client, whose second answer is another one, and
/// whose IP-IDs are all zero.
pub(crate) fn as_near_as_the_client() -> Capture {
    let mut lookups = Lookups::new("as near as the client");
    let near = |answer: &mut Answer| {
        (answer.hops, answer.df, answer.ip_id) = (QUERY_TTL, true, 0);
    };
    let now = lookups.usual(
        0,
        30,
        |_| 900,
        |_, question, answer| {
            question.ip_id = 0;
            near(answer);
        },
    );
    let mut question = lookups.question(NAME);
    question.ip_id = 0;
    lookups.ask(now, &question);
    for (after, address) in [(900, GENUINE), (1_400, FORGED)] {
        let mut answer = Answer::genuine(1, address);
        near(&mut answer);
        lookups.reply(now + after, &question, &answer);
    }
    lookups.capture
}

/// An address that is asked for this and that: watched names are answered, of others only what `other`
/// says.
fn asked_for_all(other: impl Fn(u16) -> bool) -> Capture {
    let mut lookups = Lookups::new("asked for all");
    for number in 0..60 {
        let start = u64::from(number) * 1_000_000;
        let watched = number % 10 == 5;
        let name = if watched { NAME.into() } else { format!("host-{number}.site.test") };
        let question = lookups.question(&name);
        lookups.ask(start, &question);
        if watched || other(number) {
            let hops = if number % 20 == 5 { TTL } else { TTL + 30 };
            let answer = Answer { hops, ..Answer::genuine(number, FORGED) };
            lookups.reply(start + 20_000, &question, &answer);
        }
    }
    lookups.capture
}

pub(crate) fn nobody_listens_there() -> Capture {
    asked_for_all(|_| false)
}

/// It answers every tenth other question as well.
pub(crate) fn somebody_overloaded_listens_there() -> Capture {
    asked_for_all(|number| number % 10 == 0)
}
