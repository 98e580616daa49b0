//! A short name for a vector that is the same wherever the device is met.
//!
//! The id is `fp-` and the first 12 hex digits of the SHA-256 of a line of text, the
//! [`canonical`] form. What goes in, and what stays out:
//!
//! | in | since |
//! |---|---|
//! | IP version, kind of packet, sets of flags, names of the options | written by the device |
//! | TTL: its behaviour; if constant, the *inferred initial* value | each hop takes one off: the value as seen is the path's |
//! | DF; IP-ID: its behaviour, and the value if it is [distinguished](is_distinguished_ip_id) | a value drawn per flow is the flow's |
//! | window: its behaviour, and the value if it is [round](is_round_window) | the same |
//! | packets in the burst: 1, 2, 3 or more | how often it is triggered is the client's doing |
//! | sequence numbers: same, strides of whole segments or of a known device, else only their direction | other strides are made from the flow's window |
//! | whether the acknowledgment field is zero | written by the device |
//! | payload of a reset: first 16 octets and length | a blob; of other segments only whether it is HTTP, since a page carries the name asked for |
//!
//! Of an answer of DNS flags, window, options, numbers and payload stay out, and instead there go in
//!
//! | in | since |
//! |---|---|
//! | flags and response code, without CD | written by the device; CD is the client's, and copied |
//! | counts of the sections, and whether one of the records is OPT | the same |
//! | TTL of the answers, if there is one and somebody chose it | others are drawn, or run down in a cache |
//! | where the answers lead: nowhere, to a private or a public address | which address is the pool's doing |
//! | how the first answer names its owner; whether octets follow the last record | written by the device |
//!
//! Out as well: addresses, ports, absolute sequence numbers, times and spacing (the path's jitter),
//! DSCP (rewritten on the way), later bursts, and the direction (one device writes to both ends).
//!
//! The line begins with a version. Whoever changes what goes in makes a new version, so that ids of
//! two versions are never taken for each other.

use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::vector::{Acknowledgment, Behaviour, Field, Kind, Sequence, Vector};

/// Version of the canonical form.
pub const VERSION: &str = "v1";

/// Octets of the digest that are kept: 48 bits, so that among a million devices (which there are
/// not) two would share an id with a chance of one in 500.
const OCTETS: usize = 6;

/// Octets that a canonical form rarely exceeds.
const LINE: usize = 192;

/// Strides that are a device's own: whole segments as seen from China, and a vendor's slip.
const STRIDES: [i32; 2] = [1460, 12503];

/// The id of a fingerprint, displayed as `fp-0123456789ab`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FingerprintId([u8; OCTETS]);

impl FingerprintId {
    /// The id of `vector`.
    #[must_use]
    pub fn of(vector: &Vector) -> Self {
        let digest = Sha256::digest(canonical(vector));
        let mut octets = [0; OCTETS];
        octets.copy_from_slice(&digest[..OCTETS]);
        Self(octets)
    }
}

impl fmt::Display for FingerprintId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("fp-")?;
        self.0.iter().try_for_each(|octet| write!(out, "{octet:02x}"))
    }
}

impl Serialize for FingerprintId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// IP-IDs that published devices and tools always send. Not all small numbers: a counter passes
/// through those after a start. A constant that nobody has published shows in a cluster, see
/// [`Cluster::ip_id`](super::Cluster::ip_id).
const IP_IDS: [u16; 7] = [1, 64, 242, 0x1234, 0x3412, 0x4c57, 0x99b3];

/// An IP-ID that is known as somebody's choice: one in 9,000 drawn at random is such.
#[must_use]
pub fn is_distinguished_ip_id(value: u16) -> bool {
    IP_IDS.contains(&value)
}

/// The same of answers of DNS, with what Ettercap always sends.
fn is_chosen_by_spoofers(value: u16) -> bool {
    value == 0x7ee7 || is_distinguished_ip_id(value)
}

/// A window that somebody chose: zero, a power of two, or the largest.
#[must_use]
pub const fn is_round_window(value: u16) -> bool {
    value == 0 || value == u16::MAX || value.is_power_of_two()
}

/// The text that the id is the digest of: one line, without its end.
#[must_use]
pub fn canonical(vector: &Vector) -> String {
    let mut line = String::with_capacity(LINE);
    // Writing to a string cannot fail.
    let _ = write!(line, "{VERSION} ip={} kind={}", vector.version, word(&vector.kind));
    let mut put = |name: &str, value: &str| {
        for part in [" ", name, "=", value] {
            line.push_str(part);
        }
    };
    if vector.dns.is_none() {
        put("flags", &vector.flags.join(","));
    }
    put("burst", ["0", "1", "2", "3"].get(vector.count).unwrap_or(&"more"));
    put("ttl", &ttl(vector));
    let chosen: fn(u16) -> bool =
        if vector.dns.is_some() { is_chosen_by_spoofers } else { is_distinguished_ip_id };
    put("id", &field(&vector.ip_id, chosen));
    put("df", vector.df.map_or("-", |df| if df { "1" } else { "0" }));
    if let Some(message) = &vector.dns {
        message.canonical(&mut put);
        return line;
    }
    put("win", &field(&vector.window, is_round_window));
    put("opt", &vector.options.join(","));
    put("seq", &sequence(vector));
    put("ack0", if vector.acknowledgment == Acknowledgment::Zero { "1" } else { "0" });
    put("data", &payload(vector));
    line
}

/// A unit variant as serde writes it, so that reports and ids use the same words.
pub(super) fn word(value: &impl Serialize) -> String {
    struct Word<'a, T>(&'a T);
    impl<T: Serialize> fmt::Display for Word<'_, T> {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.serialize(out)
        }
    }
    Word(value).to_string()
}

fn ttl(vector: &Vector) -> String {
    match vector.ttl.behaviour {
        // One packet or several with the same TTL: the device has one initial value, as far as seen.
        Behaviour::Single | Behaviour::Constant => vector.ttl.initial.to_string(),
        other => word(&other),
    }
}

fn field(field: &Field, chosen: impl Fn(u16) -> bool) -> String {
    match (field.behaviour, field.constant()) {
        (Behaviour::Single | Behaviour::Constant, Some(value)) if chosen(value) => {
            format!("{value}")
        }
        (other, _) => word(&other),
    }
}

fn sequence(vector: &Vector) -> String {
    let own = |&stride: &i32| {
        STRIDES.iter().any(|&known| stride == 0 || (stride > 0 && stride % known == 0))
    };
    let grows = vector.sequence == Sequence::Grows;
    if grows && vector.strides.len() <= 4 && vector.strides.iter().all(own) {
        let strides: Vec<String> = vector.strides.iter().map(ToString::to_string).collect();
        return strides.join(",");
    }
    word(&vector.sequence)
}

fn payload(vector: &Vector) -> String {
    let longest = vector.payload.lengths.iter().max().copied().unwrap_or_default();
    match vector.kind {
        _ if longest == 0 => "0".into(),
        Kind::Reset => format!("{}/{longest}", vector.payload.head),
        _ => "some".into(),
    }
}
