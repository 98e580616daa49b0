//! The case that Forgewatch is built from, played: LinkedIn is ordered to be blocked, and each of six
//! providers does it at its own hour in its own way, or not at all.
//!
//! ```text
//!  plan ─► truth.json ──────────────────────────────────────────┐
//!    └──► traffic ─► A.pcap .. F.pcap ─► forgewatch replay ─► ledger, report ─► check ─► table
//! ```
//!
//! The days are those of November 2016; LinkedIn's addresses are those that it has had since 2020, behind
//! a front that serves others as well. The providers are nobody's: their numbers are set apart for
//! documentation (RFC 5398).

pub mod check;
pub mod plan;
pub mod privacy;
mod quic;
pub mod run;
pub mod say;
mod sites;
pub mod traffic;

pub use plan::{Plan, Truth};
pub use run::{Settings, play};
