//! What the suites and tools of this package share.
//!
//! * [`lab`]: a network of namespaces with real clients, real servers and a censor in between, and
//!   what the suites in `tests/` and the demo need to run Forgewatch in it.
//! * [`craft`]: single packets and small captures made to measure.
//! * [`duel`]: one capture through both engines, and the first thing in which they differ.
//! * [`oracle`]: what the parser reads, against what etherparse reads.
//! * [`fuzz`]: whatever octets somebody sends, through everything that reads octets.
//! * [`egress`]: packets through the program at the tc hook.
//! * [`corpus`]: labelled captures of interference and of what only looks like it, made from a seed.
//! * [`case2016`]: the week in which LinkedIn was ordered to be blocked, at six providers, played and checked.
//! * [`score`]: how well the detectors do on captures whose truth is known.
//! * [`simulate`]: worlds with and without censors, for the attributor.
//! * [`kernels`]: Debian's kernels, emulated, each with the lab in it.
//! * [`soak`]: millions of innocent connections through engine and judge.
//! * [`limits`]: what is demanded of the detectors in these two.
//! * [`mod@bench`]: what all this costs.
//! * [`golden`]: a few small captures with what is said of them, written down.
//! * [`package`]: the Debian package in a clean Debian.
//! * [`pages`]: reports made up for their page to be looked at and tried.
//! * [`docs`]: the documentation, so that suites can hold it against what is there.

pub mod bench;
pub mod case2016;
pub mod corpus;
pub mod craft;
pub mod docs;
pub mod duel;
pub mod egress;
pub mod fuzz;
pub mod golden;
pub mod kernels;
pub mod lab;
pub mod limits;
pub mod oracle;
pub mod package;
pub mod pages;
pub mod score;
pub mod simulate;
pub mod soak;
