//! Whole records as they are written, and outputs that fail.

use std::fs::OpenOptions;

use serde_json::json;

use super::finding::{
    Confidence, EvidenceClass, Position, Protocol, Signature, Stage, Told, Verdict,
};
use super::pseudonym::Pseudonyms;
use super::summary::{Clock, ClockSource, TargetsUsed};
use super::*;
use crate::evidence::Packets;

const TIME: u64 = 1_795_514_401_123_456_789;

fn signature(
    id: &'static str,
    class: EvidenceClass,
    measured: serde_json::Value,
    words: &str,
) -> Signature {
    let serde_json::Value::Object(measured) = measured else { panic!("measured is an object") };
    Signature { id, class, confidence: Confidence::C3, measured, words: words.into() }
}

fn finding() -> Finding {
    Finding {
        time: TIME,
        protocol: Protocol::Tcp,
        verdict: Verdict::Injected,
        confidence: Confidence::C3,
        signatures: vec![
            signature(
                "DATA_AFTER_RST",
                EvidenceClass::S,
                json!({"bytes_after": 512, "after_us": 812.5}),
                "the server went on sending 512 bytes after \"its\" RST",
            ),
            signature("TTLWIN_RAMP", EvidenceClass::H, json!({}), "TTL and window rise together"),
        ],
        client: "[::ffff:10.71.1.1]:40123".parse().unwrap(),
        server: "[::ffff:10.71.4.2]:443".parse().unwrap(),
        name: Some("www.linkedin.com".into()),
        service: Some("linkedin".into()),
        position: Position::Upstream,
        injector_hops: Some(2),
        injector_hops_range: Some([1, 3]),
        server_hops: Some(7),
        frames: vec![12, 13],
        stage: Some(Stage::PostPsh),
        fingerprints: vec![],
        revises: None,
        packets: Packets::default(),
    }
}

fn written(form: Form, clients: Clients, finding: &Finding) -> String {
    let mut writer = Writer::new(Vec::new(), form, clients);
    writer.finding(finding).unwrap();
    String::from_utf8(writer.into_inner()).unwrap()
}

#[test]
fn a_finding_in_json_is_the_contract() {
    let expected = concat!(
        r#"{"record":"finding","time":"2026-11-24T10:00:01.123456789Z","protocol":"tcp","#,
        r#""verdict":"injected","confidence":"C3","signatures":[{"id":"DATA_AFTER_RST","class":"S","#,
        r#""confidence":"C3","measured":{"bytes_after":512,"after_us":812.5},"#,
        r#""words":"the server went on sending 512 bytes after \"its\" RST"},"#,
        r#"{"id":"TTLWIN_RAMP","class":"H","confidence":"C3","measured":{},"#,
        r#""words":"TTL and window rise together"}],"client":"10.71.1.1:40123","#,
        r#""server":"10.71.4.2:443","name":"www.linkedin.com","service":"linkedin","#,
        r#""position":"upstream","injector_hops":2,"frames":[12,13],"server_hops":7,"#,
        r#""stage":"post_psh","fingerprints":[],"revises":null,"injector_hops_range":[1,3]}"#,
        "\n"
    );
    assert_eq!(written(Form::Json, Clients::Clear, &finding()), expected);
}

#[test]
fn what_is_unknown_is_null() {
    let bare = Finding {
        signatures: Vec::new(),
        name: None,
        service: None,
        position: Position::Unknown,
        injector_hops: None,
        injector_hops_range: None,
        server_hops: None,
        frames: Vec::new(),
        stage: None,
        ..finding()
    };
    let json = written(Form::Json, Clients::Clear, &bare);
    let end = r#""name":null,"service":null,"position":"unknown","injector_hops":null,"frames":[],"server_hops":null,"stage":null,"fingerprints":[],"revises":null,"injector_hops_range":null}"#;
    assert!(json.trim_end().ends_with(end), "{json}");
}

#[test]
fn a_finding_for_people() {
    let expected = "2026-11-24 10:00:01.123Z  INJECTED C3   tcp   www.linkedin.com (linkedin)  \
        10.71.1.1:40123 -> 10.71.4.2:443  the server went on sending 512 bytes after \"its\" RST \
        [DATA_AFTER_RST]; TTL and window rise together [TTLWIN_RAMP]; injector ~2 hops upstream, \
        server 7; frames 12, 13\n";
    assert_eq!(written(Form::Human { colour: false }, Clients::Clear, &finding()), expected);
    let coloured = written(Form::Human { colour: true }, Clients::Clear, &finding());
    assert!(coloured.contains("\x1b[1;31mINJECTED C3 \x1b[0m"), "{coloured}");
}

#[test]
fn no_client_address_or_port_is_written() {
    for form in [Form::Json, Form::Human { colour: false }] {
        let line = written(form, Clients::Pseudonyms(Pseudonyms::new().unwrap()), &finding());
        assert!(line.contains("client-"), "{line}");
        assert!(!line.contains("10.71.1.1") && !line.contains("40123"), "{line}");
    }
}

#[test]
fn a_name_cannot_write_to_the_terminal() {
    let evil = Finding { name: Some("\x1b[2J\rwww\n".into()), ..finding() };
    let line = written(Form::Human { colour: false }, Clients::Clear, &evil);
    assert!(!line.contains('\x1b') && !line.contains('\r'), "{line:?}");
    assert_eq!(line.matches('\n').count(), 1);
    assert_eq!(written(Form::Json, Clients::Clear, &evil).matches('\n').count(), 1);
}

fn summary() -> Summary {
    let mut summary = Summary {
        packets: 12_345,
        flows: 12,
        tcp_flows: 9,
        resets: 1,
        dns_queries: 3,
        dns_replies: 4,
        first_packet: Some(TIME),
        last_packet: Some(TIME + 2_500_000_000),
        targets: Some(TargetsUsed::from(&crate::targets::TargetSet::builtin())),
        clock: Some(Clock { source: ClockSource::System, synchronised: Some(false) }),
        kernel: Some("6.18.0".into()),
        version: summary::VERSION.into(),
        ..Summary::default()
    };
    let first = Finding { confidence: Confidence::C2, ..finding() };
    let told = Told { verdict: first.verdict, confidence: first.confidence };
    summary.findings.add(&first);
    // The same connection once more: it counts once.
    summary.findings.add(&Finding { revises: Some(told), ..finding() });
    let suspect = Finding { verdict: Verdict::Suspect, confidence: Confidence::C1, ..finding() };
    summary.findings.add(&suspect);
    summary.lost.insert("ring_full".into(), 0);
    summary.stages.from_server.add(Stage::PostPsh);
    summary
}

#[test]
fn a_summary_in_json() {
    let mut writer = Writer::new(Vec::new(), Form::Json, Clients::Clear);
    writer.summary(&summary()).unwrap();
    let line = String::from_utf8(writer.into_inner()).unwrap();
    let start = r#"{"record":"summary","packets":12345,"flows":12,"tcp_flows":9,"resets":1,"dns_queries":3,"dns_replies":4,"findings":{"total":2,"#;
    assert!(line.starts_with(start), "{line}");
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["lost"], json!({"ring_full": 0}), "also a counter at 0 is named");
    assert_eq!(value["first_packet"], "2026-11-24T10:00:01.123456789Z");
    assert_eq!(value["targets"]["services"], json!(["linkedin"]));
    assert_eq!(value["clock"], json!({"source": "system", "synchronised": false}));
}

#[test]
fn a_summary_for_people() {
    let text = words::summary(&summary(), false);
    let expected = [
        "-- summary",
        "seen      12,345 packets, 12 flows (9 TCP), 1 reset, DNS 3 queries and 4 replies; 2.5 s from 2026-11-24 10:00:01.123Z",
        "found     1 injected C3, 1 suspect C1",
        "stages    resets from the server: 1 after the first data",
        "lost      nothing",
    ];
    for (line, expected) in text.lines().zip(expected) {
        assert_eq!(line, expected);
    }
    assert!(text.contains("watching linkedin (targets ") && text.contains("NOT synchronised"));

    let mut lossy = summary();
    lossy.lost.insert("ring_full".into(), 1_234);
    assert!(words::summary(&lossy, false).contains("lost      ring_full 1,234"));
    let nothing = words::summary(&Summary::default(), false);
    assert!(
        nothing.contains("found     nothing") && nothing.contains("is this where"),
        "{nothing}"
    );
}

#[test]
fn a_closed_pipe_is_an_error_of_its_own() {
    let (reader, pipe) = std::io::pipe().unwrap();
    drop(reader);
    let mut writer = Writer::new(pipe, Form::Json, Clients::Clear);
    let error = writer.finding(&finding()).unwrap_err();
    assert!(matches!(error, ReportError::Closed { .. }), "{error}");
}

#[test]
fn a_full_disk_is_an_error_of_its_own() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut writer = Writer::new(std::io::BufWriter::new(full), Form::Json, Clients::Clear);
    let error = writer.summary(&summary()).unwrap_err();
    assert!(matches!(error, ReportError::Full { .. }), "{error}");
    assert!(error.to_string().contains("the summary"));
}
