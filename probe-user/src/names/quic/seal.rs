//! Taking the protection off a client's Initial packets: RFC 9001 section 5.
//!
//! The keys follow from the destination connection id of the client's first packet and a constant
//! of the version, so whoever sees that packet has them. What opens is what the client sealed,
//! unchanged: the cipher proves it.

use rustls::{
    Side,
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    quic::{Keys, Version},
};

use super::header::{Kind, Packet};

/// Octets of the longest packet number. The sample that unmasks it begins behind those, however
/// short it is.
const NUMBER_MAX: usize = 4;

/// The keys of one client's Initial packets.
pub(super) struct Seal {
    keys: Keys,
    version: u32,
    /// Highest packet number that was opened.
    highest: Option<u64>,
}

impl Seal {
    /// The seal of a connection that began with a packet like this, and the payload of this one if
    /// it bears that seal.
    pub(super) fn break_new(packet: &Packet<'_>) -> Option<(Self, Vec<u8>)> {
        let known = super::Version::of(packet.version)?;
        known.protections().iter().find_map(|&protection| {
            let mut seal = Self::new(protection, packet)?;
            let payload = seal.open(packet)?;
            Some((seal, payload))
        })
    }

    fn new(protection: Version, packet: &Packet<'_>) -> Option<Self> {
        let suite = TLS13_AES_128_GCM_SHA256.tls13()?;
        let keys = Keys::initial(protection, suite, suite.quic?, packet.destination, Side::Server);
        Some(Self { keys, version: packet.version, highest: None })
    }

    /// The payload of an Initial packet, if it was sealed with these keys and is whole.
    pub(super) fn open(&mut self, packet: &Packet<'_>) -> Option<Vec<u8>> {
        if packet.kind != Kind::Initial || packet.version != self.version {
            return None;
        }
        let keys = &self.keys.remote;
        let mut octets = packet.octets.to_vec();
        let (head, rest) = octets.split_at_mut_checked(packet.number_at)?;
        let (number, rest) = rest.split_at_mut_checked(NUMBER_MAX)?;
        let sample = rest.get(..keys.header.sample_len())?;
        keys.header.decrypt_in_place(sample, head.first_mut()?, number).ok()?;
        let width = usize::from(head[0] & 3) + 1;
        let field = number[..width].iter().fold(0, |value, &octet| value << 8 | u64::from(octet));
        let number = whole_number(self.highest, field, width as u32);
        let (header, payload) = octets.split_at_mut_checked(packet.number_at + width)?;
        let opened = keys.packet.decrypt_in_place(number, header, payload).ok()?.len();
        self.highest = Some(self.highest.map_or(number, |highest| highest.max(number)));
        Some(payload[..opened].to_vec())
    }
}

/// The packet number whose last `width` octets are `field`: of all that end so, the one closest to
/// the next that is expected (RFC 9000 appendix A.3).
pub(super) fn whole_number(highest: Option<u64>, field: u64, width: u32) -> u64 {
    let Some(highest) = highest else { return field };
    let expected = highest + 1;
    let step = 1u64 << (8 * width);
    let number = expected & !(step - 1) | field;
    if number + step / 2 <= expected {
        number + step
    } else if number > expected + step / 2 && number >= step {
        number - step
    } else {
        number
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({:#010x})", self.version)
    }
}
