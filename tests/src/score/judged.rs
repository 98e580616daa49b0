//! One capture through engine and judge, and how what they say compares with the truth.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use anyhow::Context as _;
use probe_common::config::Config;
use probe_user::{
    judge::{Judge, Settings, Telling},
    report::{
        Finding,
        finding::{Confidence, Verdict},
    },
    source::{
        capture::{CaptureReader, Frame},
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

use super::{
    captures::Found,
    truth::{Key, Kind},
};

/// The port of DNS.
const DNS: u16 = 53;

/// A finding that is wrong, or a connection that was missed.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// Name of the case.
    pub case: String,
    /// The model or behaviour, if that is known.
    pub model: String,
    /// The connection.
    pub key: Key,
    /// What was said, with the signatures; nothing if it was missed.
    pub said: String,
    /// The packets concerned.
    pub frames: Vec<u64>,
}

/// What came of one connection.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The truth.
    pub kind: Kind,
    /// Whether the capture can show it.
    pub evidence: bool,
    /// Model or behaviour; the case's name where that is not known.
    pub model: String,
    /// Stage and position.
    pub place: String,
    /// Whether anything was found.
    pub found: bool,
    /// The confidence of an accusation.
    pub accused: Option<Confidence>,
    /// Packets made or altered that accusations name, and others that they name.
    pub named: (u64, u64),
    /// The signatures that fired.
    pub signatures: BTreeSet<&'static str>,
    /// Whether it is an exchange over UDP on port 53.
    pub dns: bool,
    /// Its forged answers, and those of them that an accusation names.
    pub answers: (u64, u64),
    /// Whether a verdict is `lied`, and whether one is `injected`; accusations only.
    pub verdicts: (bool, bool),
}

/// What came of one capture.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Packets made or altered; of these found in accusations; and packets wrongly in those.
    pub forged: (u64, u64, u64),
    /// Its connections: those that the truth tells of and those of findings.
    pub outcomes: Vec<Outcome>,
    /// Connections altogether.
    pub flows: u64,
    /// Innocent connections that were accused.
    pub wrong: Vec<Mistake>,
    /// Connections in which nothing was found although there was something to see.
    pub missed: Vec<Mistake>,
    /// What stopped the reading of the capture early.
    pub damage: Option<String>,
}

/// What the capture has of one connection.
#[derive(Default)]
struct Seen {
    /// Packets that were made or altered.
    forged: Vec<u64>,
    /// Whether it is an exchange over DNS.
    dns: bool,
}

/// Whether a finding accuses somebody.
fn accuses(finding: &Finding) -> bool {
    finding.verdict != Verdict::Suspect && finding.confidence >= Confidence::C2
}

/// The ends of a frame's connection, if it is one, and whether it is an exchange over DNS.
fn key_of(frame: &Frame<'_>) -> Option<(Key, bool)> {
    let sliced = etherparse::LaxSlicedPacket::from_ethernet(frame.data).ok()?;
    let (from, to): (std::net::IpAddr, std::net::IpAddr) = match sliced.net.as_ref()? {
        etherparse::LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        etherparse::LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        etherparse::LaxNetSlice::Arp(_) => return None,
    };
    let (source, destination, udp) = match sliced.transport.as_ref()? {
        etherparse::TransportSlice::Tcp(tcp) => (tcp.source_port(), tcp.destination_port(), false),
        etherparse::TransportSlice::Udp(udp) => (udp.source_port(), udp.destination_port(), true),
        _ => return None,
    };
    let dns = udp && (source == DNS || destination == DNS);
    Some((Key::new(SocketAddr::new(from, source), SocketAddr::new(to, destination)), dns))
}

/// Runs the capture and compares.
///
/// # Errors
///
/// If the capture cannot be opened or the kernel refuses.
pub fn judge(
    found: &Found,
    targets: &Arc<TargetSet>,
    through_kernel: bool,
) -> anyhow::Result<Case> {
    let mut case = Case { name: found.name.clone(), ..Case::default() };
    let mut reader = CaptureReader::open(&found.path)
        .with_context(|| format!("cannot read {}", found.path.display()))?;
    let config = Config::replay();
    let mut driver = if through_kernel { Driver::kernel(&config)? } else { Driver::local(config) };
    driver.watch_names(&targets.names(config.hash_key));
    let mut packets = Packets::new(driver);
    let mut judge =
        Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets: Arc::clone(targets) });
    let mut findings: Vec<Finding> = Vec::new();
    // Connections, and of each the packets that were made or altered.
    let mut keys: BTreeMap<Key, Seen> = BTreeMap::new();
    loop {
        match reader.next_frame() {
            Ok(None) => break,
            Err(error) => {
                case.damage = Some(error.to_string());
                break;
            }
            Ok(Some(frame)) => {
                case.packets += 1;
                if let Some((key, dns)) = key_of(&frame) {
                    let seen = keys.entry(key).or_default();
                    seen.dns |= dns;
                    if found.truth.forged.contains(&frame.number) {
                        seen.forged.push(frame.number);
                    }
                }
                packets.take(&frame, &mut judge, |finding| findings.push(finding))?;
            }
        }
    }
    packets.scan_last(&mut judge, |finding| findings.push(finding));
    judge.finish(|finding| findings.push(finding));
    case.flows = keys.len() as u64;
    compare(&mut case, found, &keys, &findings);
    Ok(case)
}

fn compare(case: &mut Case, found: &Found, keys: &BTreeMap<Key, Seen>, findings: &[Finding]) {
    let mut said: BTreeMap<Key, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        said.entry(Key::new(finding.client, finding.server)).or_default().push(finding);
    }
    case.forged.0 = found.truth.forged.len() as u64;
    let mut blamed: BTreeSet<u64> = BTreeSet::new();
    for finding in findings.iter().filter(|finding| accuses(finding)) {
        blamed.extend(&finding.frames);
    }
    case.forged.1 = blamed.iter().filter(|frame| found.truth.forged.contains(frame)).count() as u64;
    let lies = blamed.iter().filter(|frame| found.truth.lies.contains(frame)).count() as u64;
    case.forged.2 = blamed.len() as u64 - case.forged.1 - lies;

    let nothing = Vec::new();
    for (key, seen) in keys {
        let forged = &seen.forged;
        let findings = said.get(key).unwrap_or(&nothing);
        let told = found.truth.told.get(key);
        let kind = match told {
            Some(told) if told.kind == Kind::Lied => Kind::Lied,
            _ if !forged.is_empty() => Kind::Injected,
            Some(told) => told.kind,
            None => Kind::Innocent,
        };
        // What is said of the connection goes first: a forged refusal is a label, and no evidence.
        let evidence = told.map_or(!forged.is_empty(), |told| told.evidence);
        let model = told.map_or_else(|| found.name.clone(), |told| told.model.clone());
        let accused = findings.iter().filter(|one| accuses(one)).map(|one| one.confidence).max();
        let mistake = |frames: &[u64]| Mistake {
            case: found.name.clone(),
            model: model.clone(),
            key: *key,
            said: words(findings),
            frames: frames.to_vec(),
        };
        if kind == Kind::Innocent && accused.is_some() {
            let frames: Vec<u64> =
                findings.iter().flat_map(|one| one.frames.iter().copied()).collect();
            case.wrong.push(mistake(&frames));
        }
        if kind != Kind::Innocent && evidence && findings.is_empty() {
            case.missed.push(mistake(forged));
        }
        let frames: BTreeSet<u64> = findings
            .iter()
            .filter(|one| accuses(one))
            .flat_map(|one| one.frames.iter().copied())
            .collect();
        let false_ones =
            |frame: &&u64| found.truth.forged.contains(frame) || found.truth.lies.contains(frame);
        let right = frames.iter().filter(false_ones).count();
        let given = |verdict| findings.iter().any(|one| accuses(one) && one.verdict == verdict);
        let named = forged.iter().filter(|frame| frames.contains(frame)).count();
        case.outcomes.push(Outcome {
            named: (right as u64, (frames.len() - right) as u64),
            kind,
            evidence,
            place: told.map_or_else(String::new, |told| told.place.clone()),
            found: !findings.is_empty(),
            accused,
            signatures: findings
                .iter()
                .flat_map(|one| one.signatures.iter().map(|signature| signature.id))
                .collect(),
            model,
            dns: seen.dns,
            answers: if seen.dns { (forged.len() as u64, named as u64) } else { (0, 0) },
            verdicts: (given(Verdict::Lied), given(Verdict::Injected)),
        });
    }
}

/// What was said of a connection, in few words.
fn words(findings: &[&Finding]) -> String {
    let each: Vec<String> = findings
        .iter()
        .map(|finding| {
            let signatures: Vec<String> = finding
                .signatures
                .iter()
                .map(|one| format!("{} {}", one.id, one.confidence.as_str()))
                .collect();
            format!(
                "{} {} [{}]",
                finding.verdict.as_str(),
                finding.confidence.as_str(),
                signatures.join(", ")
            )
        })
        .collect();
    each.join("; ")
}
