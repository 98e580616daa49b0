//! More than there is room for.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    process::Stdio,
    time::Duration,
};

use nix::sys::signal::Signal;
use probe_tests::lab::{
    clients::Outcome,
    flood::Flood,
    network::{LAN, OTHER, OWN, WAN},
    wait,
};

use super::{SOON, Scene, rows};

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
    scene.agent().process.signal(Signal::SIGCONT).expect("it was stopped");
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

#[test]
fn who_does_not_read_what_it_says_stops_no_detection() {
    let scene = Scene::with(
        &[LAN, WAN],
        None,
        |_| {},
        |command| {
            command.stderr(Stdio::piped());
        },
    );
    let unread = scene.agent().unread();
    for descriptor in [1, 2] {
        fill(&format!("/proc/{}/fd/{descriptor}", scene.agent().process.pid()));
    }
    // It has something to say on both.
    for round in 1..=3 {
        scene.agent().process.signal(Signal::SIGHUP).expect("it runs");
        scene.lab.https_until_reset("static.licdn.com", OWN.v4).expect("it is censored");
        wait::until("the ledger to have it", SOON, || {
            (rows(&scene.state).ok()?.len() >= scene.before.len() + round).then_some(())
        })
        .expect("it is found and recorded, and nobody was told");
    }
    drop(unread);
    // What was found meanwhile is told, and standard error, which nobody reads, holds up no end.
    let report = scene.ends();
    assert!(report.injected().len() >= 5, "{:#?}", report.findings);
    assert_eq!(report.figure("output_refused"), 0);
}

/// Writes empty lines to a pipe until it takes no more.
fn fill(pipe: &str) {
    let flags = libc::O_NONBLOCK;
    // A description of its own, so that whoever else writes there waits as before.
    let opened = File::options().write(true).custom_flags(flags).open(pipe);
    let mut pipe = opened.unwrap_or_else(|error| panic!("{pipe}: {error}"));
    for _ in 0..2 {
        loop {
            match pipe.write(b"\n") {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the pipe: {error}"),
            }
        }
        // Whoever had begun to read goes on for a moment.
        std::thread::sleep(Duration::from_millis(100));
    }
}
