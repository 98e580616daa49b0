//! Rows into tables: a batch is one transaction.

use std::sync::Arc;

use rusqlite::{Transaction, params};
use serde::Serialize;
use serde_json::Value;

use super::{
    EVIDENCE_FINDINGS_MAX,
    error::LedgerError,
    row::{Crowd, FindingRow, Hour, NoticeKind},
    runs::insert_services,
    store::Ledger,
};
use crate::{
    attribute::{Cell, Verdict},
    evidence::Packet,
    report::summary::StageCounts,
    targets::TargetSet,
};

/// One thing to record.
#[derive(Debug)]
pub enum Entry {
    /// A finding, new or told again (its number tells), and packets that show it. Its `id` and `run`
    /// are not looked at.
    Finding(Box<FindingRow>, Vec<Packet>),
    /// How many clients there are in a period, so far.
    Crowd(Crowd),
    /// A window of a unit.
    Cell(Box<Cell>),
    /// A verdict.
    Verdict(Box<Verdict>),
    /// What passed in an hour since that was last told: it is added to what is there.
    Hour(Box<Hour>),
    /// The summary as it is now.
    Summary(Value),
    /// Other targets are watched from now on.
    Targets(Arc<TargetSet>),
    /// Something that happened.
    Notice(NoticeKind, String),
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Findings whose packets took the place of those of an earlier one of their kind.
    pub evidence_replaced: u64,
}

impl Ledger {
    /// Writes a batch, all of it or nothing.
    ///
    /// # Errors
    /// When it cannot be written, or no run has begun.
    pub fn write(&mut self, batch: &[Entry], now: u64) -> Result<Written, LedgerError> {
        let Some(run) = self.run else {
            return Err(LedgerError::Failed {
                path: self.path.clone(),
                reason: "no run has begun".into(),
            });
        };
        write_batch(&mut self.connection, run, batch, now)
            .map_err(|error| LedgerError::of_sqlite(&self.path, &error))
    }
}

fn write_batch(
    connection: &mut rusqlite::Connection,
    run: i64,
    batch: &[Entry],
    now: u64,
) -> rusqlite::Result<Written> {
    let change = connection.transaction()?;
    let mut written = Written::default();
    for entry in batch {
        match entry {
            Entry::Finding(row, evidence) => finding(&change, run, row, evidence, &mut written)?,
            Entry::Crowd(row) => crowd(&change, run, row)?,
            Entry::Cell(row) => cell(&change, run, row)?,
            Entry::Verdict(row) => verdict(&change, run, row, now)?,
            Entry::Hour(row) => hour(&change, run, row)?,
            Entry::Summary(summary) => {
                change
                    .prepare_cached("UPDATE runs SET summary = ?2 WHERE id = ?1")?
                    .execute((run, summary.to_string()))?;
            }
            Entry::Targets(targets) => insert_services(&change, targets)?,
            Entry::Notice(kind, words) => {
                change
                    .prepare_cached(
                        "INSERT INTO notices (run, time, kind, words) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute((run, clip(now), kind.as_str(), words))?;
            }
        }
    }
    change.prepare_cached("UPDATE runs SET seen = ?2 WHERE id = ?1")?.execute((run, clip(now)))?;
    change.commit()?;
    Ok(written)
}

fn finding(
    change: &Transaction<'_>,
    run: i64,
    row: &FindingRow,
    evidence: &[Packet],
    written: &mut Written,
) -> rusqlite::Result<()> {
    let range = row.injector_hops_range;
    let id: i64 = change
        .prepare_cached(
            "INSERT INTO findings (run, number, time, protocol, verdict, confidence, service, role, name,
                 network, server, port, position, injector_hops, injector_hops_least,
                 injector_hops_most, server_hops, stage, frames, signatures, fingerprints)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20, ?21)
             ON CONFLICT (run, number) DO UPDATE SET time = excluded.time,
                 protocol = excluded.protocol, verdict = excluded.verdict,
                 confidence = excluded.confidence, service = excluded.service, role = excluded.role,
                 name = excluded.name, network = excluded.network, server = excluded.server,
                 port = excluded.port, position = excluded.position,
                 injector_hops = excluded.injector_hops,
                 injector_hops_least = excluded.injector_hops_least,
                 injector_hops_most = excluded.injector_hops_most,
                 server_hops = excluded.server_hops, stage = excluded.stage,
                 frames = excluded.frames, signatures = excluded.signatures,
                 fingerprints = excluded.fingerprints, revisions = revisions + 1
             RETURNING id",
        )?
        .query_row(
            params![
                run,
                clip(row.number),
                clip(row.time),
                word(&row.protocol),
                word(&row.verdict),
                word(&row.confidence),
                row.service,
                row.role.map(|role| word(&role)),
                row.name,
                row.network.to_string(),
                row.server.map(|server| server.to_string()),
                row.port,
                word(&row.position),
                row.injector_hops,
                range.map(|[least, _]| least),
                range.map(|[_, most]| most),
                row.server_hops,
                row.stage.map(|stage| word(&stage)),
                json(&row.frames),
                json(&row.signatures),
                json(&row.fingerprints),
            ],
            |row| row.get(0),
        )?;
    if evidence.is_empty() {
        return Ok(());
    }
    // Told again, its packets are told again as well.
    let before = change.prepare_cached("DELETE FROM evidence WHERE finding = ?1")?.execute([id])?;
    if before == 0 {
        written.evidence_replaced += make_room(change, row)?;
    }
    let mut insert = change.prepare_cached(
        "INSERT INTO evidence (finding, position, time_offset, sender, standing, origin, bytes, note)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (position, packet) in evidence.iter().enumerate() {
        insert.execute(params![
            id,
            position as i64,
            packet.offset,
            word(&packet.from),
            word(&packet.standing),
            word(&packet.origin),
            packet.bytes,
            packet.note,
        ])?;
    }
    Ok(())
}

/// Findings of one kind whose packets are kept. There may be a hundred thousand of that kind, of which few
/// have any: so it goes from one that has to the next, and never through all of the kind.
pub(super) const WITH_EVIDENCE: &str = "
    WITH RECURSIVE kept (id) AS (
        SELECT min(finding) FROM evidence
        UNION ALL
        SELECT (SELECT min(finding) FROM evidence WHERE finding > kept.id)
        FROM kept WHERE kept.id IS NOT NULL
    )
    SELECT f.id FROM kept CROSS JOIN findings f ON f.id = kept.id
    WHERE f.service IS ?1 AND f.protocol = ?2 AND f.verdict = ?3
    ORDER BY f.id";

/// Of one kind of finding the packets of the first half and of the latest are kept: a kind that comes
/// a thousand times a day is shown by its first and its latest.
fn make_room(change: &Transaction<'_>, row: &FindingRow) -> rusqlite::Result<u64> {
    let mut others = change.prepare_cached(WITH_EVIDENCE)?;
    let ids: Vec<i64> = others
        .query_map(params![row.service, word(&row.protocol), word(&row.verdict)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if ids.len() < EVIDENCE_FINDINGS_MAX {
        return Ok(0);
    }
    let victim = ids[EVIDENCE_FINDINGS_MAX / 2];
    change.prepare_cached("DELETE FROM evidence WHERE finding = ?1")?.execute([victim])?;
    Ok(1)
}

fn crowd(change: &Transaction<'_>, run: i64, row: &Crowd) -> rusqlite::Result<()> {
    change
        .prepare_cached(
            "INSERT OR REPLACE INTO crowds (run, service, protocol, verdict, seconds, start,
                 clients_least, clients_most, networks_least, networks_most)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            run,
            row.service,
            word(&row.protocol),
            word(&row.verdict),
            row.seconds,
            clip(row.start),
            clip(row.clients.least),
            clip(row.clients.most),
            clip(row.networks.least),
            clip(row.networks.most),
        ])
        .map(drop)
}

fn cell(change: &Transaction<'_>, run: i64, row: &Cell) -> rusqlite::Result<()> {
    change
        .prepare_cached(
            "INSERT INTO cells (run, window_from, window_to, service, role, network, asn, protocol,
                 vantage, flows, failed, n, clients_least, clients_most, networks_least, networks_most)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            run,
            clip(row.window.from),
            clip(row.window.to),
            row.unit.service,
            word(&row.unit.role),
            row.unit.network.to_string(),
            row.unit.asn,
            word(&row.unit.protocol),
            row.unit.vantage,
            clip(row.flows),
            clip(row.failed),
            clip(row.n),
            clip(row.clients.least),
            clip(row.clients.most),
            clip(row.client_networks.least),
            clip(row.client_networks.most),
        ])?;
    let id = change.last_insert_rowid();
    let mut insert = change.prepare_cached(
        "INSERT INTO cell_methods (cell, method, flows, proven, share, clients)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (method, affected) in &row.methods {
        insert.execute(params![
            id,
            method.as_str(),
            clip(affected.flows),
            clip(affected.proven),
            affected.share,
            clip(affected.clients),
        ])?;
    }
    Ok(())
}

fn verdict(change: &Transaction<'_>, run: i64, row: &Verdict, now: u64) -> rusqlite::Result<()> {
    change
        .prepare_cached(
            "INSERT INTO verdicts (run, recorded, period_from, period_to, service, role, network, asn,
                 protocol, vantage, method, networks_least, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            run,
            clip(now),
            clip(row.period.from),
            clip(row.period.to),
            row.unit.service,
            word(&row.unit.role),
            row.unit.network.to_string(),
            row.unit.asn,
            word(&row.unit.protocol),
            row.unit.vantage,
            row.method.as_str(),
            clip(row.target.client_networks.least),
            json(row),
        ])
        .map(drop)
}

/// Adds to an hour. It can come again: the clock is set back, or another capture is of the same time.
fn hour(change: &Transaction<'_>, run: i64, row: &Hour) -> rusqlite::Result<()> {
    change
        .prepare_cached(
            "INSERT INTO hours (hour, run, packets, tcp_flows) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (hour, run) DO UPDATE SET packets = packets + excluded.packets,
                 tcp_flows = tcp_flows + excluded.tcp_flows",
        )?
        .execute(params![clip(row.hour), run, clip(row.packets), clip(row.tcp_flows)])?;
    let endings = [
        ("from_server", row.from_server),
        ("from_client", row.from_client),
        ("silent", row.silent),
    ];
    for (ending, StageCounts { post_syn, post_ack, post_psh, later_in_flow, no_match }) in endings {
        change
            .prepare_cached(
                "INSERT INTO stages (hour, run, ending, post_syn, post_ack, post_psh,
                     later_in_flow, no_match)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (hour, run, ending) DO UPDATE SET post_syn = post_syn + excluded.post_syn,
                     post_ack = post_ack + excluded.post_ack, post_psh = post_psh + excluded.post_psh,
                     later_in_flow = later_in_flow + excluded.later_in_flow,
                     no_match = no_match + excluded.no_match",
            )?
            .execute(params![
                clip(row.hour),
                run,
                ending,
                clip(post_syn),
                clip(post_ack),
                clip(post_psh),
                clip(later_in_flow),
                clip(no_match),
            ])?;
    }
    Ok(())
}

/// SQLite's numbers end at 2^63 - 1: in nanoseconds, in the year 2262.
pub(super) fn clip(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The word that serde has for an enum without data.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn json(value: &impl Serialize) -> String {
    // Maps with text keys and finite numbers; others become null.
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}
