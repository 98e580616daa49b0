//! The runs, and what they counted.

use std::collections::BTreeMap;

use super::{
    super::{
        row::{Hour, Notice, Run, RunState, ServiceRow, Window},
        write::clip,
    },
    Read, Reader,
    column::{json, word},
};
use crate::report::summary::StageCounts;

impl Reader {
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
}
