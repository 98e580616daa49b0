//! Every octet that a run leaves behind is read, and no client's address is in it.

use std::{collections::BTreeSet, fs, net::IpAddr, path::Path, time::Duration};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use nix::sys::signal::Signal;
use probe_tests::{
    corpus::build::{self, Scale},
    corpus::case,
    lab::{
        Lab, agent,
        clients::Kind,
        injector::{Injector, Settings, model::Model},
        network::{CLIENT, WAN},
        process::Process,
        servers::NAMES,
        wait,
    },
};
use probe_user::{ledger::Reader, source::capture::CaptureReader};

use super::{captures, findings, forgewatch, run, succeed};

/// How an address may be written.
fn forms(address: IpAddr) -> Vec<Vec<u8>> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut backwards = octets.clone();
    backwards.reverse();
    let mut forms = vec![
        octets,
        backwards,
        address.to_string().into_bytes(),
        hex.to_ascii_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    match address {
        IpAddr::V4(address) => {
            forms.push(address.to_bits().to_string().into_bytes());
            forms.push(address.to_ipv6_mapped().to_string().into_bytes());
        }
        IpAddr::V6(address) => {
            let full: Vec<String> =
                address.segments().iter().map(|segment| format!("{segment:04x}")).collect();
            forms.push(full.join(":").into_bytes());
        }
    }
    forms
}

/// Where a client is named in `octets`, if anywhere.
fn traces(octets: &[u8], clients: &BTreeSet<IpAddr>) -> Vec<String> {
    let mut found = Vec::new();
    for client in clients {
        for form in forms(*client) {
            if let Some(at) = octets.windows(form.len()).position(|window| window == form) {
                found.push(format!("{client} at octet {at}, as {form:02x?}"));
            }
        }
    }
    found
}

/// Every octet of every file under `dir`.
fn assert_nobody(dir: &Path, clients: &BTreeSet<IpAddr>) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files += assert_nobody(&path, clients);
            continue;
        }
        let octets = fs::read(&path).expect("a file");
        let found = traces(&octets, clients);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        files += 1;
    }
    files
}

/// Gives the clients of a capture addresses that do not come about by chance, as 10.0.0.1 does in any
/// file. The sum that checksums are made of stays the same, as in RFC 6296.
fn disguise(path: &Path, to: &Path) {
    /// First half of the new addresses, which are in 100.64.0.0/10.
    const HALF: u16 = 0x6455;
    let mut octets = fs::read(path).expect("a capture");
    let mut at = 24;
    while at + 16 <= octets.len() {
        let length = u32::from_le_bytes([8, 9, 10, 11].map(|offset| octets[at + offset])) as usize;
        let frame = &mut octets[at + 16..at + 16 + length];
        at += 16 + length;
        let header = match SlicedPacket::from_ethernet(frame).map(|packet| packet.net) {
            Ok(Some(NetSlice::Ipv4(ip))) => {
                ip.header().slice().as_ptr() as usize - frame.as_ptr() as usize
            }
            _ => continue,
        };
        for place in [header + 12, header + 16] {
            if frame[place] != 10 {
                continue;
            }
            let halves = [0, 2].map(|offset| {
                u32::from(u16::from_be_bytes([frame[place + offset], frame[place + offset + 1]]))
            });
            let rest = halves[0] + halves[1] + 0xffff - u32::from(HALF);
            let rest = (rest & 0xffff) + (rest >> 16);
            frame[place..place + 2].copy_from_slice(&HALF.to_be_bytes());
            frame[place + 2..place + 4].copy_from_slice(&(rest as u16).to_be_bytes());
        }
    }
    fs::write(to, octets).expect("room");
}

/// Who opened connections or asked questions in a capture.
fn clients(path: &Path) -> BTreeSet<IpAddr> {
    let mut clients = BTreeSet::new();
    let mut reader = CaptureReader::open(path).expect("a capture");
    while let Some(frame) = reader.next_frame().expect("a frame") {
        let Ok(packet) = SlicedPacket::from_ethernet(frame.data) else { continue };
        let asks = match &packet.transport {
            Some(TransportSlice::Tcp(tcp)) => tcp.syn() && !tcp.ack(),
            Some(TransportSlice::Udp(udp)) => udp.destination_port() == 53,
            _ => false,
        };
        let source = match &packet.net {
            Some(NetSlice::Ipv4(ip)) => IpAddr::from(ip.header().source_addr()),
            Some(NetSlice::Ipv6(ip)) => IpAddr::from(ip.header().source_addr()),
            _ => continue,
        };
        if asks {
            clients.insert(source);
        }
    }
    clients
}

#[test]
fn the_search_finds_an_address_however_it_is_written() {
    let clients: BTreeSet<IpAddr> =
        ["10.71.1.2", "fd71::1:2"].iter().map(|text| text.parse().expect("an address")).collect();
    for text in
        ["x10.71.1.2:443", "0a470102", "0A470102", "::ffff:10.71.1.2", "172425474", "fd71::1:2"]
    {
        assert!(!traces(text.as_bytes(), &clients).is_empty(), "{text}");
    }
    assert!(!traces(&[9, 10, 71, 1, 2, 9], &clients).is_empty());
    assert!(!traces(b"fd71:0000:0000:0000:0000:0000:0001:0002", &clients).is_empty());
    assert!(traces(b"10.71.1.0/24 fd71::/48 10.71.4.10", &clients).is_empty());
}

#[test]
fn nobody_is_in_what_a_replay_leaves() {
    let dir = tempfile::tempdir().expect("a directory");
    // Every case of the corpus with a censor in it, besides the small ones.
    let cases = dir.path().join("cases");
    fs::create_dir(&cases).expect("a directory");
    let mut paths = Vec::new();
    for (number, path) in captures().iter().enumerate() {
        paths.push(cases.join(format!("small-{number}.pcap")));
        disguise(path, &paths[number]);
    }
    for plan in
        build::plans().into_iter().filter(|plan| !plan.name().starts_with("innocent")).step_by(3)
    {
        let path = cases.join(format!("{}.pcap", plan.name()));
        let case = plan.make(7, Scale::SMALL);
        let file = fs::File::create(&path).expect("room");
        case::write_pcap(&case.tape, case::EPOCH, file).expect("a capture");
        disguise(&path, &path);
        paths.push(path);
    }
    let everybody: BTreeSet<IpAddr> = paths.iter().flat_map(|path| clients(path)).collect();
    assert!(everybody.len() > 5, "{everybody:?}");
    assert!(
        everybody
            .iter()
            .all(|client| client.is_ipv6() || client.to_string().starts_with("100.85."))
    );

    let left = dir.path().join("left");
    let mut command = forgewatch();
    command.env("FORGEWATCH_LOG", "trace").args(["replay", "--json", "--k", "1"]);
    command
        .arg("--state")
        .arg(left.join("state"))
        .arg("--report")
        .arg(left.join("report"))
        .args(&paths);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(left.join("stdout"), &output.stdout).expect("room");
    fs::write(left.join("stderr"), &output.stderr).expect("room");
    let recorded = findings(&Reader::open(&left.join("state")).expect("a ledger")).len();
    assert!(recorded > 20, "{recorded}");
    assert!(assert_nobody(&left, &everybody) >= 8);
}

#[test]
fn nobody_is_in_what_a_run_leaves() {
    let lab = Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs");
    let injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    let router = &lab.network.router;
    let mut command = router.command(agent::path().expect("which agent to test"));
    command.args(["run", "--iface", WAN, "--json", "--all", "--state"]).arg(&state);
    command.env("FORGEWATCH_LOG", "trace");
    let mut process =
        Process::start_logged("forgewatch", &mut command, dir.path()).expect("it starts");
    process.ready(|| agent::attached(router, WAN).ok().filter(|at| at.any())).expect("it watches");
    for (name, pair) in NAMES {
        for kind in [Kind::A, Kind::Aaaa] {
            lab.lookup(name, kind).expect("an answer");
        }
        for address in pair.both() {
            lab.https(name, address).expect("curl runs");
        }
    }
    assert!(!injector.shots().is_empty());
    let everybody: BTreeSet<IpAddr> = CLIENT.both().into();
    let recorded = |least: usize| {
        wait::until("findings", Duration::from_secs(20), || {
            let rows = findings(&Reader::open(&state).ok()?);
            (rows.len() >= least).then_some(rows.len())
        })
    };
    assert!(recorded(4).expect("findings are recorded") >= 4);
    // With SQLite's log and index, as they are while it runs.
    assert!(assert_nobody(dir.path(), &everybody) >= 4);
    process.signal(Signal::SIGTERM).expect("a signal");
    process.wait(Duration::from_secs(20)).expect("it ends");
    let report = dir.path().join("report");
    let mut command = forgewatch();
    command.args(["report", "--k", "1", "--format", "ndjson,ooni,parquet,radar", "--state"]);
    succeed(command.arg(&state).arg("--out").arg(&report));
    assert!(assert_nobody(dir.path(), &everybody) >= 8);
    assert!(process.log().contains(r#""record":"finding""#), "the log is what it says");
}
