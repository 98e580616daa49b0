//! How flows end when nobody interferes: mostly well, and otherwise in all the ways that there are.

use probe_user::{
    attribute::outcome::{Client, Ending, Goodput, Outcome, Protocol, Trace},
    report::finding::{Confidence, Position, Stage, Verdict},
};

use super::world::{Intent, Person, SERVERS, World, place, resolver_place, unit};
use crate::corpus::rng::Rng;

/// Share of flows that clients leave by themselves.
const ABANDONED: f64 = 0.03;

/// Share of connections that servers reset for reasons of their own.
const RESET: f64 = 0.004;

/// Share of flows that end in an alert, a 5xx or SERVFAIL.
const ERROR: f64 = 0.003;

/// Goodput of a flow against its client's line.
const USED: f64 = 0.6;

/// The outcome of an intent on an ordinary day.
pub fn outcome(world: &World, intent: &Intent, rng: &mut Rng) -> Outcome {
    let who = &world.people[intent.person];
    let mut outcome = served(intent, who, rng);
    fail(&mut outcome, world.loss, rng);
    outcome
}

/// The outcome of an intent that goes well.
fn served(intent: &Intent, who: &Person, rng: &mut Rng) -> Outcome {
    let dns = intent.protocol == Protocol::Dns;
    let hops = if dns { 5 } else { SERVERS[intent.server].hops };
    let goodput = intent.large.then(|| {
        let rate = who.line * 1e6 * USED * (0.5 + unit(rng));
        Goodput {
            bits_per_second: rate as u32,
            plateau: rng.chance(0.1),
            policed: rng.chance(0.01),
        }
    });
    Outcome {
        time: intent.time,
        vantage: 0,
        service: intent.service,
        suffix: Some(intent.suffix),
        protocol: intent.protocol,
        place: if dns { resolver_place(intent.server) } else { place(intent.server) },
        client: of_day(who.client, intent.time),
        path: intent.path,
        ending: Ending::Served,
        finding: None,
        server_hops: Some(hops),
        goodput,
        after: None,
        large_hello: who.large_hello && !dns && intent.protocol != Protocol::TcpHttp,
        both_ways: true,
    }
}

/// Tokens change with the day.
fn of_day(client: Client, time: u64) -> Client {
    let day = time / 86_400_000_000_000;
    let turn = |token: u64| Rng::part(token, day).bits();
    Client { token: turn(client.token), network: turn(client.network) }
}

/// Lets a flow fail as flows do that lose a share of their packets. The larger a flow, the more.
pub fn fail(outcome: &mut Outcome, loss: f64, rng: &mut Rng) {
    // Repetition saves nearly everything: what fails is what loses several in a row.
    let part = if outcome.goodput.is_some() { 0.5 } else { 0.3 };
    if rng.chance(loss * part) {
        outcome.ending = lossy(outcome.protocol, rng);
    } else if rng.chance(ABANDONED) {
        outcome.ending = Ending::Abandoned;
    } else if outcome.protocol != Protocol::Dns
        && outcome.protocol != Protocol::Quic
        && rng.chance(RESET)
    {
        outcome.ending = own_reset(rng);
        if rng.chance(0.3) {
            outcome.finding = Some(suspicion(rng));
        }
    } else if rng.chance(ERROR) {
        outcome.ending = Ending::Error;
    }
    if outcome.ending != Ending::Served {
        outcome.goodput = None;
    }
}

/// How a flow ends that loses too much.
pub fn lossy(protocol: Protocol, rng: &mut Rng) -> Ending {
    let silent = |stage, acknowledged| Ending::Silent { stage, acknowledged };
    match protocol {
        Protocol::Dns | Protocol::Quic => silent(Stage::PostPsh, false),
        _ => match rng.below(4) {
            0 => silent(Stage::PostSyn, false),
            1 => silent(Stage::PostPsh, false),
            2 => silent(Stage::PostPsh, true),
            _ => silent(Stage::LaterInFlow, true),
        },
    }
}

/// A reset of the server's own.
pub fn own_reset(rng: &mut Rng) -> Ending {
    let stage =
        *rng.pick(&[Stage::PostSyn, Stage::PostPsh, Stage::LaterInFlow, Stage::LaterInFlow]);
    Ending::Reset { stage }
}

/// What detectors say of innocent resets now and then: never more than a suspicion.
pub fn suspicion(rng: &mut Rng) -> Trace {
    let confidence = if rng.chance(0.2) { Confidence::C2 } else { Confidence::C1 };
    let hops = Some(rng.range(3, 14) as u8);
    Trace { verdict: Verdict::Suspect, confidence, position: Position::Upstream, hops }
}
