//! The detectors: one file each, which says the rule, where it comes from, what it is worth, and
//! which innocent behaviour looks like it.
//!
//! To add one: write a file with a `DETECTOR` in it, and add its name to the list below. It gets a
//! [`Case`] (what a connection's resets, and what came after them, looked like) or an
//! [`Exchange`] (a DNS question and all its replies) and says what it measured, or nothing.

use serde_json::{Map, Value};

use crate::{
    judge::{Case, Exchange, Knowledge},
    report::finding::{Confidence, EvidenceClass, Signature},
};
use probe_common::flow::Side;

/// Lists the detectors of one kind.
macro_rules! detectors {
    ($(#[doc = $doc:literal])+ $list:ident: $kind:ty = [$($module:ident),+ $(,)?]) => {
        $(pub mod $module;)+

        $(#[doc = $doc])+
        pub static $list: &[&$kind] = &[$(&$module::DETECTOR),+];
    };
}

detectors! {
    /// Detectors of TCP interference.
    TCP: TcpDetector = [
        data_after_rst,
        rst_seq_change,
        ttlwin_ramp,
        impossible_rtt,
        rst_seq_data,
        // After the others: it looks at what they found.
        lineage_break,
    ]
}

detectors! {
    /// Detectors of DNS interference.
    DNS: DnsDetector = [dns_dual, dns_fast]
}

/// A detector of TCP interference.
pub struct TcpDetector {
    /// Its name in findings.
    pub id: &'static str,
    /// What kind of evidence it brings.
    pub class: EvidenceClass,
    /// Judges the resets that claim to come from one side. `others` are the signatures that
    /// detectors before it in the list have found for that side.
    pub judge: fn(&Case, Side, &Knowledge, others: &[Hit]) -> Option<Fired>,
}

/// A detector of DNS interference.
pub struct DnsDetector {
    /// Its name in findings.
    pub id: &'static str,
    /// What kind of evidence it brings.
    pub class: EvidenceClass,
    /// Judges a question and its replies.
    pub judge: fn(&Exchange, &Knowledge, others: &[Hit]) -> Option<Fired>,
}

/// What a detector says when it fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// What this piece of evidence is worth alone.
    pub confidence: Confidence,
    /// The figures, each with its unit in its name.
    pub measured: Map<String, Value>,
    /// The same in half a sentence.
    pub words: String,
    /// Which of the case's packets it holds to be forged: their numbers in the capture, or 0s.
    pub frames: Vec<u64>,
}

/// A detector that fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// What goes into the finding.
    pub signature: Signature,
    /// The packets it holds to be forged.
    pub frames: Vec<u64>,
}

impl Hit {
    /// The hit of detector `id`.
    pub fn new(id: &'static str, class: EvidenceClass, fired: Fired) -> Self {
        let Fired { confidence, measured, words, frames } = fired;
        Self { signature: Signature { id, class, confidence, measured, words }, frames }
    }
}

/// Builds the map of measured figures.
macro_rules! measured {
    ($($name:literal: $value:expr),* $(,)?) => {{
        let mut map = serde_json::Map::new();
        $(map.insert($name.into(), serde_json::json!($value));)*
        map
    }};
}
use measured;

/// Nanoseconds as milliseconds, to a thousandth.
fn millis(nanos: u64) -> f64 {
    (nanos as f64 / 1e3).round() / 1e3
}
