//! SIGHUP: all is read anew, and what is no good changes nothing.

use nix::sys::signal::Signal;

use super::{Bench, says, stop};

#[test]
fn what_can_change_does_and_what_cannot_is_told() {
    let bench = Bench::new("interfaces = [\"lo\"]\n[state]\nrecord = false\nkeep_days = 30\n");
    let process = bench.run(bench.forgewatch().arg("run"));
    let reload = || process.signal(Signal::SIGHUP).expect("it runs");

    reload();
    says(&process, "the targets were read anew, and are the same");

    bench.configure(
        "interfaces = [\"lo\", \"eth9\"]\n[kernel]\nring_octets = 4096\n\
         [state]\nrecord = false\nkeep_days = 31\nheartbeat_seconds = 1\n",
    );
    reload();
    says(&process, "state.keep_days is now 31; it was 30");
    says(&process, "state.heartbeat_seconds is now 1; it was 60");
    says(
        &process,
        "interfaces stays [\"lo\"]: it changes to [\"lo\", \"eth9\"] with the next start",
    );
    says(&process, "kernel.ring_octets stays 16777216");

    // What is no good changes nothing, not even what is good beside it.
    bench.configure("[state]\nkeep_days = 32\nkeep_octets = 1\n");
    reload();
    says(&process, "line 3, column 15: 1 is not allowed here");
    says(&process, "nothing was changed");
    bench.configure("targets = [\"missing.toml\"]\n[state]\nkeep_days = 33\n");
    reload();
    says(&process, "missing.toml");
    let log = stop(process);
    assert!(!log.contains("is now 32") && !log.contains("is now 33"), "{log}");
}

/// Nothing of what is known goes: the counts go on, and a connection from before ends as itself.
#[test]
fn a_reload_loses_no_connection() {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
    };
    let bench = Bench::new("interfaces = [\"lo\"]\nall = true\n[state]\nrecord = false\n");
    let process = bench.run(bench.forgewatch().arg("run"));
    let pair = || -> std::io::Result<_> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        Ok((stream, listener.accept()?.0))
    };
    let (mut client, mut server) =
        bench.namespace.enter(pair).expect("in the namespace").expect("a connection");
    client.write_all(b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n").expect("sent");
    server.read_exact(&mut [0; 40]).expect("received");
    bench.configure("interfaces = [\"lo\"]\nall = true\n[state]\nrecord = false\nkeep_days = 1\n");
    process.signal(Signal::SIGHUP).expect("it runs");
    says(&process, "state.keep_days is now 1");
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("sent");
    client.read_exact(&mut [0; 38]).expect("received");
    drop((client, server));
    let log = stop(process);
    let seen = log.lines().find(|line| line.starts_with("seen")).expect("what was seen");
    assert!(seen.contains("(1 TCP)"), "{log}");
}
