//! Three findings, packet by packet.

use probe_common::wire::tcp_flag::{ACK, PSH, RST, SYN};
use probe_user::{
    evidence::{End, Evidence, Exhibit, Ip, Origin, Reason, Standing, Tcp},
    report::finding::{Confidence, EvidenceClass, Position, Protocol, Stage, Verdict},
};

use super::world::{MINUTE, START};

fn exhibit(
    offset: u64,
    from: End,
    flags: u16,
    numbers: [u32; 2],
    length: u32,
    note: &str,
) -> Exhibit {
    let server = from == End::Server;
    Exhibit {
        offset: offset * 1_000,
        from,
        standing: Standing::Genuine,
        origin: Origin::Packet,
        ip: server.then_some(Ip {
            hops: 51,
            class: 0,
            id: Some(0x3c21),
            df: Some(true),
            flow_label: None,
        }),
        tcp: Some(Tcp {
            flags,
            seq: numbers[0],
            ack: (flags & ACK != 0).then_some(numbers[1]),
            window: server.then_some(501),
            urgent: 0,
            options: Vec::new(),
        }),
        length,
        payload: Vec::new(),
        note: note.into(),
    }
}

fn forged(mut exhibit: Exhibit, hops: u8, id: u16, payload: &[u8]) -> Exhibit {
    exhibit.standing = Standing::Forged;
    exhibit.ip = Some(Ip { hops, class: 0, id: Some(id), df: Some(false), flow_label: None });
    if let Some(tcp) = &mut exhibit.tcp {
        tcp.window = Some(0);
    }
    exhibit.payload = payload.to_vec();
    exhibit
}

fn reason(id: &str, class: EvidenceClass, confidence: Confidence, words: &str) -> Reason {
    Reason { id: id.into(), class, confidence, words: words.into() }
}

fn evidence(
    protocol: Protocol,
    verdict: Verdict,
    reasons: Vec<Reason>,
    packets: Vec<Exhibit>,
) -> Evidence {
    Evidence {
        time: START + 840 * MINUTE,
        within: 3_600,
        crowd: 402,
        protocol,
        verdict,
        confidence: reasons[0].confidence,
        reasons,
        server: "108.174.10.10:443".parse().expect("an address"),
        name: Some("www.linkedin.com".into()),
        service: Some("linkedin".into()),
        stage: Some(Stage::PostPsh),
        position: Position::Upstream,
        hops: Some(4),
        hops_range: Some([3, 5]),
        server_hops: Some(13),
        fingerprints: vec!["fp-401535a69bf1".into()],
        packets,
    }
}

/// Three resets after the name, and a server that goes on.
pub(super) fn resets() -> Evidence {
    let mut packets = vec![
        exhibit(0, End::Client, SYN, [0, 0], 0, ""),
        exhibit(25_310, End::Server, SYN | ACK, [0, 1], 0, ""),
        exhibit(25_702, End::Client, PSH | ACK, [1, 1], 517, "the name is asked for"),
    ];
    packets[0].origin = Origin::Record;
    packets[1].origin = Origin::Record;
    for step in 0..3 {
        let reset = exhibit(
            30_120 + step * 11,
            End::Server,
            RST | ACK,
            [1 + 1_460 * step as u32, 518],
            10,
            "",
        );
        packets.push(forged(reset, 60, 0x0001, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]));
    }
    packets.push(exhibit(30_341, End::Client, RST, [518, 0], 0, ""));
    packets.push(exhibit(
        50_874,
        End::Server,
        PSH | ACK,
        [1, 518],
        1_448,
        "new data after \"its\" reset",
    ));
    let reasons = vec![
        reason(
            "DATA_AFTER_RST",
            EvidenceClass::S,
            Confidence::C3,
            "the server went on after \"its\" reset: 1448 new octets 20.754 ms later",
        ),
        reason(
            "RST_PAYLOAD_K",
            EvidenceClass::K,
            Confidence::C3,
            "the reset carries 01020304050607080900, the mark of a known device",
        ),
        reason(
            "LINEAGE_BREAK",
            EvidenceClass::H,
            Confidence::C2,
            "TTL 60 where the server's packets have 51, DF clear where they have it set",
        ),
    ];
    evidence(Protocol::Tcp, Verdict::Injected, reasons, packets)
}

/// Two answers to one question.
pub(super) fn answers() -> Evidence {
    let dns = |offset, from, length, note: &str| {
        let mut exhibit = exhibit(offset, from, 0, [0, 0], length, note);
        exhibit.tcp = None;
        exhibit
    };
    let answer = b"\x1f\x02\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03www\x08linkedin\x03com\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x2e\x52\xae\x44";
    let packets = vec![
        dns(0, End::Client, 34, "A of www.linkedin.com"),
        forged(dns(4_211, End::Server, 50, "46.82.174.68"), 60, 0x4c57, answer),
        dns(31_907, End::Server, 118, "108.174.10.10, by way of two CNAMEs"),
    ];
    let reasons = vec![reason(
        "DNS_DUAL",
        EvidenceClass::D,
        Confidence::C3,
        "two answers that contradict each other: 46.82.174.68, and 27.696 ms later 108.174.10.10",
    )];
    let mut evidence = evidence(Protocol::Dns, Verdict::Injected, reasons, packets);
    evidence.server = "8.8.8.8:53".parse().expect("an address");
    (evidence.stage, evidence.fingerprints) = (None, Vec::new());
    evidence
}

/// A hello that nobody answers.
pub(super) fn silence() -> Evidence {
    let packets = vec![
        exhibit(0, End::Client, SYN, [0, 0], 0, ""),
        exhibit(25_310, End::Server, SYN | ACK, [0, 1], 0, ""),
        exhibit(25_702, End::Client, PSH | ACK, [1, 1], 517, "the name is asked for"),
        exhibit(240_118, End::Client, PSH | ACK, [1, 1], 517, "again"),
        exhibit(672_003, End::Client, PSH | ACK, [1, 1], 517, "again"),
    ];
    let reasons = vec![
        reason(
            "CH_BLACKHOLE",
            EvidenceClass::N,
            Confidence::C2,
            "the ClientHello was sent 3 times in 4.2 s and never acknowledged",
        ),
        reason(
            "STAGE_SNI",
            EvidenceClass::P,
            Confidence::C2,
            "this name is cut off 41 times of 41 at this address, others 0 of 388",
        ),
    ];
    let mut evidence = evidence(Protocol::Tcp, Verdict::Dropped, reasons, packets);
    evidence.server = "[2620:109:c00a::1]:443".parse().expect("an address");
    (evidence.hops, evidence.hops_range, evidence.fingerprints) = (None, None, Vec::new());
    evidence.position = Position::Unknown;
    evidence
}
