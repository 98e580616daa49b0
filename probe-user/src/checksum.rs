//! What every checksum of a transport begins with.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;

/// The sum of the pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1) of a transport header with its payload, of so
/// many octets together.
pub(crate) fn pseudo_header(
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    length: usize,
) -> Sum16BitWords {
    let mut sum = Sum16BitWords::new();
    for address in [from, to] {
        sum = match address {
            IpAddr::V4(address) => sum.add_4bytes(address.octets()),
            IpAddr::V6(address) => sum.add_16bytes(address.octets()),
        };
    }
    sum.add_2bytes([0, protocol]).add_4bytes((length as u32).to_be_bytes())
}
