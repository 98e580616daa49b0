//! The BPF object in the real kernel: it loads in every variant, and it always passes.
//!
//! The packets are those of `probe_tests::craft`, some hundred thousand. Captures below the directory
//! that `FORGEWATCH_CORPUS` names are tried besides; without the variable nothing is left out of
//! what this suite promises.

mod cores;
mod hellos;
mod hooks;
mod malformed;
mod maps;
mod pass;
mod privacy;
mod selection;
mod verifier;
mod watched;
