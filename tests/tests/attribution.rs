//! From packets to verdicts: captures of the corpus with enough clients, and what is said of the service.
//! What is said of worlds of outcomes is in the suite `simulate`.

use std::sync::Arc;

use probe_common::{config::Config, hash::HashKey};
use probe_tests::{
    case2016::{
        Plan,
        plan::HOUR,
        traffic::{self, Volume},
    },
    corpus::{
        build::{self, Position, Scale},
        case::{Case, EPOCH},
        device::Stage,
        injectors,
        tape::Tape,
    },
};
use probe_user::{
    attribute::{Attributor, Method, Outcome, Verdict, outcome::Protocol, token::Tokens},
    judge::{Judge, Settings, Telling},
    source::{
        capture::Frame,
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

/// Connections that are interfered with, a client each, and as many of the controls.
const SCALE: Scale = Scale { flows: 90, response: 3_000, brief: 4 };

const SEED: u64 = 5;

/// What is said of a case.
fn verdicts(case: &Case) -> Vec<Verdict> {
    let targets = Arc::new(TargetSet::builtin());
    conclude(&targets, outcomes(&targets, &case.tape, 0))
}

/// How what is watched ended in a capture of observer `vantage`.
fn outcomes(targets: &Arc<TargetSet>, tape: &Tape, vantage: u16) -> Vec<Outcome> {
    let config = Config::replay();
    let mut driver = Driver::local(config);
    driver.watch_names(&targets.names(config.hash_key));
    let settings = Settings { telling: Telling::AtClose, epoch: 0, targets: Arc::clone(targets) };
    let mut judge = Judge::new(settings);
    judge.keep_outcomes(Tokens::with_key(HashKey { k0: 1, k1: vantage.into() }));
    let mut packets = Packets::new(driver);
    for (number, record) in tape.records.iter().enumerate() {
        let frame = Frame {
            number: number as u64 + 1,
            time: EPOCH + record.time,
            interface: 0,
            wire_len: record.wire as u32,
            data: tape.frame(record),
        };
        packets.take(&frame, &mut judge, |_| {}).expect("the engine refuses nothing");
    }
    packets.scan_last(&mut judge, |_| {});
    judge.finish(|_| {});
    judge.outcomes().into_iter().map(|outcome| Outcome { vantage, ..outcome }).collect()
}

/// What is said of outcomes.
fn conclude(targets: &Arc<TargetSet>, mut outcomes: Vec<Outcome>) -> Vec<Verdict> {
    outcomes.sort_by_key(|outcome| outcome.time);
    let mut attributor = Attributor::new(Arc::clone(targets));
    outcomes.iter().for_each(|outcome| attributor.take(outcome));
    attributor.finish();
    attributor.verdicts(0)
}

/// Three hours at two providers; the first blocks by `method` after one of them.
fn at_two_providers(method: Method) -> Vec<Verdict> {
    let plan = Plan {
        providers: vec![
            (method, Some(7.0), Some(3).filter(|_| method != Method::DnsLie)),
            (Method::None, None, None),
        ],
        mishaps: Vec::new(),
    };
    let volume = Volume { clients: 900, visits: 16.0, quiet: 1.0, from: 6 * HOUR, to: 9 * HOUR };
    let (targets, truth) = (Arc::new(TargetSet::builtin()), plan.draw(SEED));
    let seen = (0..2u16).flat_map(|number| {
        outcomes(&targets, &traffic::capture(&truth, number.into(), volume), number)
    });
    conclude(&targets, seen.collect())
}

/// Over what a method shows.
fn protocol(method: Method) -> Protocol {
    match method {
        Method::DnsInjection | Method::DnsLie => Protocol::Dns,
        Method::HttpBlockpage | Method::HttpReset => Protocol::TcpHttp,
        Method::QuicDrop => Protocol::Quic,
        _ => Protocol::TcpTls,
    }
}

#[track_caller]
fn assert_found(method: Method) {
    let verdicts = at_two_providers(method);
    let accused: Vec<_> = verdicts
        .iter()
        .filter(|verdict| verdict.method.accuses())
        .map(|verdict| {
            (
                verdict.unit.vantage,
                verdict.unit.service.as_str(),
                verdict.unit.protocol,
                verdict.method,
            )
        })
        .collect();
    let found = (0, "linkedin", protocol(method), method);
    assert!(accused.contains(&found), "{accused:?}\n{verdicts:#?}");
    // A device that lingers has cut something off before, and one that acts on addresses stops all that is
    // spoken there.
    let may = |one: &(u16, &str, Protocol, Method)| {
        let also = method == Method::Residual && one.3 == Method::SniReset;
        (one.0, one.1) == (0, "linkedin") && (one.3 == method || also)
    };
    assert!(accused.iter().all(may), "{accused:?}");
}

fn attack(model: &str) -> Case {
    let model = injectors::all().into_iter().find(|one| one.name == model).expect("a model");
    build::Plan::Attack(model, false, Stage::After, Position::Upstream).make(SEED, SCALE)
}

#[track_caller]
fn assert_called(model: &str, method: Method) {
    let verdicts = verdicts(&attack(model));
    let of = |service: &str| -> Vec<&Verdict> {
        verdicts.iter().filter(|verdict| verdict.unit.service == service).collect()
    };
    let said: Vec<Method> = of("linkedin").iter().map(|verdict| verdict.method).collect();
    assert_eq!(said, [method], "{verdicts:#?}");
    let verdict = of("linkedin")[0];
    assert_eq!(verdict.unit.protocol, Protocol::TcpTls);
    assert!(verdict.target.clients.least >= 80, "{:?}", verdict.target);
    assert!(of("neutral").iter().all(|control| !control.method.accuses()), "{verdicts:#?}");
}

#[test]
fn forged_resets_after_the_name_are_called_so() {
    assert_called("gfw-type2", Method::SniReset);
}

#[test]
fn rewriting_is_called_so() {
    assert_called("tspu-sni1", Method::SniRewrite);
}

#[test]
fn names_that_are_swallowed_are_called_so() {
    assert_called("kazakhstan", Method::SniDrop);
}

#[test]
fn without_controls_nobody_is_accused() {
    let mut case = attack("gfw-type2");
    let controls: Vec<_> = case
        .flows
        .iter()
        .filter(|flow| flow.truth == "innocent")
        .flat_map(|flow| [(flow.client, flow.server), (flow.server, flow.client)])
        .collect();
    assert!(controls.len() as u64 >= 2 * SCALE.flows);
    case.tape.retain(|view, _| !controls.contains(&view.ends()));
    let accused: Vec<_> =
        verdicts(&case).into_iter().filter(|verdict| verdict.method.accuses()).collect();
    assert!(accused.is_empty(), "{accused:#?}");
}

#[test]
fn forged_answers_are_called_so() {
    assert_found(Method::DnsInjection);
}

#[test]
fn lying_resolvers_are_called_so() {
    assert_found(Method::DnsLie);
}

#[test]
fn addresses_that_are_dropped_are_called_so() {
    assert_found(Method::IpDrop);
}

#[test]
fn addresses_that_are_reset_are_called_so() {
    assert_found(Method::IpReset);
}

#[test]
fn rejection_by_icmp_is_called_so() {
    assert_found(Method::IcmpReject);
}

#[test]
fn resets_silence_and_rewriting_after_the_name_are_called_so_in_time() {
    for method in [Method::SniReset, Method::SniDrop, Method::SniRewrite] {
        assert_found(method);
    }
}

#[test]
fn pages_and_resets_over_http_are_called_so() {
    for method in [Method::HttpBlockpage, Method::HttpReset] {
        assert_found(method);
    }
}

#[test]
fn quic_that_is_dropped_is_called_so() {
    assert_found(Method::QuicDrop);
}

#[test]
fn throttling_is_called_so() {
    assert_found(Method::Throttle);
}

#[test]
fn what_lingers_is_called_so() {
    assert_found(Method::Residual);
}
