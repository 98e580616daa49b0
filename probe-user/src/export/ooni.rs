//! OONI's measurement format: one measurement a line.
//!
//! The base keys are those of ooni/spec `data-formats/df-000-base.md` (format version 0.2.0), failures
//! those of `df-007-errors.md`, and what is ours stands under `x_tampering`: keys that begin with `x_`
//! are always permitted. These are aggregates of what passed by, not the outcome of a probe's own tries:
//! the test has a name of its own, and nobody should submit them as anything else.

use std::{io::Write, net::IpAddr};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    ExportError, json as fields,
    publish::{Publication, Published},
};
use crate::{
    attribute::{Method, outcome::Protocol as Spoken},
    ledger::row::{CellRow, Run, RunKind},
    report::{
        finding::{EvidenceClass, Protocol, Stage, Verdict},
        summary,
    },
    sinkholes::is_bogon,
};

/// Name of the test.
pub const TEST_NAME: &str = "x_passive_tampering";

/// Version of the test: of what is under `x_tampering`, and of how it comes about.
pub const TEST_VERSION: &str = "0.1.0";

/// Version of OONI's format.
const DATA_FORMAT: &str = "0.2.0";

/// OONI's strings for what a client met.
mod failure {
    pub(super) const RESET: &str = "connection_reset";
    pub(super) const REFUSED: &str = "connection_refused";
    pub(super) const TIMEOUT: &str = "generic_timeout_error";
    pub(super) const UNREACHABLE: &str = "host_unreachable";
    pub(super) const BOGON: &str = "dns_bogon_error";
    pub(super) const NXDOMAIN: &str = "dns_nxdomain_error";
    pub(super) const SERVFAIL: &str = "dns_servfail_error";
    pub(super) const REFUSED_BY_DNS: &str = "dns_refused_error";
    pub(super) const NO_ANSWER: &str = "dns_no_answer";
}

/// Writes one measurement for each cell and each finding that may leave.
///
/// # Errors
/// When the ledger cannot be read or the output not written.
pub fn write(publication: &Publication<'_>, output: &mut impl Write) -> Result<(), ExportError> {
    publication.begin();
    let runs = publication.runs()?;
    let mut put = |measurement: Map<String, Value>| {
        writeln!(output, "{}", Value::Object(measurement))
            .map_err(|error| ExportError::of_io("OONI measurements", &error))
    };
    let base = Base { publication, runs };
    publication.cells(|row| put(base.of_cell(&row)))?;
    publication.findings(|row| put(base.of_finding(&row)))
}

struct Base<'a> {
    publication: &'a Publication<'a>,
    runs: Vec<Run>,
}

/// When, how long and of what a measurement is.
struct About<'a> {
    input: &'a str,
    from: u64,
    seconds: f64,
    run: i64,
}

impl Base<'_> {
    /// The keys that every measurement has, around `test_keys`.
    fn measurement(&self, about: &About<'_>, test_keys: &Value) -> Map<String, Value> {
        let terms = self.publication.terms();
        let run = self.runs.iter().find(|run| run.id == about.run);
        let live = run.filter(|run| run.kind == RunKind::Live);
        let started = live.map_or(about.from, |run| run.started);
        let mut annotations = Map::new();
        annotations.insert("passive".into(), "true".into());
        annotations.insert("k".into(), terms.k.to_string().into());
        if terms.lab() {
            annotations.insert("lab".into(), "true".into());
        }
        fields::object(json!({
            "annotations": annotations,
            "data_format_version": DATA_FORMAT,
            "extensions": { "dnst": 0, "netevents": 0, "tcpconnect": 0, "tlshandshake": 0 },
            "input": about.input,
            "input_hashes": [],
            "measurement_start_time": moment(about.from),
            "options": [],
            "probe_asn": format!("AS{}", terms.probe_asn.unwrap_or_default()),
            "probe_cc": terms.probe_cc.as_deref().unwrap_or("ZZ"),
            "probe_city": null,
            "probe_ip": "127.0.0.1",
            "probe_network_name": "",
            "report_id": format!("{}_{}_{}", self.publication.ledger(), TEST_NAME, about.run),
            "resolver_asn": "AS0",
            "resolver_ip": "127.0.0.2",
            "resolver_network_name": "",
            "software_name": "forgewatch",
            "software_version": run.map_or(summary::VERSION, |run| run.version.as_str()),
            "test_helpers": {},
            "test_keys": test_keys,
            "test_name": TEST_NAME,
            "test_runtime": about.seconds,
            "test_start_time": moment(started),
            "test_version": TEST_VERSION,
        }))
    }

    fn of_cell(&self, row: &CellRow) -> Map<String, Value> {
        let cell = &row.cell;
        let failures: Vec<Value> = cell
            .methods
            .iter()
            .map(|(method, affected)| {
                json!({
                    "method": method.as_str(),
                    "failure": of_method(*method, cell.unit.protocol),
                    "flows": affected.flows,
                })
            })
            .collect();
        let mut tampering = fields::object(json!({ "kind": "cell" }));
        tampering.extend(fields::cell(row));
        tampering.insert("failures".into(), failures.into());
        let seconds = cell.window.to.saturating_sub(cell.window.from) as f64 / 1e9;
        let about =
            About { input: &cell.unit.service, from: cell.window.from, seconds, run: row.run };
        self.measurement(
            &about,
            &json!({
                "network_events": [],
                "queries": [],
                "tcp_connect": [],
                "tls_handshakes": [],
                "x_tampering": tampering,
            }),
        )
    }

    fn of_finding(&self, finding: &Published) -> Map<String, Value> {
        let row = &finding.row;
        let failure = of_finding(finding);
        let mut keys = fields::object(json!({
            "network_events": [],
            "queries": [],
            "tcp_connect": [],
            "tls_handshakes": [],
        }));
        if let Some((place, entry)) = entry(finding, failure) {
            keys.insert(place.to_owned(), json!([entry]));
        }
        let mut tampering = fields::object(json!({ "kind": "finding" }));
        tampering.extend(fields::finding(finding));
        tampering.insert("failures".into(), json!([{ "failure": failure, "flows": 1 }]));
        keys.insert("x_tampering".into(), tampering.into());
        let (from, seconds) = finding.time;
        let about =
            About { input: &finding.service, from, seconds: f64::from(seconds), run: row.run };
        self.measurement(&about, &keys.into())
    }
}

/// What a finding is in OONI's terms, and in which list that stands. A question is there also without the resolver.
fn entry(finding: &Published, failure: Option<&str>) -> Option<(&'static str, Value)> {
    let row = &finding.row;
    let name = row.name.as_ref()?;
    if row.protocol == Protocol::Dns {
        return Some(("queries", query(finding, name, failure)));
    }
    let server = finding.server?;
    let address = server.to_string();
    Some(match (row.protocol, row.stage, server.port()) {
        (_, Some(Stage::PostSyn | Stage::PostAck), _) => (
            "tcp_connect",
            json!({
                "ip": server.ip().to_string(),
                "port": server.port(),
                "status": { "failure": failure, "success": failure.is_none() },
                "t0": 0.0,
                "t": 0.0,
                "tags": [],
                "transaction_id": 0,
            }),
        ),
        (Protocol::Tls | Protocol::Tcp, _, 443) => {
            ("tls_handshakes", handshake("tcp", &address, name, failure))
        }
        (Protocol::Quic, ..) => ("tls_handshakes", handshake("udp", &address, name, failure)),
        _ => (
            "network_events",
            json!({
                "address": address,
                "failure": failure,
                "num_bytes": 0,
                "operation": "read",
                "proto": "tcp",
                "t0": 0.0,
                "t": 0.0,
                "tags": [],
                "transaction_id": 0,
            }),
        ),
    })
}

fn handshake(network: &str, address: &str, name: &str, failure: Option<&str>) -> Value {
    json!({
        "network": network,
        "address": address,
        "cipher_suite": "",
        "failure": failure,
        "negotiated_protocol": "",
        "no_tls_verify": true,
        "peer_certificates": [],
        "server_name": name,
        "t0": 0.0,
        "t": 0.0,
        "tags": [],
        "tls_version": "",
        "transaction_id": 0,
    })
}

fn query(finding: &Published, name: &str, failure: Option<&str>) -> Value {
    let answers: Vec<Value> = forged_addresses(finding)
        .map(|address| match address {
            IpAddr::V4(address) => {
                json!({ "answer_type": "A", "ipv4": address.to_string(), "ttl": null })
            }
            IpAddr::V6(address) => {
                json!({ "answer_type": "AAAA", "ipv6": address.to_string(), "ttl": null })
            }
        })
        .collect();
    let v6 = answers.first().is_some_and(|answer| answer["answer_type"] == "AAAA");
    json!({
        "answers": answers,
        "engine": "udp",
        "failure": failure,
        "hostname": name,
        "query_type": if v6 { "AAAA" } else { "A" },
        "resolver_address": finding.server.map(|server| server.to_string()),
        "resolver_hostname": null,
        "resolver_port": null,
        "t0": 0.0,
        "t": 0.0,
        "tags": [],
        "transaction_id": 0,
    })
}

/// What the forged answer says, as the detectors have written it down.
fn forged_answer(finding: &Published) -> Option<&str> {
    let signatures = finding.row.signatures.iter();
    signatures.filter_map(|signature| signature.measured.get("forged_answer")?.as_str()).next()
}

fn forged_addresses(finding: &Published) -> impl Iterator<Item = IpAddr> {
    forged_answer(finding)
        .into_iter()
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.parse().ok())
}

/// What a client of a connection would have been told by its system, in OONI's words; `None` where it
/// would have been told nothing: a page or an address that only looks like an answer.
fn of_finding(finding: &Published) -> Option<&'static str> {
    let row = &finding.row;
    if row.protocol == Protocol::Dns {
        if let Some(answer) = forged_answer(finding).filter(|answer| answer.contains("rcode")) {
            return Some(match answer {
                answer if answer.contains("rcode 3") => failure::NXDOMAIN,
                answer if answer.contains("rcode 2") => failure::SERVFAIL,
                answer if answer.contains("rcode 5") => failure::REFUSED_BY_DNS,
                _ => failure::NO_ANSWER,
            });
        }
        return forged_addresses(finding).any(is_nobodys).then_some(failure::BOGON);
    }
    let silent = row.verdict == Verdict::Dropped
        || row.signatures.first().is_some_and(|signature| signature.class == EvidenceClass::N);
    match (row.protocol, row.stage) {
        _ if silent => Some(failure::TIMEOUT),
        (Protocol::Http, _) => None,
        (_, Some(Stage::PostSyn)) => Some(failure::REFUSED),
        _ => Some(failure::RESET),
    }
}

/// The same of what a cell counts under a method.
fn of_method(method: Method, protocol: Spoken) -> Option<&'static str> {
    match method {
        Method::IpDrop | Method::SniDrop | Method::QuicDrop => Some(failure::TIMEOUT),
        Method::IpReset | Method::SniReset | Method::SniRewrite | Method::HttpReset => {
            Some(failure::RESET)
        }
        Method::IcmpReject => Some(failure::UNREACHABLE),
        Method::Residual if protocol != Spoken::Dns => Some(failure::TIMEOUT),
        // A false answer, a page, slowness: the client's system saw nothing wrong.
        _ => None,
    }
}

/// An address that is nobody's on the Internet. OONI counts those for documentation among them.
fn is_nobodys(address: IpAddr) -> bool {
    is_bogon(address)
        || match address.to_canonical() {
            IpAddr::V4(address) => address.is_documentation(),
            IpAddr::V6(address) => matches!(address.segments(), [0x2001, 0xdb8, ..]),
        }
}

/// `2026-11-24 10:00:00`: OONI's times are UTC, to the second.
fn moment(nanoseconds: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
