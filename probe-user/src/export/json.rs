//! What reports in JSON have in common.

use serde_json::{Map, Value, json};

use super::publish::{Publication, Published};
use crate::{
    ledger::row::{CellRow, Run, VerdictRow},
    report::rfc3339,
};

/// Object with these fields, in this order.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What a report is of.
pub(super) fn heading(
    publication: &Publication<'_>,
) -> Result<Map<String, Value>, super::ExportError> {
    let (terms, period) = (publication.terms(), publication.period()?);
    Ok(object(json!({
        "from": rfc3339(period.from),
        "to": rfc3339(period.to),
        "created": rfc3339(terms.created),
        "software": "forgewatch",
        "version": crate::report::summary::VERSION,
        "ledger": publication.ledger(),
        "k": terms.k,
        "lab": terms.lab(),
        "probe_asn": terms.probe_asn,
        "probe_cc": terms.probe_cc,
    })))
}

/// Fields of a run.
pub(super) fn run(run: &Run) -> Map<String, Value> {
    // Devices and their times are of findings, which are published by themselves.
    const FIGURES: [&str; 11] = [
        "packets",
        "flows",
        "tcp_flows",
        "resets",
        "dns_queries",
        "dns_replies",
        "lost",
        "counters",
        "histograms",
        "first_packet",
        "last_packet",
    ];
    let mut figures = Map::new();
    for name in FIGURES {
        if let Some(value) = run.summary.as_ref().and_then(|summary| summary.get(name)) {
            figures.insert(name.to_owned(), value.clone());
        }
    }
    object(json!({
        "run": run.id,
        "kind": run.kind.as_str(),
        "state": run.state.as_str(),
        "started": rfc3339(run.started),
        "seen": rfc3339(run.seen),
        "ended": run.ended.map(rfc3339),
        "version": run.version,
        "kernel": run.kernel,
        "targets": run.targets,
        "interfaces": run.interfaces,
        "clock": run.clock.as_str(),
        "figures": figures,
    }))
}

/// Fields of a verdict.
pub(super) fn verdict(row: &VerdictRow, stands: bool) -> Map<String, Value> {
    let mut fields = object(json!({
        "run": row.run,
        "recorded": rfc3339(row.recorded),
        "stands": stands,
    }));
    fields.extend(crate::report::verdict::fields(&row.verdict));
    fields
}

/// Fields of a cell.
pub(super) fn cell(row: &CellRow) -> Map<String, Value> {
    let cell = &row.cell;
    let methods: Vec<Value> = cell
        .methods
        .iter()
        .map(|(method, affected)| {
            json!({
                "method": method.as_str(),
                "flows": affected.flows,
                "proven": affected.proven,
                "share": affected.share,
                "clients": affected.clients,
            })
        })
        .collect();
    object(json!({
        "run": row.run,
        "from": rfc3339(cell.window.from),
        "to": rfc3339(cell.window.to),
        "service": cell.unit.service,
        "role": cell.unit.role,
        "network": cell.unit.network,
        "asn": cell.unit.asn,
        "protocol": cell.unit.protocol,
        "vantage": cell.unit.vantage,
        "flows": cell.flows,
        "failed": cell.failed,
        "n": cell.n,
        "clients": cell.clients,
        "client_networks": cell.client_networks,
        "methods": methods,
    }))
}

/// Fields of a finding.
pub(super) fn finding(finding: &Published) -> Map<String, Value> {
    let row = &finding.row;
    object(json!({
        "run": row.run,
        "number": row.number,
        "time": rfc3339(finding.time.0),
        "time_within_s": finding.time.1,
        "protocol": row.protocol,
        "verdict": row.verdict,
        "confidence": row.confidence,
        "service": finding.service,
        "role": row.role,
        "name": row.name,
        "network": finding.network,
        "server": finding.server,
        "port": row.port,
        "position": row.position,
        "injector_hops": row.injector_hops,
        "injector_hops_range": row.injector_hops_range,
        "server_hops": row.server_hops,
        "stage": row.stage,
        "frames": row.frames,
        "signatures": row.signatures,
        "fingerprints": row.fingerprints,
        "revisions": row.revisions,
    }))
}

/// The word that serde has for an enum without data.
#[cfg(feature = "parquet")]
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
