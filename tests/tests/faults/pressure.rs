//! More than there is room for.

use probe_tests::lab::{
    clients::Outcome,
    flood::Flood,
    network::{LAN, OTHER, WAN},
};

use super::{SOON, Scene};

/// Connections whose events nobody reads, in a ring that has no room for them.
const UNREAD: usize = 12;

/// More SYNs than are sent until the test is done.
const SYNS: u64 = 1 << 26;

#[test]
fn events_that_find_no_room_are_counted_and_the_next_ones_are_read() {
    let change = |command: &mut std::process::Command| {
        // Of all connections, or there is nothing to tell of these.
        command.args(["--ring", "4096", "--all"]);
    };
    let scene = Scene::with(&[LAN, WAN], None, |_| {}, change);
    scene.agent().process.stun(SOON).expect("it was running");
    for _ in 0..UNREAD {
        let outcome = scene.lab.https("example.org", OTHER.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Answered(200));
    }
    scene.agent().process.signal(nix::sys::signal::Signal::SIGCONT).expect("it was stopped");
    scene.says("the ring");
    let report = scene.ends();
    assert!(report.figure("events_ring_full") > 0, "{}", report.summary);
    assert_eq!(report.figure("events_emitted"), report.figure("events_received"));
}

#[test]
fn a_flood_that_pushes_out_connections_hides_none_that_is_forged_meanwhile() {
    let prepare = |scene: &Scene| scene.lab.network.second_queue().expect("a second queue");
    let scene = Scene::with(&[WAN], None, prepare, |_| {});
    let flood = Flood::start(&scene.lab.network, SYNS).expect("a flood");
    for _ in 0..3 {
        scene.finds();
    }
    assert!(flood.is_running());
    drop(flood);
    let report = scene.ends();
    assert!(report.figure("flows_evicted") > 0, "{}", report.summary);
}
