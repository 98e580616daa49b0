//! How often each of Radar's signatures was seen, by who the resets claim to come from.

use std::collections::BTreeMap;

use crate::report::summary::Counters;

/// The counts.
#[derive(Clone, Debug, Default)]
pub struct Signatures {
    counts: BTreeMap<(&'static str, bool), u64>,
}

impl Signatures {
    pub(super) fn add(&mut self, id: &'static str, from_client: bool) {
        *self.counts.entry((id, from_client)).or_default() += 1;
    }

    /// As counters: `signature_T12_from_server` and the like, those that are not 0.
    pub fn counters(&self) -> Counters {
        let name = |(id, from_client): (&str, bool)| {
            format!("signature_{id}_from_{}", if from_client { "client" } else { "server" })
        };
        self.counts.iter().map(|(&key, &count)| (name(key), count)).collect()
    }
}
