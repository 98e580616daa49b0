//! The names of all services, in the form in which the programs look for them.

use probe_common::{hash::HashKey, names::Names};

use super::TargetSet;

impl TargetSet {
    /// The list of watched names: those of targets and of controls.
    #[must_use]
    pub fn names(&self, key: HashKey) -> Box<Names> {
        let mut names = Box::<Names>::default();
        for suffix in self.services().iter().flat_map(|service| &service.suffixes) {
            names.add(key, &labels(suffix));
        }
        names
    }
}

/// A name as it stands in a DNS message, without the root (RFC 1035, section 3.1).
fn labels(name: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(name.len() + 1);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        // No label of a valid name is longer than 63 octets.
        octets.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        octets.extend(label.bytes().map(|octet| octet.to_ascii_lowercase()));
    }
    octets
}
