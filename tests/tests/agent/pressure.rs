//! Under pressure the agent gives up what it says it gives up, and says so.

use std::net::{TcpListener, TcpStream};

use nix::sys::signal::Signal;

use super::{Bench, SOON, says, stop};

/// More events than the smallest ring has room for.
const CONNECTIONS: usize = 100;

#[test]
fn a_full_ring_is_told_with_what_it_cost() {
    let bench = Bench::new(
        "interfaces = [\"lo\"]\nall = true\n[kernel]\nring_octets = 4096\n\
         [state]\nrecord = false\n[log]\nstatus_seconds = 1\n",
    );
    let process = bench.run(bench.forgewatch().arg("run"));
    says(&process, "status: ");
    process.stun(SOON).expect("it runs");
    let converse = || -> std::io::Result<()> {
        use std::io::Write as _;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(listener.local_addr()?)?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n")?;
            drop(listener.accept()?);
        }
        Ok(())
    };
    bench.namespace.enter(converse).expect("in the namespace").expect("conversations");
    process.signal(Signal::SIGCONT).expect("it is there");
    says(&process, "under pressure: the ring was full, and ");
    says(&process, "lost since the last status: events_ring_full ");
    stop(process);
}
