//! One of several interfaces that are watched.

use probe_tests::lab::{
    Lab,
    agent::{Agent, Finding, attached},
    clients::Outcome,
    injector::{Injector, Settings, model::Model},
    network::{LAN, OTHER, OWN, WAN},
    wait,
};

use super::SOON;

#[test]
fn one_of_several_that_was_removed_is_watched_again_and_nothing_is_seen_twice() {
    let lab = Lab::new().expect("a lab; this takes root and the tools of the test suites");
    let agent = Agent::start(&lab, &[LAN, WAN], &["--all"]).expect("the agent watches");
    lab.network.router.ip(&format!("link del {WAN}")).expect("it is removed");
    lab.network.renew_upstream().expect("another one of that name");
    wait::until("the server to be reached", SOON, || {
        let outcome = lab.https("example.org", OTHER.v4).ok()?;
        (outcome == Outcome::Answered(200)).then_some(())
    })
    .expect("packets pass");
    wait::until("programs to be on it again", SOON, || {
        attached(&lab.network.router, WAN).is_ok_and(|at| at.xdp && at.tcx > 0).then_some(())
    })
    .expect("it is watched again");
    let at = ("www.debian.org", OTHER.v4.into());
    let mut curl = lab.wait_https(1, at, "/big").expect("curl runs");
    assert!(curl.wait(SOON * 3).expect("it ends").success(), "{}", curl.log());
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    lab.https_until_reset("static.licdn.com", OWN.v4).expect("it is censored");
    let found = |findings: &[Finding]| findings.iter().any(Finding::is_injected);
    agent.wait_for("a finding", SOON, found).expect("what is censored is found");
    let report = agent.stop().expect("a summary");
    assert!(report.status.success());
    // Each packet that passes is met twice, and looked at the first time. Were the new interface taken for one
    // that is not watched, all that came by it, most of a download, would be looked at twice.
    let [packets, again] = ["packets", "seen_at_ingress"].map(|name| report.figure(name));
    assert!(packets > 1_000 && again * 20 > packets * 9, "{again} of {packets}");
    for iface in [LAN, WAN] {
        let left = attached(&lab.network.router, iface).expect("it is there");
        assert!(!left.any(), "nothing stays attached to {iface}");
    }
}
