//! The agent's own figures: by the minute from its metrics, at the end from its summary.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use probe_common::counter::Counter;
use serde_json::Value;

use crate::lab::{namespace::Namespace, wait};

/// Where it serves them, in its own namespace.
pub const ADDRESS: &str = "127.0.0.1:9617";

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Counters by name.
type Counts = BTreeMap<String, u64>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// What was seen, and is no loss.
    pub seen: Counts,
    /// What was lost.
    pub lost: Counts,
}

impl Figures {
    /// Asks the agent in `router`.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn ask(router: &Namespace) -> anyhow::Result<Self> {
        // On a busy machine its loop may be late, which it says.
        let mut last = None;
        let asked = wait::until("the agent's metrics", wait::READY, || {
            router.enter(get).and_then(|text| text).map_err(|error| last = Some(error)).ok()
        });
        let text = asked.with_context(|| format!("it said last: {last:?}"))?;
        let mut figures = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse() else { continue };
            let labelled = |metric: &str| {
                let label = name.strip_prefix("forgewatch_")?.strip_prefix(metric)?;
                Some(label.trim_matches(['{', '}']).split_once("=\"")?.1.trim_end_matches('"'))
            };
            if let Some(name) = labelled("seen_total") {
                figures.seen.insert(name.to_owned(), value);
            } else if let Some(name) = labelled("lost_total") {
                figures.lost.insert(name.to_owned(), value);
            } else if name == "forgewatch_packets_total" {
                figures.seen.insert(Counter::Packets.name().to_owned(), value);
            }
        }
        ensure!(!figures.lost.is_empty(), "no losses in the agent's metrics: {text}");
        Ok(figures)
    }

    /// Out of a summary.
    pub fn of(summary: &Value) -> Self {
        let counts = |value: &Value| -> Counts {
            let fields = value.as_object().into_iter().flatten();
            fields.filter_map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect()
        };
        let mut seen = counts(summary);
        seen.extend(counts(&summary["counters"]));
        Self { seen, lost: counts(&summary["lost"]) }
    }

    /// A figure; 0 if it is not there.
    pub fn get(&self, name: &str) -> u64 {
        self.seen.get(name).or_else(|| self.lost.get(name)).copied().unwrap_or_default()
    }

    /// Packets by what became of them, all together.
    pub fn outcomes(&self) -> u64 {
        Counter::OUTCOMES.iter().map(|counter| self.get(counter.name())).sum()
    }
}

fn get() -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(ADDRESS)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}
