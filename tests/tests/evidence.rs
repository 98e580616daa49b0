//! The packets behind findings: faithful where they may be, silent where they must be, and readable by
//! others. Over all of the corpus at its smallest.

use std::{
    fs,
    io::Write as _,
    net::IpAddr,
    path::Path,
    process::{Command, Output},
    sync::{Arc, LazyLock},
};

use probe_common::config::Config;
use probe_tests::corpus::{
    build::{self, Scale},
    case,
};
use probe_user::{
    evidence::{
        self, CLIENT_PORT, End, OCTETS_MAX, Origin, PACKETS_MAX, Standing, exhibits,
        pcapng::{self, Chapter, Origins},
    },
    judge::{Judge, Settings, Telling},
    report::{
        Finding,
        finding::{Protocol, Verdict},
    },
    source::{
        capture::CaptureReader,
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

fn replay(path: &Path) -> Vec<Finding> {
    let mut reader = CaptureReader::open(path).expect("a capture");
    let targets = Arc::new(TargetSet::builtin());
    let mut judge = Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets });
    let mut packets = Packets::new(Driver::local(Config::replay()));
    let mut findings = Vec::new();
    while let Some(frame) = reader.next_frame().expect("a frame") {
        packets.take(&frame, &mut judge, |finding| findings.push(finding)).expect("it is taken");
    }
    packets.scan_last(&mut judge, |finding| findings.push(finding));
    judge.finish(|finding| findings.push(finding));
    findings
}

/// What is found in the corpus: made once, for it takes a while.
fn findings() -> &'static [Finding] {
    static FINDINGS: LazyLock<Vec<Finding>> = LazyLock::new(find);
    &FINDINGS
}

fn find() -> Vec<Finding> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("case.pcap");
    let mut all = Vec::new();
    for plan in build::plans() {
        let case = plan.make(1, Scale::SMALL);
        let file = fs::File::create(&path).expect("a file");
        case::write_pcap(&case.tape, case::EPOCH, file).expect("a capture");
        all.extend(replay(&path));
    }
    all
}

fn has(octets: &[u8], wanted: &[u8]) -> bool {
    octets.windows(wanted.len()).any(|window| window == wanted)
}

fn chapters(findings: &[Finding]) -> Vec<Chapter> {
    let chapter = |finding: &Finding| Chapter {
        begin: finding.time / 60_000_000_000 * 60_000_000_000,
        title: finding.signatures.first().map_or_else(String::new, |one| one.words.clone()),
        packets: finding.packets.to_vec(),
    };
    findings.iter().map(chapter).collect()
}

fn write(path: &Path, chapters: &[Chapter]) {
    let origins = Origins {
        comment: "Made by a test.\nNothing of it was measured.".into(),
        system: Some("Linux 6.18.0".into()),
        program: "forgewatch 0.1.0".into(),
        place: "a test".into(),
    };
    let mut octets = Vec::new();
    pcapng::write(&mut octets, &origins, chapters).expect("it is written to memory");
    fs::File::create(path).and_then(|mut file| file.write_all(&octets)).expect("a file");
}

fn tshark(path: &Path, arguments: &[&str]) -> (String, String) {
    let output: Output = Command::new("tshark")
        .arg("-r")
        .arg(path)
        .args(["-n", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"])
        .args(["-o", "udp.check_checksum:TRUE"])
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("tshark (cargo xtask setup --tests installs it)");
    let [said, complained] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "tshark {arguments:?}: {}: {complained}", output.status);
    // Running as root is worth a remark to it.
    let complained = complained.lines().filter(|line| !line.starts_with("Running as user"));
    (said, complained.collect::<Vec<_>>().join("\n"))
}

#[test]
fn evidence_has_the_packets_and_not_the_client() {
    let findings = findings();
    let (mut with_packets, mut forged) = (0, 0);
    for finding in findings {
        let client: IpAddr = finding.client.ip().to_canonical();
        let octets = match client {
            IpAddr::V4(client) => client.octets().to_vec(),
            IpAddr::V6(client) => client.octets().to_vec(),
        };
        assert!(finding.packets.len() <= PACKETS_MAX);
        for packet in &*finding.packets {
            assert!(packet.bytes.len() <= OCTETS_MAX);
            let header = if client.is_ipv4() { 20 } else { 40 };
            assert!(!has(&packet.bytes[..header], &octets), "the client's address: {packet:02x?}");
            assert!(!packet.note.contains(&client.to_string()), "{packet:?}");
            let port_at = if packet.from == End::Client { header } else { header + 2 };
            assert_eq!(packet.bytes[port_at..port_at + 2], CLIENT_PORT.to_be_bytes());
        }
        let shown = exhibits(&finding.packets);
        assert_eq!(shown.len(), finding.packets.len(), "all can be read: {finding:?}");
        assert!(shown.is_sorted_by_key(|packet| packet.offset));
        for packet in &shown {
            let accused = packet.standing.accuses();
            let dns = finding.protocol == Protocol::Dns;
            assert!(accused || dns || packet.payload.is_empty(), "genuine payload: {packet:?}");
            assert!(!has(&packet.payload, &octets), "the client's address: {packet:?}");
            let own = !accused && packet.from == End::Client;
            assert_eq!(packet.ip.is_none(), own, "{packet:?}");
            if packet.standing != Standing::Genuine {
                assert_eq!(packet.standing, Standing::of(finding.verdict), "{finding:?}");
                assert!(dns || packet.origin == Origin::Packet, "a record is no forged packet");
            }
        }
        let marked = shown.iter().filter(|packet| packet.standing != Standing::Genuine).count();
        let told = finding.frames.len();
        if finding.protocol != Protocol::Dns {
            // Of a long burst half of the room, less what the record takes.
            assert!(marked == told || marked >= 6 && marked < told, "{marked}: {finding:?}");
        }
        assert!(!shown.is_empty(), "{finding:?}");
        with_packets += usize::from(!shown.is_empty());
        forged += marked;
    }
    assert!(with_packets > 500, "only {with_packets} of {} findings", findings.len());
    assert!(forged > 500, "only {forged} forged packets");
}

#[test]
fn what_a_forged_packet_looked_like_is_kept() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/henan-v4-after-upstream/capture.pcap");
    let findings = replay(&path);
    let finding = findings.iter().find(|one| one.verdict == Verdict::Injected).expect("a finding");
    let shown = exhibits(&finding.packets);
    let forged: Vec<_> = shown.iter().filter(|one| one.standing == Standing::Forged).collect();
    let [forged] = forged.as_slice() else { panic!("{shown:#?}") };
    let (ip, tcp) = (forged.ip.expect("IP"), forged.tcp.as_ref().expect("TCP"));
    assert_eq!(forged.payload, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
    assert_eq!(
        (ip.hops, ip.id, ip.df, tcp.flags, tcp.window),
        (54, Some(1), Some(false), 0x14, Some(0))
    );
    // The server's first octet, after all that the client had said.
    let hello =
        shown.iter().find(|one| one.from == End::Client && one.length > 0).expect("a hello");
    assert_eq!((tcp.seq, tcp.ack), (1, Some(1 + hello.length)));
    let [syn, answer] = &shown[..2] else { panic!("{shown:#?}") };
    let numbers = [syn, answer].map(|one| one.tcp.as_ref().map(|tcp| (tcp.seq, tcp.ack)));
    assert_eq!(numbers, [Some((0, None)), Some((0, Some(1)))]);
    // What gives it away comes later, and is the server's own.
    let later = shown.iter().filter(|one| one.offset > forged.offset && one.from == End::Server);
    assert!(later.clone().any(|one| one.length > 0 && one.standing == Standing::Genuine));
}

#[test]
fn tshark_reads_it_without_a_complaint() {
    let findings = findings();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("evidence.pcapng");
    let chapters = chapters(findings);
    write(&path, &chapters);
    let packets: usize = chapters.iter().map(|chapter| chapter.packets.len()).sum();

    let (text, complained) = tshark(&path, &["-V"]);
    assert_eq!(complained, "");
    for bad in
        ["Malformed", "malformed", "Dissector bug", "[incorrect", "Bad checksum", "Unreassembled"]
    {
        let at = text.find(bad).map(|at| &text[at.saturating_sub(600)..(at + 200).min(text.len())]);
        assert_eq!(at, None, "tshark says {bad}");
    }
    let (errors, _) = tshark(&path, &["-Y", "_ws.malformed or _ws.expert.severity == error"]);
    assert_eq!(errors, "");
    let (bad, _) = tshark(&path, &["-Y", "ip.checksum.status == 0 or tcp.checksum.status == 0"]);
    assert_eq!(bad, "");
    let fields = ["-T", "fields", "-e", "frame.comment", "-e", "frame.time_epoch"];
    let (comments, _) = tshark(&path, &fields);
    assert_eq!(comments.lines().count(), packets);
    for line in comments.lines() {
        assert!(line.starts_with("Finding "), "{line}");
    }
    assert_eq!(
        comments.lines().filter(|line| line.contains("FORGED")).count(),
        chapters
            .iter()
            .flat_map(|one| &one.packets)
            .filter(|one| one.standing == Standing::Forged)
            .count()
    );
    let info = Command::new("capinfos").arg("-k").arg("-F").arg(&path).output();
    if let Ok(info) = info {
        assert!(info.status.success(), "{info:?}");
    }
}

#[test]
fn forgewatch_reads_it_too() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/gfw-type2-v4-after-upstream/capture.pcap");
    let findings = replay(&path);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("evidence.pcapng");
    write(&path, &chapters(&findings));
    let mut reader = CaptureReader::open(&path).expect("a capture");
    let (mut times, mut count) = (Vec::new(), 0);
    while let Some(frame) = reader.next_frame().expect("a frame") {
        times.push(frame.time);
        count += 1;
    }
    assert!(count > 0 && reader.skipped().is_empty(), "{:?}", reader.skipped());
    // The minute is known, the moment is not.
    assert_eq!(times[0] % 60_000_000_000, 0);
    assert!(times.is_sorted());
    assert_eq!(times[0] / 60_000_000_000, findings[0].time / 60_000_000_000);
    assert_eq!(count, findings.iter().map(|finding| finding.packets.len()).sum::<usize>());
    let stand_in = evidence::stand_in(findings[0].server.ip()).ip().to_string();
    assert_eq!(stand_in, "192.0.2.1");
}

#[test]
fn a_suspicion_calls_no_packet_forged() {
    let (mut suspicions, mut lies) = (0, 0);
    for finding in findings() {
        if matches!(finding.verdict, Verdict::Suspect | Verdict::Lied | Verdict::Dropped) {
            let accused = finding.packets.iter().find(|packet| packet.standing.accuses());
            assert_eq!(accused, None, "{finding:?}");
            suspicions += 1;
            lies += usize::from(finding.verdict == Verdict::Lied);
        }
    }
    assert!(suspicions > 50, "only {suspicions}, {lies} of them lies");
}

#[test]
fn a_false_answer_is_shown_beside_the_true_one() {
    let dual = findings().iter().find(|finding| {
        finding.protocol == Protocol::Dns
            && finding.verdict == Verdict::Injected
            && finding.signatures.iter().any(|one| one.id == "DNS_DUAL")
    });
    let shown = exhibits(&dual.expect("a finding").packets);
    assert_eq!(shown[0].from, End::Client, "{shown:#?}");
    assert!(shown[0].tcp.is_none() && shown[0].payload.is_empty() && shown[0].length > 0);
    let forged = shown.iter().find(|one| one.standing == Standing::Forged).expect("a forged one");
    assert!(forged.payload.len() as u32 == forged.length, "all of it: {forged:?}");
    let genuine = shown[1..].iter().find(|one| one.standing == Standing::Genuine);
    let genuine = genuine.expect("a genuine one");
    assert!(genuine.payload.is_empty() && genuine.note != forged.note, "{shown:#?}");
}

#[test]
fn evidence_of_nothing_is_a_file_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("evidence.pcapng");
    write(&path, &[]);
    let (text, complained) = tshark(&path, &["-V"]);
    assert_eq!((text.as_str(), complained.as_str()), ("", ""));
}
