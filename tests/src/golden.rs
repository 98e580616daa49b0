//! Small captures with what the engine tells of them and what the judge makes of it, written down.

use std::{io, path::Path, sync::Arc};

use anyhow::Context as _;
use probe_common::{config::Config, event::kind};
use probe_user::{
    judge::{Judge, Settings, Telling},
    report::{Clients, Form, Writer},
    source::{capture::CaptureReader, event::Event, local::Local},
    targets::TargetSet,
};
use serde_json::{Value, json};

use crate::corpus::{
    build::{self, Scale},
    case,
};

/// The cases of the corpus that are kept, each at its smallest.
pub const CASES: [&str; 22] = [
    "gfw-type1-v4-after-upstream",
    "gfw-type2-v4-after-upstream",
    "gfw-2023-triple-v6-before-upstream",
    "gfw-302-v4-after-upstream",
    "henan-v4-after-upstream",
    "iran-https-v6-after-upstream",
    "kazakhstan-v4-after-upstream",
    "tspu-sni1-v4-after-upstream",
    "both-sides-v4-after-downstream",
    "triple-same-v4-after-downstream",
    "innocent-server-linger-0-v4",
    "innocent-server-restarts-v6",
    "innocent-timer-meets-request-v4",
    "innocent-alert-close-reset-v4",
    "innocent-ports-reused-after-reset-v4",
    "innocent-fake-reset-v4",
    "dns-gfw-all-v4-first-known",
    "dns-mirror-v6-late-known",
    "dns-iran-v4-first-known",
    "dns-isp-nxdomain-v4-first-known",
    "innocent-dns-adblock-null-v4",
    "innocent-dns-other-machine-v6",
];

/// Seed of the captures.
const SEED: u64 = 1;

/// Makes the capture of `name`.
///
/// # Errors
///
/// If there is no such case, or the file cannot be written.
pub fn make(name: &str, path: &Path) -> anyhow::Result<()> {
    let plans = build::plans();
    let plan = plans.iter().find(|plan| plan.name() == name);
    let case = plan.with_context(|| format!("no case {name}"))?.make(SEED, Scale::SMALL);
    let file = std::fs::File::create(path)?;
    Ok(case::write_pcap(&case.tape, case::EPOCH, file)?)
}

/// What the engine tells of the capture at `path`, one JSON object a line, and what the judge finds
/// in it, likewise.
///
/// # Errors
///
/// If the capture cannot be read.
pub fn replay(path: &Path) -> anyhow::Result<(String, String)> {
    let mut reader = CaptureReader::open(path)?;
    let mut local = Local::new(Config::replay());
    let targets = Arc::new(TargetSet::builtin());
    let mut judge = Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets });
    let mut writer = Writer::new(Vec::new(), Form::Json, Clients::Clear);
    let (mut events, mut failure, mut first) = (String::new(), None, None);
    while let Some(frame) = reader.next_frame()? {
        let first = *first.get_or_insert(frame.time);
        let mut tell = |finding| failure = writer.finding(&finding).err();
        judge.advance(frame.time, &mut tell);
        local.packet(&frame, |event| {
            events.push_str(&line(&event, first).to_string());
            events.push('\n');
            judge.event(&event, &mut tell);
        });
    }
    judge.finish(|finding| failure = writer.finding(&finding).err());
    if let Some(error) = failure {
        return Err(error.into());
    }
    let findings = String::from_utf8(writer.into_inner())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((events, findings))
}

/// An event in few words: time since the first packet, the packet, its measures.
fn line(event: &Event<'_>, first: u64) -> Value {
    let header = event.header();
    let kind = match header.kind {
        kind::OPENING => "opening",
        kind::RESET => "reset",
        kind::AFTER_RESET => "after_reset",
        kind::FLOW_END => "flow_end",
        kind::DNS_REPLY => "dns_reply",
        kind::ICMP_ERROR => "icmp_error",
        kind::QUIC_INITIAL => "quic_initial",
        kind::QUIC_ANSWER => "quic_answer",
        kind::QUIC_ERROR => "quic_error",
        _ => "other",
    };
    let (packet, bits) = match event {
        Event::Tcp(event, _) => (&event.packet, event.tells.bits),
        Event::Dns(event, _) => (&event.packet, 0),
        Event::Quic(event, _) => (&event.packet, 0),
    };
    let mut value = json!({
        "event": kind,
        "frame": header.frame,
        "after_us": (event.time() - first) / 1_000,
        "side": header.side,
        "captured": header.captured,
        "flags": format!("{:03x}", packet.flags),
        "seq": packet.seq,
        "ack": packet.ack,
        "window": packet.window,
        "ttl": packet.hops,
        "ip_id": packet.ip_id,
        "payload": packet.payload,
        "tells": format!("{bits:08x}"),
    });
    if let (Event::Dns(event, _), Value::Object(fields)) = (event, &mut value) {
        // Of TCP's fields it has none.
        for absent in ["seq", "ack", "window", "tells"] {
            fields.remove(absent);
        }
        fields.insert("flags".into(), format!("{:04x}", event.flags).into());
        fields.insert("id".into(), event.id.into());
        fields.insert("queries".into(), event.query.queries.into());
    }
    value
}
