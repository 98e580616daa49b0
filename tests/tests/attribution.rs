//! From packets to verdicts: captures of the corpus with enough clients, and what is said of the service.
//! What is said of worlds of outcomes is in the suite `simulate`.

use std::sync::Arc;

use probe_common::{config::Config, hash::HashKey};
use probe_tests::corpus::{
    build::{Plan, Position, Scale},
    case::Case,
    device::Stage,
    injectors,
};
use probe_user::{
    attribute::{Attributor, Method, Verdict, outcome::Protocol, token::Tokens},
    judge::{Judge, Settings, Telling},
    source::{
        capture::CaptureReader,
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

/// Connections that are interfered with, a client each, and as many of the controls.
const SCALE: Scale = Scale { flows: 90, response: 3_000, brief: 4 };

const SEED: u64 = 5;

/// What is said of a case.
fn verdicts(case: &Case) -> Vec<Verdict> {
    let directory = tempfile::tempdir().expect("room for a capture");
    case.write(directory.path()).expect("room for a capture");
    let file = directory.path().join(format!("{}.router.pcap", case.name));
    let mut reader = CaptureReader::open(&file).expect("what was just written");
    let targets = Arc::new(TargetSet::builtin());
    let config = Config::replay();
    let mut driver = Driver::local(config);
    driver.watch_names(&targets.names(config.hash_key));
    let mut judge =
        Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets: Arc::clone(&targets) });
    judge.keep_outcomes(Tokens::with_key(HashKey { k0: 1, k1: 2 }));
    let mut packets = Packets::new(driver);
    while let Some(frame) = reader.next_frame().expect("a sound capture") {
        packets.take(&frame, &mut judge, |_| {}).expect("the engine refuses nothing");
    }
    packets.scan_last(&mut judge, |_| {});
    judge.finish(|_| {});
    let mut attributor = Attributor::new(targets);
    for outcome in judge.outcomes() {
        attributor.take(&outcome);
    }
    attributor.finish();
    attributor.verdicts(0)
}

fn attack(model: &str) -> Case {
    let model = injectors::all().into_iter().find(|one| one.name == model).expect("a model");
    Plan::Attack(model, false, Stage::After, Position::Upstream).make(SEED, SCALE)
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
