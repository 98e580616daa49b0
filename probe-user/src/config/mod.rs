//! What an agent is told, in layers: built-in defaults, one file, the environment, the command line.
//! The later layer wins, key by key.
//!
//! * `settings` is the outcome, as the agent uses it.
//! * `keys` lists every key once: its name, how it is read and shown, and whether it may change while a
//!   run goes on.
//! * `value` reads values, and says what is allowed where one is not.
//! * `layers` puts the layers on each other and remembers where each value came from.

pub(crate) mod keys;
pub(crate) mod layers;
pub(crate) mod settings;
mod value;

/// The example that ships: every key with its default, and why.
pub(crate) const EXAMPLE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/forgewatch.toml"));

/// Whether `text` is a configuration file; `path` is for messages only.
///
/// # Errors
///
/// At the first thing that is not as `docs/configuration.md` says.
pub fn check(path: &std::path::Path, text: &str) -> Result<(), crate::data::DataError> {
    layers::Layers::default().parse(path, text)
}

#[cfg(test)]
mod tests;
