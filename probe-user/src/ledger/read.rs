//! Reading a ledger: at any time, without privileges, without changing it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags, Row,
    backup::{Backup, StepResult},
    types::{FromSql, FromSqlError, FromSqlResult, ValueRef},
};
use serde::de::DeserializeOwned;

use super::{
    error::LedgerError,
    row::{
        CellRow, Crowd, FindingRow, Hour, Notice, NoticeKind, Run, RunClock, RunKind, RunState,
        ServiceRow, VerdictRow, Window,
    },
    schema::{self, Found},
    store::{FILE, connect},
    write::clip,
};
use crate::{
    attribute::{
        cell::{Affected, Cell},
        sketch::Range,
        verdict::{Period, Unit},
    },
    evidence::Packet,
    report::summary::StageCounts,
};

/// Pages copied at a time of a ledger of an older version.
const COPY_PAGES: i32 = 1_024;

/// A ledger, open for reading. Everything that one reader reads is of one moment.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// What a reader gives: rows, or the reason why not.
type Read<T> = Result<T, LedgerError>;

impl Reader {
    /// Opens the ledger in `dir`. One of an older version is copied to a temporary file and brought up
    /// to date there: reading changes nothing.
    ///
    /// # Errors
    /// When there is none, or it cannot be read, is damaged, foreign or of a later version.
    pub fn open(dir: &Path) -> Read<Self> {
        let path = dir.join(FILE);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(LedgerError::Missing { dir: dir.to_owned() }),
            Err(error) => return Err(LedgerError::of_io(&path, &error)),
        }
        let mut connection = read_only(&path)?;
        let sql = |error: rusqlite::Error| LedgerError::of_sqlite(&path, &error);
        match schema::find(&path, &connection)? {
            Found::Version(schema::VERSION) => {}
            Found::Version(_) => connection = copy(&path, &connection)?,
            Found::Nothing => return Err(LedgerError::Missing { dir: dir.to_owned() }),
        }
        // The first statement fixes the moment.
        connection.execute_batch("BEGIN; SELECT count(*) FROM meta").map_err(sql)?;
        Ok(Self { connection, path })
    }

    /// The name that the ledger gave itself: reports with the same one are of the same ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read; as for all that follow.
    pub fn name(&self) -> Read<String> {
        self.one("SELECT value FROM meta WHERE name = 'ledger'", [], |row| row.get(0))
    }

    /// The run that began last.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn last_run(&self) -> Read<Option<i64>> {
        self.one("SELECT max(id) FROM runs", [], |row| row.get(0))
    }

    /// The period that there is anything of.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn extent(&self, run: Option<i64>) -> Read<Option<Period>> {
        self.one(
            "SELECT min(f), max(t) FROM (
                 SELECT min(started) f, max(seen) t FROM runs WHERE id IS coalesce(?1, id) AND kind = 'live'
                 UNION ALL SELECT min(time), max(time) + 1 FROM findings WHERE run = coalesce(?1, run)
                 UNION ALL SELECT min(window_from), max(window_to) FROM cells WHERE run = coalesce(?1, run)
                 UNION ALL SELECT min(hour), max(hour) + 3600000000000 FROM hours
                     WHERE run = coalesce(?1, run))",
            [run],
            |row| {
                let (from, to): (Option<u64>, Option<u64>) = (row.get(0)?, row.get(1)?);
                Ok(from.zip(to).map(|(from, to)| Period { from, to }))
            },
        )
    }

    /// The runs that were on within the window, in the order of their beginnings. A replay counts by the
    /// time it was made at, unless it is asked for by its number.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn runs(&self, window: &Window) -> Read<Vec<Run>> {
        let Window { period, run } = window;
        self.all(
            "SELECT id, kind, started, seen, ended, version, kernel, targets, interfaces, clock, summary,
                 id = (SELECT max(id) FROM runs) AS last
             FROM runs
             WHERE (?3 IS NOT NULL AND id = ?3) OR (?3 IS NULL AND (
                 (kind = 'live' AND started < ?2 AND coalesce(ended, seen) >= ?1)
                 OR id IN (SELECT run FROM findings WHERE time >= ?1 AND time < ?2)
                 OR id IN (SELECT run FROM cells WHERE window_to > ?1 AND window_from < ?2)
                 OR id IN (SELECT run FROM hours WHERE hour + 3600000000000 > ?1 AND hour < ?2)))
             ORDER BY id",
            (clip(period.from), clip(period.to), run),
            |row| {
                let ended: Option<u64> = row.get("ended")?;
                let state = match (ended, row.get("last")?) {
                    (Some(_), _) => RunState::Ended,
                    (None, true) => RunState::Open,
                    (None, false) => RunState::CutShort,
                };
                Ok(Run {
                    id: row.get("id")?,
                    kind: row.get("kind")?,
                    started: row.get("started")?,
                    seen: row.get("seen")?,
                    ended,
                    version: row.get("version")?,
                    kernel: row.get("kernel")?,
                    targets: row.get("targets")?,
                    interfaces: json(row, "interfaces")?,
                    clock: row.get("clock")?,
                    summary: row.get::<_, Option<String>>("summary")?.and_then(|text| serde_json::from_str(&text).ok()),
                    state,
                })
            },
        )
    }

    /// The services of all target sets that runs have watched.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn services(&self) -> Read<Vec<ServiceRow>> {
        self.all("SELECT * FROM services ORDER BY targets, service", [], |row| {
            Ok(ServiceRow {
                targets: row.get("targets")?,
                service: row.get("service")?,
                title: row.get("title")?,
                role: word(row, "role")?,
                suffixes: json(row, "suffixes")?,
            })
        })
    }

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

    fn methods(&self, cell: i64) -> Read<BTreeMap<crate::attribute::Method, Affected>> {
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

    /// The hours that have a part in the window, runs added up.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn hours(&self, window: &Window) -> Read<Vec<Hour>> {
        let Window { period, run } = window;
        let window = (clip(period.from), clip(period.to), run);
        let hours = self.all(
            "SELECT hour, sum(packets), sum(tcp_flows) FROM hours
             WHERE hour + 3600000000000 > ?1 AND hour < ?2 AND run = coalesce(?3, run)
             GROUP BY hour ORDER BY hour",
            window,
            |row| {
                Ok(Hour {
                    hour: row.get(0)?,
                    packets: row.get(1)?,
                    tcp_flows: row.get(2)?,
                    ..Hour::default()
                })
            },
        )?;
        let mut hours: BTreeMap<u64, Hour> =
            hours.into_iter().map(|hour| (hour.hour, hour)).collect();
        let stages = self.all(
            "SELECT hour, ending, sum(post_syn) AS post_syn, sum(post_ack) AS post_ack,
                 sum(post_psh) AS post_psh, sum(later_in_flow) AS later_in_flow,
                 sum(no_match) AS no_match
             FROM stages
             WHERE hour + 3600000000000 > ?1 AND hour < ?2 AND run = coalesce(?3, run)
             GROUP BY hour, ending",
            window,
            |row| {
                let counts = StageCounts {
                    post_syn: row.get("post_syn")?,
                    post_ack: row.get("post_ack")?,
                    post_psh: row.get("post_psh")?,
                    later_in_flow: row.get("later_in_flow")?,
                    no_match: row.get("no_match")?,
                };
                Ok((row.get::<_, u64>("hour")?, row.get::<_, String>("ending")?, counts))
            },
        )?;
        for (hour, ending, counts) in stages {
            let Some(hour) = hours.get_mut(&hour) else { continue };
            match ending.as_str() {
                "from_server" => hour.from_server = counts,
                "from_client" => hour.from_client = counts,
                _ => hour.silent = counts,
            }
        }
        Ok(hours.into_values().collect())
    }

    /// What happened to the ledger within the window.
    ///
    /// # Errors
    /// As for [`name`](Self::name).
    pub fn notices(&self, window: &Window) -> Read<Vec<Notice>> {
        let Window { period, run } = window;
        self.all(
            "SELECT * FROM notices
             WHERE (?3 IS NOT NULL AND run = ?3) OR (?3 IS NULL AND time >= ?1 AND time < ?2) ORDER BY id",
            (clip(period.from), clip(period.to), run),
            |row| {
                Ok(Notice {
                    run: row.get("run")?,
                    time: row.get("time")?,
                    kind: row.get("kind")?,
                    words: row.get("words")?,
                })
            },
        )
    }

    fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<T> {
        self.connection
            .query_row(sql, values, row)
            .map_err(|error| LedgerError::of_sqlite(&self.path, &error))
    }

    fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Vec<T>> {
        let read = || {
            self.connection
                .prepare_cached(sql)?
                .query_map(values, row)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(|error| LedgerError::of_sqlite(&self.path, &error))
    }

    fn each<T, E: From<LedgerError>>(
        &self,
        sql: &str,
        window: &Window,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        mut take: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(LedgerError::of_sqlite(&self.path, &error));
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let values = (clip(window.period.from), clip(window.period.to), window.run);
        let mut rows = statement.query(values).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(read(row).map_err(failed)?)?;
        }
        Ok(())
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

/// Opens a file for reading. Where no writer has left its log, and the directory may not be written,
/// SQLite cannot make one: the file is then all there is, and is read as it lies.
fn read_only(path: &Path) -> Read<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let usual = connect(path, flags).and_then(|connection| {
        schema::find(path, &connection)?;
        Ok(connection)
    });
    match usual {
        Err(LedgerError::Denied { .. }) if !beside(path, "-wal").exists() => {
            let mut uri = String::from("file:");
            for octet in path.as_os_str().as_bytes() {
                match octet {
                    b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*octet)),
                    octet if octet.is_ascii_alphanumeric() => uri.push(char::from(*octet)),
                    octet => {
                        // Writing to a string cannot fail.
                        let _ = write!(uri, "%{octet:02X}");
                    }
                }
            }
            uri.push_str("?immutable=1");
            connect(Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        usual => usual,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(OsStr::new(ending));
    name.into()
}

/// A temporary copy of a ledger of an older version, brought up to date.
fn copy(path: &Path, from: &Connection) -> Read<Connection> {
    let sql = |error: rusqlite::Error| LedgerError::of_sqlite(path, &error);
    // Without a name: a file that SQLite makes where temporary files go and deletes by itself.
    let mut to = Connection::open("").map_err(sql)?;
    {
        let copying = Backup::new(from, &mut to).map_err(sql)?;
        while matches!(copying.step(COPY_PAGES).map_err(sql)?, StepResult::More) {}
    }
    schema::bring_up(path, &mut to)?;
    Ok(to)
}

/// A value of an enum of ours.
macro_rules! from_word {
    ($($type:ty),*) => { $(
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Self::of_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
            }
        }
    )* };
}

from_word!(RunKind, RunClock, NoticeKind);

/// A value that serde has a word for.
fn word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    optional_word(row, column)?
        .ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("{column} is null")))
}

fn optional_word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let Some(word) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    serde_json::from_value(serde_json::Value::String(word))
        .map(Some)
        .map_err(|error| unreadable(column, error))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(column, error))
}

fn unreadable(column: &str, error: serde_json::Error) -> rusqlite::Error {
    tracing::debug!("column {column}: {error}");
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
