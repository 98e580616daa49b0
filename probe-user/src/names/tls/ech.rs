//! Encrypted ClientHello: what a passive reader can know of it.
//!
//! With ECH a client sends two hellos: an inner one, encrypted, with the name it wants, and an outer one
//! whose SNI is the *public name* of whoever serves it. A client that has no key for a server sends an
//! extension of random content instead, GREASE, beside the name it really wants (RFC 9849 section 6.2).
//! The two are made to look alike, and within one hello they do. Around it there are signs:
//!
//! | sign | says | how sure |
//! |---|---|---|
//! | the outer name is one of [`PUBLIC_NAMES`] | real | nobody asks for these names otherwise; the list is never complete |
//! | an HTTPS record that passed here has this outer name as its public name, and the same key number | real | by chance one in 256 |
//! | hellos for one outer name carry the same key number again and again | real | GREASE draws it anew: by chance one in 65,536 after three |
//! | hellos for one outer name carry one key number after another | GREASE | a server changes keys by the hour, not by the connection |
//! | the client has just looked this name up | GREASE | it would ask the address of the inner name, not of the public one |
//!
//! Without any of them it stays [`Use::Unknown`]: a single hello for a name that was never met before,
//! after encrypted DNS, cannot be told.

use super::cursor::{Cursor, Stop};
use crate::names::host::normalise;

/// Names that stand in outer hellos of well-known providers and in no other, with where that was read
/// and when.
pub const PUBLIC_NAMES: &[(&str, &str)] = &[
    ("cloudflare-ech.com", "all of Cloudflare; net4people/bbs#417, 2024-11"),
    ("public.tls-ech.dev", "test server tls-ech.dev, by its HTTPS record, 2025"),
    ("cover.defo.ie", "test servers of the DEfO project, by their HTTPS records, 2025"),
];

/// Most configurations read of one list. Servers publish one, or the keys of a few hours.
pub const CONFIGS_MAX: usize = 8;

/// Key numbers remembered of one outer name, the latest: enough to tell a changed key from GREASE.
pub const IDS_MAX: usize = 8;

/// The version in which all clients and servers meet; the same number as the extension.
const VERSION: u16 = 0xfe0d;

/// An outer extension: RFC 9849 section 5.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outer {
    /// HPKE key derivation function.
    pub kdf: u16,
    /// HPKE authenticated encryption.
    pub aead: u16,
    /// The number of the server's key that the client claims to use.
    pub config_id: u8,
    /// Length of the encapsulated key in bytes; 0 in a second hello.
    pub enc_len: u16,
    /// Length of the encrypted inner hello in bytes.
    pub payload_len: u16,
}

impl Outer {
    pub(super) fn read(content: &mut Cursor<'_>) -> Result<Self, Stop> {
        if content.u8()? != 0 {
            return Err(Stop::Malformed); // An inner hello is never seen on a wire.
        }
        let (kdf, aead, config_id) = (content.u16()?, content.u16()?, content.u8()?);
        let enc_len = content.u16()?;
        content.take(usize::from(enc_len))?;
        let payload_len = content.u16()?;
        content.take(usize::from(payload_len))?;
        Ok(Self { kdf, aead, config_id, enc_len, payload_len })
    }
}

/// One configuration that a server publishes: RFC 9849 section 4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The number of its key.
    pub id: u8,
    /// The name for outer hellos, normalised.
    pub public_name: String,
}

/// The configurations of a list, as an HTTPS record carries it (RFC 9848), at most [`CONFIGS_MAX`];
/// those of unknown versions and what follows a break are left out.
#[must_use]
pub fn configs(list: &[u8]) -> Vec<Config> {
    let mut configs = Vec::new();
    // Whatever ends the reading: what stood before it counts.
    let _: Result<(), Stop> = read_list(list, &mut configs);
    configs
}

fn read_list(list: &[u8], configs: &mut Vec<Config>) -> Result<(), Stop> {
    let mut whole = Cursor::new(list, list.len());
    let length = usize::from(whole.u16()?);
    let mut rest = whole.part(length)?;
    while !rest.is_empty() && configs.len() < CONFIGS_MAX {
        let version = rest.u16()?;
        let length = usize::from(rest.u16()?);
        let mut content = rest.part(length)?;
        if version == VERSION {
            configs.push(Config::read(&mut content)?);
        }
    }
    Ok(())
}

impl Config {
    fn read(content: &mut Cursor<'_>) -> Result<Self, Stop> {
        let id = content.u8()?;
        content.u16()?; // HPKE key encapsulation
        let key = content.u16()?;
        content.take(usize::from(key))?;
        let suites = content.u16()?;
        content.take(usize::from(suites))?;
        content.u8()?; // longest name
        let name = content.u8()?;
        let name = content.take(usize::from(name))?;
        if name.is_empty() {
            return Err(Stop::Malformed);
        }
        Ok(Self { id, public_name: normalise(name) })
    }
}

/// Whether ECH was used, and how one knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A real one: the outer name is not what the client wants.
    Real(Sign),
    /// GREASE: the outer name is what the client wants.
    Grease(Sign),
    /// It cannot be told.
    Unknown,
}

/// See the table in the module's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The outer name is a provider's public name.
    PublicName,
    /// An HTTPS record announced this key under this name.
    Announced,
    /// The same key again and again.
    SameKey,
    /// Another key each time.
    OtherKeys,
    /// The client looked the outer name up.
    LookedUp,
}

impl Use {
    /// `real`, `grease` or `unknown`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real(_) => "real",
            Self::Grease(_) => "grease",
            Self::Unknown => "unknown",
        }
    }

    /// A real one.
    #[must_use]
    pub const fn is_real(self) -> bool {
        matches!(self, Self::Real(_))
    }
}

/// Whether `name` is known as an outer name that stands for others.
#[must_use]
pub fn is_public(name: &str) -> bool {
    PUBLIC_NAMES.iter().any(|(public, _)| *public == name)
}

/// The key numbers in hellos for one outer name, one of each connection, the latest [`IDS_MAX`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Ids {
    ids: [u8; IDS_MAX],
    seen: u32,
}

impl Ids {
    /// Connections before the same number each time is no chance: 256 to the power of two.
    const SAME: usize = 3;

    /// Connections before another number each time is no change of keys.
    const OTHER: usize = 4;

    /// Takes the number of one more connection.
    pub const fn push(&mut self, id: u8) {
        self.ids[self.seen as usize % IDS_MAX] = id;
        // Counted on within the ring once it is full, so that it never overflows.
        self.seen =
            if self.seen as usize >= 2 * IDS_MAX - 1 { IDS_MAX as u32 } else { self.seen + 1 };
    }

    /// What they say together.
    #[must_use]
    pub fn says(&self) -> Use {
        let ids = &self.ids[..(self.seen as usize).min(IDS_MAX)];
        let others = (1..ids.len()).filter(|&at| !ids[..at].contains(&ids[at])).count();
        let distinct = others + usize::from(!ids.is_empty());
        if ids.len() >= Self::SAME && distinct * Self::SAME <= ids.len() {
            Use::Real(Sign::SameKey)
        } else if ids.len() >= Self::OTHER && distinct + 1 >= ids.len() {
            Use::Grease(Sign::OtherKeys)
        } else {
            Use::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cloudflare's list as it was published in 2024.
    const CLOUDFLARE: [u8; 71] = [
        0x00, 0x45, 0xfe, 0x0d, 0x00, 0x41, 0xf2, 0x00, 0x20, 0x00, 0x20, 0xc2, 0x21, 0xa5, 0x37,
        0x3f, 0xab, 0xf3, 0xeb, 0xaf, 0x09, 0xda, 0x84, 0x51, 0x66, 0xda, 0x6d, 0x48, 0x4c, 0x07,
        0xfb, 0x52, 0x17, 0xf3, 0xfd, 0xd3, 0x38, 0x0a, 0xc4, 0xc7, 0x4b, 0x51, 0x2c, 0x00, 0x04,
        0x00, 0x01, 0x00, 0x01, 0x00, 0x12, 0x63, 0x6c, 0x6f, 0x75, 0x64, 0x66, 0x6c, 0x61, 0x72,
        0x65, 0x2d, 0x65, 0x63, 0x68, 0x2e, 0x63, 0x6f, 0x6d, 0x00, 0x00,
    ];

    #[test]
    fn reads_a_published_list() {
        let expected = Config { id: 0xf2, public_name: "cloudflare-ech.com".into() };
        assert_eq!(configs(&CLOUDFLARE), std::slice::from_ref(&expected));
        assert!(is_public(&expected.public_name));
        // Two, and one of a version from the future in between.
        let entry = &CLOUDFLARE[2..];
        let future = [0xfe, 0x0e, 0, 3, 1, 2, 3];
        let content = [entry, &future, entry].concat();
        let list = [&(content.len() as u16).to_be_bytes()[..], &content].concat();
        assert_eq!(configs(&list), [expected.clone(), expected]);
        let many = [entry, entry, entry].concat().repeat(10);
        let list = [&(many.len() as u16).to_be_bytes()[..], &many].concat();
        assert_eq!(configs(&list).len(), CONFIGS_MAX);
        for length in 0..CLOUDFLARE.len() {
            assert_eq!(configs(&CLOUDFLARE[..length]), [], "{length}");
        }
    }

    fn says(numbers: &[u8]) -> Use {
        let mut ids = Ids::default();
        numbers.iter().for_each(|&id| ids.push(id));
        ids.says()
    }

    #[test]
    fn a_key_is_used_again_and_grease_is_not() {
        assert_eq!(says(&[]), Use::Unknown);
        assert_eq!(says(&[7, 7]), Use::Unknown);
        assert_eq!(says(&[7, 7, 7]), Use::Real(Sign::SameKey));
        assert_eq!(says(&[7, 9, 1]), Use::Unknown);
        assert_eq!(says(&[7, 9, 1, 200]), Use::Grease(Sign::OtherKeys));
        assert_eq!(says(&[7, 9, 1, 200, 7]), Use::Grease(Sign::OtherKeys), "chance repeats one");
        // A changed key, and two that are in use side by side.
        assert_eq!(says(&[7, 7, 7, 7, 7, 9, 9, 9]), Use::Real(Sign::SameKey));
        assert_eq!(says(&[7, 9, 7, 9, 7, 9, 7, 9]), Use::Real(Sign::SameKey));
        // Clients with a key and clients without: nothing is said.
        assert_eq!(says(&[7, 1, 7, 2, 7, 3, 7, 4]), Use::Unknown);
        // Only the latest count.
        let mut changed = vec![7; 100];
        changed.extend(0..8);
        assert_eq!(says(&changed), Use::Grease(Sign::OtherKeys));
    }

    proptest! {
        #[test]
        fn takes_anything(list in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(configs(&list).len() <= CONFIGS_MAX);
            let mut ids = Ids::default();
            for &id in &list {
                ids.push(id);
                let _ = ids.says();
            }
        }

        #[test]
        fn takes_a_damaged_list(at in 0usize..71, value in any::<u8>()) {
            let mut list = CLOUDFLARE;
            list[at] = value;
            prop_assert!(configs(&list).len() <= 1);
        }
    }
}
