//! The detectors: one file each, which says the rule, where it comes from, what it is worth, and
//! which innocent behaviour looks like it.
//!
//! To add one: write a file with a `DETECTOR` in it, and add its name to the list below. It gets a
//! [`Case`] (a connection's resets, what came after them, and what its server said first), a
//! [`Silent`] connection, an [`Attempt`] over QUIC that got no answer, or an [`Exchange`] (a DNS question
//! and all its replies), and says what it measured, or nothing.

use std::{fmt, rc::Rc};

use serde_json::{Map, Value};

use crate::{
    judge::{Attempt, Case, Exchange, Knowledge, Silent},
    report::finding::{Confidence, EvidenceClass, Signature, Verdict},
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
    /// Detectors of TCP interference. Those of header lineage and of populations come last: they
    /// look at what the others found.
    TCP: TcpDetector = [
        data_after_rst,
        rst_seq_change,
        rst_ack_change,
        rst_ladder,
        rst_triple_same,
        rst_seq_data,
        rst_payload_k,
        tspu_rewrite,
        sh_unacked_rst,
        rst_before_answer,
        refusal_seq,
        syn_ack_conflict,
        wrong_iface,
        impossible_rtt,
        bothsides,
        handshake_again,
        payload_conflict,
        fin_steal,
        http_blockpage,
        ttlwin_ramp,
        mirror,
        nearer_answer,
        foreign_data,
        flags_odd,
        lineage_break,
        ts_break,
        ttl_spread,
        ipid_const,
        stage_sni,
        residual,
    ]
}

pub mod radar;

/// Lists the detectors of silence.
macro_rules! silent {
    ($($module:ident),+; $($of:ident),+) => {
        $(pub mod $module;)+

        /// Detectors of silence. Those of populations come first: the others look at them.
        pub static SILENT: &[&SilenceDetector] =
            &[$(&$of::SILENT,)+ $(&$module::DETECTOR,)+];
    };
}

silent! {
    syn_blackhole, ch_blackhole, ch_ack_silent, sh_unacked, nth_packet_stop, freeze_16k, ech_drop,
    esni_drop;
    stage_sni, residual
}

detectors! {
    /// Detectors of DNS interference. Those that look at what the others found come last.
    DNS: DnsDetector = [dns_dual, dns_lineage, dns_fast, dns_mirror, dns_nonresolver]
}

detectors! {
    /// Detectors of false answers. What the others have found of an exchange is handed to them; they are
    /// asked again when it is known what clients met where the answer led.
    LIES: DnsDetector = [
        dns_pool,
        dns_bogon,
        dns_nxdomain,
        dns_outvoted,
        dns_astray,
        dns_wrong_as,
    ]
}

pub mod quic_sni_drop;

/// Detectors of QUIC connections without an answer. Those of populations come first.
pub static QUIC: &[&QuicDetector] =
    &[&stage_sni::QUIC, &residual::QUIC, &ech_drop::QUIC, &quic_sni_drop::DETECTOR];

/// A detector of TCP interference.
pub struct TcpDetector {
    /// Its name in findings.
    pub id: &'static str,
    /// What kind of evidence it brings.
    pub class: EvidenceClass,
    /// What it accuses somebody of, if it decides.
    pub accuses: Verdict,
    /// Judges the resets that claim to come from one side. `others` are the signatures that
    /// detectors before it in the list have found for that side.
    pub judge: for<'a> fn(&'a Case, Side, &'a Knowledge, others: &[Hit<'_>]) -> Option<Fired<'a>>,
}

/// A detector of connections that fell silent. What it finds is dropped packets.
pub struct SilenceDetector {
    /// Its name in findings.
    pub id: &'static str,
    /// What kind of evidence it brings.
    pub class: EvidenceClass,
    /// Judges a connection without end. `others` are what detectors before it in the list found.
    pub judge: for<'a> fn(&'a Silent, &'a Knowledge, others: &[Hit<'_>]) -> Option<Fired<'a>>,
}

/// A detector of QUIC connections without an answer. What it finds is dropped packets.
pub struct QuicDetector {
    /// Its name in findings.
    pub id: &'static str,
    /// What kind of evidence it brings.
    pub class: EvidenceClass,
    /// Judges an attempt that got no answer. `others` are what detectors before it in the list found.
    pub judge: for<'a> fn(&'a Attempt, &'a Knowledge, others: &[Hit<'_>]) -> Option<Fired<'a>>,
}

/// A detector of DNS interference.
pub struct DnsDetector {
    /// Its name in findings.
    pub id: &'static str,
    /// What kind of evidence it brings.
    pub class: EvidenceClass,
    /// What it accuses somebody of, if it decides.
    pub accuses: Verdict,
    /// Judges a question and its replies.
    pub judge: for<'a> fn(&'a Exchange, &'a Knowledge, others: &[Hit<'_>]) -> Option<Fired<'a>>,
}

impl TcpDetector {
    /// A detector that accuses somebody of injecting.
    const fn new(
        id: &'static str,
        class: EvidenceClass,
        judge: for<'a> fn(&'a Case, Side, &'a Knowledge, &[Hit<'_>]) -> Option<Fired<'a>>,
    ) -> Self {
        Self { id, class, accuses: Verdict::Injected, judge }
    }
}

impl DnsDetector {
    /// A detector that accuses somebody of injecting.
    const fn new(
        id: &'static str,
        class: EvidenceClass,
        judge: for<'a> fn(&'a Exchange, &'a Knowledge, &[Hit<'_>]) -> Option<Fired<'a>>,
    ) -> Self {
        Self { id, class, accuses: Verdict::Injected, judge }
    }

    /// A detector that accuses the resolver of a lie, or a device in its place.
    const fn lies(
        id: &'static str,
        class: EvidenceClass,
        judge: for<'a> fn(&'a Exchange, &'a Knowledge, &[Hit<'_>]) -> Option<Fired<'a>>,
    ) -> Self {
        Self { id, class, accuses: Verdict::Lied, judge }
    }
}

/// The figures that a detector measured, each with its unit in its name, and the same in half a sentence.
pub type Said = (Map<String, Value>, String);

/// What a detector has to say, put into words when somebody asks for it: a case is looked at with each of
/// its packets, and mostly there is nothing new to be told.
#[derive(Clone)]
pub struct Account<'a>(Rc<dyn Fn() -> Said + 'a>);

impl<'a> Account<'a> {
    /// What `say` says.
    pub fn of(say: impl Fn() -> Said + 'a) -> Self {
        Self(Rc::new(say))
    }

    /// In words.
    pub fn said(&self) -> Said {
        (self.0)()
    }

    /// The same, for when what it is about is gone.
    pub fn kept(&self) -> Account<'static> {
        let said = self.said();
        Account::of(move || said.clone())
    }
}

impl fmt::Debug for Account<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (measured, words) = self.said();
        write!(out, "{words:?} {measured:?}")
    }
}

/// What a detector says when it fires.
#[derive(Clone, Debug)]
pub struct Fired<'a> {
    /// What this piece of evidence is worth alone.
    pub confidence: Confidence,
    /// Which of the case's packets it holds to be forged: see [`Seen::number`](crate::judge::Seen).
    pub packets: Vec<u64>,
    /// What it measured.
    pub account: Account<'a>,
}

/// A detector that fired.
#[derive(Clone, Debug)]
pub struct Hit<'a> {
    /// The detector's name.
    pub id: &'static str,
    /// What kind of evidence it brings.
    pub class: EvidenceClass,
    /// What it accuses somebody of, if it decides.
    pub accuses: Verdict,
    /// What it says.
    pub fired: Fired<'a>,
}

impl<'a> Hit<'a> {
    /// The hit of detector `id`.
    pub const fn new(
        id: &'static str,
        class: EvidenceClass,
        accuses: Verdict,
        fired: Fired<'a>,
    ) -> Self {
        Self { id, class, accuses, fired }
    }

    /// What it is worth alone.
    pub const fn confidence(&self) -> Confidence {
        self.fired.confidence
    }

    /// What goes into a finding.
    pub fn signature(&self) -> Signature {
        let (measured, words) = self.fired.account.said();
        Signature { id: self.id, class: self.class, confidence: self.confidence(), measured, words }
    }

    /// The same, for when what it is about is gone.
    pub fn kept(self) -> Hit<'static> {
        let Self { id, class, accuses, fired } = self;
        let fired = Fired { account: fired.account.kept(), ..fired };
        Hit { id, class, accuses, fired }
    }
}

/// Whether any of `hits` is of one of `classes` and worth at least `least`.
fn supported(hits: &[Hit<'_>], classes: &[EvidenceClass], least: Confidence) -> bool {
    hits.iter().any(|hit| hit.confidence() >= least && classes.contains(&hit.class))
}

/// Builds the map of measured figures.
macro_rules! measured {
    ($($name:literal: $value:expr),* $(,)?) => {{
        let mut map = serde_json::Map::with_capacity([$($name),*].len());
        $(map.insert($name.into(), serde_json::json!($value));)*
        map
    }};
}
use measured;

/// Nanoseconds as milliseconds, to a thousandth.
fn millis(nanos: u64) -> f64 {
    (nanos as f64 / 1e3).round() / 1e3
}
