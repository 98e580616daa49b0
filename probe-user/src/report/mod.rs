//! What a run says: findings as they come, and a summary that carries its own limits.
//!
//! [`finding`] and [`summary`] are the records, [`Writer`] puts them out as one JSON object a line
//! (the contract is `docs/json.md`) or as lines for people ([`words`]). No client address leaves
//! through here, unless the caller asked for clear ones: [`pseudonym`].

pub(crate) mod destinations;
pub mod finding;
pub mod pseudonym;
pub mod summary;
#[cfg(test)]
mod tests;
mod time;
pub mod verdict;
pub mod words;
mod writer;

pub use finding::Finding;
pub use summary::Summary;
pub use time::rfc3339;
pub use writer::{Clients, Form, ReportError, Writer};
