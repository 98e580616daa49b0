//! What a service manager hears, by a real socket in its place.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use probe_tests::lab::process::Process;

use super::{Bench, SOON, stop};

const CONFIG: &str = "interfaces = [\"lo\"]\n[state]\nrecord = false\n";

/// A service manager's end of the socket.
struct Manager(UnixDatagram);

impl Manager {
    fn hear(&self) -> String {
        let mut octets = [0; 4_096];
        let len = self.0.recv(&mut octets).expect("a message in time");
        String::from_utf8(octets[..len].to_vec()).expect("UTF-8")
    }

    /// Hears until one of the messages has all of `lines` in it.
    #[track_caller]
    fn hear_of(&self, lines: &[&str]) -> String {
        let end = Instant::now() + SOON;
        while Instant::now() < end {
            let message = self.hear();
            if lines.iter().all(|line| message.lines().any(|said| said.starts_with(line))) {
                return message;
            }
        }
        panic!("nothing of {lines:?}");
    }
}

fn start(bench: &Bench, variables: &[(&str, &str)]) -> (Manager, Process) {
    let path = bench.directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a time-out");
    let mut command = bench.forgewatch();
    command.arg("run").env("NOTIFY_SOCKET", &path).envs(variables.iter().copied());
    (Manager(socket), bench.run(&mut command))
}

#[test]
fn each_state_is_told() {
    let bench = Bench::new(CONFIG);
    let (manager, process) = start(&bench, &[]);
    let first = manager.hear();
    assert_eq!(first, "READY=1\nSTATUS=watching\n");

    process.signal(Signal::SIGHUP).expect("it runs");
    let message = manager.hear_of(&["RELOADING=1"]);
    let time = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    let time = time.and_then(|text| text.parse::<u64>().ok()).expect("a time");
    let now = probe_user::source::clock::awake() / 1_000;
    assert!(time <= now && now - time < 10_000_000, "{time} is not of now ({now})");
    manager.hear_of(&["READY=1", "STATUS=watching; the configuration was read anew"]);

    bench.configure("nonsense = 1\n");
    process.signal(Signal::SIGHUP).expect("it runs");
    manager.hear_of(&["RELOADING=1"]);
    manager.hear_of(&["READY=1", "STATUS=watching; the new configuration was refused"]);

    bench.configure(&format!("{CONFIG}[log]\nstatus_seconds = 1\n"));
    process.signal(Signal::SIGHUP).expect("it runs");
    manager.hear_of(&["STATUS=0 packets, 0 flows, 0 findings; lost since"]);

    process.signal(Signal::SIGTERM).expect("it runs");
    manager.hear_of(&["STOPPING=1"]);
    let log = stop_after(process);
    assert!(log.contains("status: 0 packets"), "{log}");
}

fn stop_after(mut process: Process) -> String {
    assert!(process.wait(SOON).expect("it ends").success(), "{}", process.log());
    process.log()
}

/// The dog is fed by the loop: it goes hungry when the loop stands still.
#[test]
fn the_watchdog_hears_the_loop_and_nothing_else() {
    let bench = Bench::new(CONFIG);
    let (manager, process) = start(&bench, &[("WATCHDOG_USEC", "1000000")]);
    manager.hear_of(&["READY=1"]);
    for _ in 0..3 {
        assert_eq!(manager.hear(), "WATCHDOG=1\n");
    }
    process.signal(Signal::SIGSTOP).expect("it runs");
    manager.0.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let mut octets = [0; 64];
    // One may have been on its way when it was stopped.
    let heard = (0..2).filter(|_| manager.0.recv(&mut octets).is_ok()).count();
    assert!(heard < 2, "somebody else feeds it");
    process.signal(Signal::SIGCONT).expect("it is there");
    manager.0.set_read_timeout(Some(SOON)).expect("a time-out");
    assert_eq!(manager.hear(), "WATCHDOG=1\n");
    stop(process);

    // Meant for another process.
    let other = Bench::new(CONFIG);
    let (manager, process) = start(&other, &[("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")]);
    manager.hear_of(&["READY=1"]);
    process.signal(Signal::SIGTERM).expect("it runs");
    assert_eq!(manager.hear(), "STOPPING=1\n");
}
