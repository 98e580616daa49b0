//! One engine, two drivers: a capture through the engine in userspace and the same capture through
//! the BPF object give the same events, the same counts, the same tables, the same findings.
//!
//! Events are compared field by field and with their payload; time is the capture's in both. After
//! each packet the counters are compared, too, and that exactly one outcome was counted for it.
//!
//! The packets are those of `probe_tests::craft`. Captures below the directory that
//! `FORGEWATCH_CORPUS` names are tried besides, and only add.

mod captures;
mod findings;
mod settings;
mod truncation;
