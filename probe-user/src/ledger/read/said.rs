//! What was found, and what was concluded of it.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::{
    super::{
        error::LedgerError,
        row::{CellRow, Crowd, FindingRow, VerdictRow, Window},
        write::clip,
    },
    Read, Reader,
    column::{json, optional_word, word},
};
use crate::{
    attribute::{
        Method,
        cell::{Affected, Cell},
        outcome::Network,
        sketch::Range,
        verdict::{Period, Unit},
    },
    evidence::Packet,
};

impl Reader {
    /// The findings of the window, in the order they were recorded in, one by one.
    ///
    /// # Errors
    /// As for [`name`](Self::name), and whatever `take` fails with.
    pub fn findings<E: From<LedgerError>>(
        &self,
        window: &Window,
        take: impl FnMut(FindingRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "SELECT * FROM findings WHERE time >= ?1 AND time < ?2 AND run = coalesce(?3, run) ORDER BY id",
            window,
            finding,
            take,
        )
    }

    /// The packets that show a finding, in their order.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn evidence(&self, finding: i64) -> Read<Vec<Packet>> {
        self.all("SELECT * FROM evidence WHERE finding = ?1 ORDER BY position", [finding], |row| {
            Ok(Packet {
                offset: row.get("time_offset")?,
                from: word(row, "sender")?,
                standing: word(row, "standing")?,
                origin: word(row, "origin")?,
                bytes: row.get("bytes")?,
                note: row.get("note")?,
            })
        })
    }

    /// How many clients stand behind findings: the hours and days that have a part in the window. Runs
    /// are put together: their clients may be the same, so the largest least is the least, and the sum
    /// the most.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn crowds(&self, window: &Window) -> Read<Vec<Crowd>> {
        let Window { period, run } = window;
        self.all(
            "SELECT service, protocol, verdict, seconds, start, max(clients_least), sum(clients_most),
                 max(networks_least), sum(networks_most)
             FROM crowds WHERE start + seconds * 1000000000 > ?1 AND start < ?2
                 AND run = coalesce(?3, run)
             GROUP BY start, seconds, service, protocol, verdict
             ORDER BY start, seconds, service, protocol, verdict",
            (clip(period.from), clip(period.to), run),
            |row| {
                Ok(Crowd {
                    service: row.get(0)?,
                    protocol: word(row, "protocol")?,
                    verdict: word(row, "verdict")?,
                    seconds: row.get(3)?,
                    start: row.get(4)?,
                    clients: Range { least: row.get(5)?, most: row.get(6)? },
                    networks: Range { least: row.get(7)?, most: row.get(8)? },
                })
            },
        )
    }

    /// Networks of resolvers that at least `least` networks of clients are known to ask: by a cell or a verdict
    /// of the window.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn resolvers(&self, window: &Window, least: u64) -> Read<Vec<Network>> {
        let Window { period, run } = window;
        self.all(
            "SELECT network FROM cells WHERE window_to > ?1 AND window_from < ?2
                 AND run = coalesce(?3, run) AND protocol = 'dns' AND networks_least >= ?4
             UNION SELECT network FROM verdicts WHERE period_to > ?1 AND period_from < ?2
                 AND run = coalesce(?3, run) AND protocol = 'dns' AND networks_least >= ?4",
            (clip(period.from), clip(period.to), run, clip(least)),
            |row| word(row, "network"),
        )
    }

    /// The cells whose windows have a part in the window, one by one.
    ///
    /// # Errors
    /// As for [`findings`](Self::findings).
    pub fn cells<E: From<LedgerError>>(
        &self,
        window: &Window,
        mut take: impl FnMut(CellRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each(
            "SELECT * FROM cells WHERE window_to > ?1 AND window_from < ?2 AND run = coalesce(?3, run)
             ORDER BY id",
            window,
            cell,
            |mut row: CellRow| {
                row.cell.methods = self.methods(row.id)?;
                take(row)
            },
        )
    }

    fn methods(&self, cell: i64) -> Read<BTreeMap<Method, Affected>> {
        let methods = self.all("SELECT * FROM cell_methods WHERE cell = ?1", [cell], |row| {
            let affected = Affected {
                flows: row.get("flows")?,
                proven: row.get("proven")?,
                share: row.get("share")?,
                clients: row.get("clients")?,
            };
            Ok((word(row, "method")?, affected))
        })?;
        Ok(methods.into_iter().collect())
    }

    /// The verdicts about periods that have a part in the window, in the order they were given in. The
    /// last one about a unit is the one that stands.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn verdicts(&self, window: &Window) -> Read<Vec<VerdictRow>> {
        let Window { period, run } = window;
        self.all(
            "SELECT id, run, recorded, body FROM verdicts
             WHERE period_to > ?1 AND period_from < ?2 AND run = coalesce(?3, run) ORDER BY id",
            (clip(period.from), clip(period.to), run),
            |row| {
                Ok(VerdictRow {
                    id: row.get("id")?,
                    run: row.get("run")?,
                    recorded: row.get("recorded")?,
                    verdict: json(row, "body")?,
                })
            },
        )
    }
}

fn finding(row: &Row<'_>) -> rusqlite::Result<FindingRow> {
    let least: Option<u8> = row.get("injector_hops_least")?;
    let most: Option<u8> = row.get("injector_hops_most")?;
    Ok(FindingRow {
        id: row.get("id")?,
        run: row.get("run")?,
        number: row.get("number")?,
        time: row.get("time")?,
        protocol: word(row, "protocol")?,
        verdict: word(row, "verdict")?,
        confidence: word(row, "confidence")?,
        service: row.get("service")?,
        role: optional_word(row, "role")?,
        name: row.get("name")?,
        network: word(row, "network")?,
        server: optional_word(row, "server")?,
        port: row.get("port")?,
        position: word(row, "position")?,
        injector_hops: row.get("injector_hops")?,
        injector_hops_range: least.zip(most).map(|(least, most)| [least, most]),
        server_hops: row.get("server_hops")?,
        stage: optional_word(row, "stage")?,
        frames: json(row, "frames")?,
        signatures: json(row, "signatures")?,
        fingerprints: json(row, "fingerprints")?,
        revisions: row.get("revisions")?,
    })
}

fn cell(row: &Row<'_>) -> rusqlite::Result<CellRow> {
    Ok(CellRow {
        id: row.get("id")?,
        run: row.get("run")?,
        cell: Cell {
            unit: Unit {
                service: row.get("service")?,
                role: word(row, "role")?,
                network: word(row, "network")?,
                asn: row.get("asn")?,
                protocol: word(row, "protocol")?,
                vantage: row.get("vantage")?,
            },
            window: Period { from: row.get("window_from")?, to: row.get("window_to")? },
            flows: row.get("flows")?,
            failed: row.get("failed")?,
            n: row.get("n")?,
            methods: BTreeMap::new(),
            clients: Range { least: row.get("clients_least")?, most: row.get("clients_most")? },
            client_networks: Range {
                least: row.get("networks_least")?,
                most: row.get("networks_most")?,
            },
        },
    })
}
