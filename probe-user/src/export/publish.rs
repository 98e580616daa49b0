//! What may leave: figures that enough clients stand behind.
//!
//! A figure about few clients is a figure about each of them. So a cell and a verdict leave only if at
//! least `k` networks of clients (/24 or /48) have a part in them, and a finding only if findings of its
//! service, protocol and verdict come from as many within its hour; it then leaves with that hour for
//! its time. If there are as many within the day, it leaves with the day. Otherwise it stays, and is
//! counted. With `k` = 1, for a lab, everything leaves as it is, and every report says so.
//!
//! Of a DNS finding the server is the resolver, and that may be somebody's own. So it is named only if at least
//! `k` networks of clients are known to ask resolvers of its network; otherwise the finding leaves without it.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use super::ExportError;
use crate::{
    attribute::{outcome::Network, verdict::Period},
    evidence::Packet,
    ledger::{
        Reader, SYSTEM_PORTS, Traces,
        row::{CellRow, DAY, FindingRow, HOUR, Hour, Notice, Run, ServiceRow, VerdictRow, Window},
    },
    report::finding::{Protocol, Verdict},
};

/// Networks of clients that have to stand behind a figure, unless told otherwise.
pub const K: u64 = 10;

/// What stands for the service of all that is neither target nor control.
pub const OTHER: &str = "other";

/// What is published, and as whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Networks of clients that have to stand behind a figure.
    pub k: u64,
    /// Autonomous system of the observer, if it is to be known.
    pub probe_asn: Option<u32>,
    /// Country of the observer, ISO 3166-1 alpha-2, if it is to be known.
    pub probe_cc: Option<String>,
    /// When the report is made, nanoseconds since 1970-01-01 UTC.
    pub created: u64,
}

impl Terms {
    /// Whether nothing is withheld.
    #[must_use]
    pub const fn lab(&self) -> bool {
        self.k <= 1
    }
}

/// A part of a ledger, as far as it may leave.
#[derive(Debug)]
pub struct Publication<'a> {
    reader: &'a Reader,
    window: Window,
    terms: Terms,
    name: String,
    crowds: HashMap<(String, Protocol, Verdict, u32, u64), u64>,
    /// Networks of resolvers that enough clients ask.
    resolvers: HashSet<Network>,
    withheld: RefCell<Withheld>,
}

/// What was not published, for want of clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Withheld {
    /// Findings.
    pub findings: u64,
    /// Findings that left with the day for their time. They are not withheld.
    pub findings_by_day: u64,
    /// Findings of DNS that left without their resolver. They are not withheld either.
    pub resolvers: u64,
    /// Cells.
    pub cells: u64,
    /// Verdicts.
    pub verdicts: u64,
}

/// A finding that may leave.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// What is said of it.
    pub row: FindingRow,
    /// Id of the target or control, or [`OTHER`].
    pub service: String,
    /// Network of the server; `None` of others than targets and controls, and of resolvers that too few
    /// are known to ask.
    pub network: Option<Network>,
    /// The server; `None` likewise.
    pub server: Option<SocketAddr>,
    /// The period that its time lies in: nanoseconds since 1970-01-01 UTC, and its length in seconds; 0
    /// if the time is exact.
    pub time: (u64, u32),
}

impl<'a> Publication<'a> {
    /// What of `window` may leave on `terms`.
    ///
    /// # Errors
    /// When the ledger cannot be read; as for all that follow.
    pub fn new(reader: &'a Reader, window: Window, terms: Terms) -> Result<Self, ExportError> {
        let crowds = reader.crowds(&window)?.into_iter().map(|crowd| {
            let key = (crowd.service, crowd.protocol, crowd.verdict, crowd.seconds, crowd.start);
            (key, crowd.networks.least)
        });
        Ok(Self {
            name: reader.name()?,
            crowds: crowds.collect(),
            resolvers: reader.resolvers(&window, terms.k)?.into_iter().collect(),
            reader,
            window,
            terms,
            withheld: RefCell::default(),
        })
    }

    /// On which terms.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Of which time and run.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// Name of the ledger.
    #[must_use]
    pub fn ledger(&self) -> &str {
        &self.name
    }

    /// The period of the report: the window, as far as there is anything in it.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn period(&self) -> Result<Period, ExportError> {
        let Period { from, to } = self.window.period;
        let Some(extent) = self.reader.extent(self.window.run)? else {
            return Ok(Period { from, to: from });
        };
        let from = from.max(extent.from);
        Ok(Period { from, to: to.min(extent.to).max(from) })
    }

    /// What has been withheld of what was asked for so far. Complete after everything was asked for
    /// once.
    #[must_use]
    pub fn withheld(&self) -> Withheld {
        *self.withheld.borrow()
    }

    /// Begins to count anew what is withheld: a report of its own counts for itself.
    pub fn begin(&self) {
        *self.withheld.borrow_mut() = Withheld::default();
    }

    /// The runs of the window.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn runs(&self) -> Result<Vec<Run>, ExportError> {
        Ok(self.reader.runs(&self.window)?)
    }

    /// What happened to the ledger within the window.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn notices(&self) -> Result<Vec<Notice>, ExportError> {
        Ok(self.reader.notices(&self.window)?)
    }

    /// The services that were watched by `runs`.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn services(&self, runs: &[Run]) -> Result<Vec<ServiceRow>, ExportError> {
        let mut services = self.reader.services()?;
        services.retain(|service| runs.iter().any(|run| run.targets == service.targets));
        Ok(services)
    }

    /// What passed, by the hour. Not about clients or destinations, so nothing is withheld.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn hours(&self) -> Result<Vec<Hour>, ExportError> {
        Ok(self.reader.hours(&self.window)?)
    }

    /// The verdicts that may leave, and whether each stands: none about its unit was given later.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn verdicts(&self) -> Result<Vec<(VerdictRow, bool)>, ExportError> {
        let rows = self.reader.verdicts(&self.window)?;
        let mut last = HashMap::new();
        for row in &rows {
            last.insert(row.verdict.unit.clone(), row.id);
        }
        let (public, withheld): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| self.terms.lab() || row.verdict.is_publishable(self.terms.k));
        self.withheld.borrow_mut().verdicts += withheld.len() as u64;
        Ok(public
            .into_iter()
            .map(|row| {
                let stands = last.get(&row.verdict.unit) == Some(&row.id);
                (row, stands)
            })
            .collect())
    }

    /// The cells that may leave, one by one.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and whatever `take` fails with.
    pub fn cells(
        &self,
        mut take: impl FnMut(CellRow) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        self.reader.cells(&self.window, |row: CellRow| {
            if !self.terms.lab() && row.cell.client_networks.least < self.terms.k {
                self.withheld.borrow_mut().cells += 1;
                return Ok(());
            }
            take(row)
        })
    }

    /// The findings that may leave, one by one.
    ///
    /// # Errors
    /// As for [`cells`](Self::cells).
    pub fn findings(
        &self,
        mut take: impl FnMut(Published) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        self.reader.findings(&self.window, |row: FindingRow| match self.time_of(&row) {
            Some(time) => take(self.published(row, time)),
            None => {
                self.withheld.borrow_mut().findings += 1;
                Ok(())
            }
        })
    }

    /// The packets of a finding that may leave: none if its server may not, which is in each of them.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn evidence(&self, finding: &Published) -> Result<Vec<Packet>, ExportError> {
        if finding.server.is_none() {
            return Ok(Vec::new());
        }
        Ok(self.reader.evidence(finding.row.id)?)
    }

    /// As when a finding may leave; `None` if it may not.
    fn time_of(&self, row: &FindingRow) -> Option<(u64, u32)> {
        if self.terms.lab() {
            return Some((row.time, 0));
        }
        let period = [HOUR, DAY].into_iter().find_map(|seconds| {
            let start = row.time - row.time % (u64::from(seconds) * 1_000_000_000);
            let service = row.service.clone().unwrap_or_default();
            let key = (service, row.protocol, row.verdict, seconds, start);
            (*self.crowds.get(&key)? >= self.terms.k).then_some((start, seconds))
        });
        if matches!(period, Some((_, DAY))) {
            self.withheld.borrow_mut().findings_by_day += 1;
        }
        period
    }

    fn published(&self, mut row: FindingRow, time: (u64, u32)) -> Published {
        let known = row.service.is_some();
        let named = known && self.may_name_server(&row);
        if known && !named {
            self.withheld.borrow_mut().resolvers += 1;
            forget_server(&mut row);
        }
        if time.1 > 0 {
            // Which packets of which capture would tell the moment.
            row.frames.clear();
            row.time = time.0;
        }
        Published {
            service: row.service.clone().unwrap_or_else(|| OTHER.to_owned()),
            network: named.then_some(row.network),
            server: row.server.filter(|_| named),
            time,
            row,
        }
    }

    /// The server of a service is everybody's. A resolver may be one household's, however many others meet
    /// the same interference elsewhere.
    fn may_name_server(&self, row: &FindingRow) -> bool {
        row.protocol != Protocol::Dns || self.terms.lab() || self.resolvers.contains(&row.network)
    }
}

/// Leaves the server out, and every piece of evidence that has its address.
fn forget_server(row: &mut FindingRow) {
    row.port = row.port.filter(|port| *port < SYSTEM_PORTS);
    let Some(server) = row.server.take() else { return };
    let server = Traces::of(server.ip());
    for signature in &mut row.signatures {
        let measured = signature.measured.values();
        if server.are_in(&signature.words)
            || measured.into_iter().any(|value| server.are_in(&value.to_string()))
        {
            signature.measured.clear();
            signature.words.clear();
        }
    }
    row.fingerprints.retain(|fingerprint| !server.are_in(&fingerprint.to_string()));
}
