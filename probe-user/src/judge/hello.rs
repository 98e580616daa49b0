//! What ClientHellos say besides names: Encrypted ClientHello, its predecessor, their length; and what
//! became of them.

use probe_common::wire::Address;

use super::bounded::Bounded;
use crate::names::tls::{
    Ech, Hello,
    ech::{Config, Ids, Outer, Sign, Use, is_public},
};

/// Outer names whose key numbers are remembered: with GREASE in each browser's hellos, all names.
const KEYS_MAX: usize = 16_384;

/// Public names of which a key was announced over DNS.
const ANNOUNCED_MAX: usize = 1_024;

/// Servers of which is remembered what they have answered.
const ANSWERED_MAX: usize = 16_384;

/// Stands for the name of a hello whose name is encrypted; no normalised name looks so.
pub(super) const ENCRYPTED: &str = "(encrypted)";

/// What one hello says besides its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// The outer extension of Encrypted ClientHello, real or GREASE.
    pub outer: Option<Outer>,
    /// Encrypted SNI is there.
    pub esni: bool,
    /// Length of the message in octets.
    pub length: u32,
}

impl Traits {
    pub(super) fn of(hello: &Hello) -> Self {
        let outer = if let Ech::Outer(outer) = hello.ech { Some(outer) } else { None };
        Self { outer, esni: hello.esni, length: hello.length.unwrap_or_default() }
    }
}

/// The longest hellos that a server has answered, in octets; 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Without an extension that encrypts names.
    pub plain: u32,
    /// With GREASE in its place.
    pub grease: u32,
}

/// All that is known of hellos.
#[derive(Debug)]
pub struct Hellos {
    keys: Bounded<Box<str>, Ids>,
    announced: Bounded<Box<str>, Announced>,
    answered: Bounded<Address, Answered>,
}

/// The numbers of the keys that were announced last for one public name.
#[derive(Clone, Copy, Debug, Default)]
struct Announced {
    ids: [Option<u8>; Self::IDS],
    next: usize,
}

impl Announced {
    const IDS: usize = 8;

    fn add(&mut self, id: u8) {
        if !self.has(id) {
            self.ids[self.next] = Some(id);
            self.next = (self.next + 1) % Self::IDS;
        }
    }

    fn has(&self, id: u8) -> bool {
        self.ids.contains(&Some(id))
    }
}

impl Default for Hellos {
    fn default() -> Self {
        Self {
            keys: Bounded::new(KEYS_MAX),
            announced: Bounded::new(ANNOUNCED_MAX),
            answered: Bounded::new(ANSWERED_MAX),
        }
    }
}

impl Hellos {
    /// Learns from the hello of one more connection.
    pub(super) fn note(&mut self, name: Option<&str>, traits: &Traits) {
        if let (Some(name), Some(outer)) = (name, traits.outer) {
            self.keys.entry(name.into(), Ids::default).0.push(outer.config_id);
        }
    }

    /// Learns a configuration that an HTTPS record announced.
    pub(super) fn announce(&mut self, config: &Config) {
        let name = config.public_name.as_str().into();
        self.announced.entry(name, Announced::default).0.add(config.id);
    }

    /// A hello was answered.
    pub(super) fn answer(&mut self, server: Address, traits: &Traits, ech: Option<Use>) {
        let (answered, _) = self.answered.entry(server, Answered::default);
        match ech {
            None if !traits.esni => answered.plain = answered.plain.max(traits.length),
            Some(Use::Grease(_)) => answered.grease = answered.grease.max(traits.length),
            _ => {}
        }
    }

    /// Whether ECH was used in a hello of this outer name, which the client had `looked_up` or not.
    /// None without the extension.
    pub(super) fn ech(&self, name: Option<&str>, traits: &Traits, looked_up: bool) -> Option<Use> {
        let (outer, name) = (traits.outer?, name.unwrap_or_default());
        let announced = self.announced.get(name);
        Some(if announced.is_some_and(|announced| announced.has(outer.config_id)) {
            Use::Real(Sign::Announced)
        } else if is_public(name) || announced.is_some() {
            Use::Real(Sign::PublicName)
        } else if looked_up {
            Use::Grease(Sign::LookedUp)
        } else {
            self.keys.get(name).map_or(Use::Unknown, Ids::says)
        })
    }

    /// What `server` has answered.
    pub fn answered(&self, server: Address) -> Answered {
        self.answered.get(&server).copied().unwrap_or_default()
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.keys.evicted() + self.announced.evicted() + self.answered.evicted()
    }
}

#[cfg(test)]
mod tests {
    use probe_common::wire::Address;

    use super::{Answered, Hellos, Traits};
    use crate::names::tls::ech::{Config, Outer, Sign, Use};

    fn traits(config_id: u8) -> Traits {
        let outer = Outer { kdf: 1, aead: 1, config_id, enc_len: 32, payload_len: 208 };
        Traits { outer: Some(outer), esni: false, length: 1_800 }
    }

    #[test]
    fn the_surest_sign_is_taken() {
        let mut hellos = Hellos::default();
        let unknown = "a.example";
        assert_eq!(hellos.ech(Some(unknown), &Traits::default(), false), None);
        assert_eq!(hellos.ech(Some(unknown), &traits(7), false), Some(Use::Unknown));
        let looked_up = hellos.ech(Some(unknown), &traits(7), true);
        assert_eq!(looked_up, Some(Use::Grease(Sign::LookedUp)));
        let known = hellos.ech(Some("cloudflare-ech.com"), &traits(7), true);
        assert_eq!(known, Some(Use::Real(Sign::PublicName)));

        hellos.announce(&Config { id: 7, public_name: "front.example".into() });
        let announced = |id| hellos.ech(Some("front.example"), &traits(id), false);
        assert_eq!(announced(7), Some(Use::Real(Sign::Announced)));
        assert_eq!(announced(8), Some(Use::Real(Sign::PublicName)), "an older key");

        for id in [1, 2, 3, 4] {
            hellos.note(Some(unknown), &traits(id));
            hellos.note(Some("b.example"), &traits(9));
        }
        let grease = hellos.ech(Some(unknown), &traits(5), false);
        assert_eq!(grease, Some(Use::Grease(Sign::OtherKeys)));
        let real = hellos.ech(Some("b.example"), &traits(9), false);
        assert_eq!(real, Some(Use::Real(Sign::SameKey)));
    }

    #[test]
    fn the_longest_answered_hello_is_remembered() {
        let (server, mut hellos) = (Address::v4(1), Hellos::default());
        let plain = |length| Traits { length, ..Traits::default() };
        hellos.answer(server, &plain(500), None);
        hellos.answer(server, &plain(300), None);
        hellos.answer(server, &Traits { esni: true, ..plain(900) }, None);
        hellos.answer(server, &traits(7), Some(Use::Real(Sign::PublicName)));
        assert_eq!(hellos.answered(server), Answered { plain: 500, grease: 0 });
        hellos.answer(server, &traits(7), Some(Use::Grease(Sign::OtherKeys)));
        assert_eq!(hellos.answered(server), Answered { plain: 500, grease: 1_800 });
    }
}
