//! Which of many networks an address is in.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;

/// Networks, each with the place of what it belongs to. The longest prefix wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks {
    places: HashMap<IpNet, usize>,
    /// Prefix lengths in use, longest first, for IPv4 and IPv6.
    lengths: [Vec<u8>; 2],
}

impl Networks {
    /// Adds networks that belong to `place`; those that are there already stay whose they were.
    pub(crate) fn add(&mut self, networks: &[IpNet], place: usize) {
        for network in networks {
            self.places.entry(*network).or_insert(place);
            let lengths = &mut self.lengths[usize::from(network.addr().is_ipv6())];
            if let Err(at) = lengths.binary_search_by(|known| network.prefix_len().cmp(known)) {
                lengths.insert(at, network.prefix_len());
            }
        }
    }

    /// The place of the longest network that `address` is in. An IPv4 address mapped into IPv6 counts
    /// as IPv4.
    pub(crate) fn find(&self, address: IpAddr) -> Option<usize> {
        let address = address.to_canonical();
        self.lengths[usize::from(address.is_ipv6())].iter().find_map(|&length| {
            let network = IpNet::new(address, length).ok()?.trunc();
            self.places.get(&network).copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Networks;

    #[test]
    fn the_longest_prefix_wins_and_of_equals_the_first() {
        let mut networks = Networks::default();
        let net = |text: &str| text.parse().expect("a network");
        networks.add(&[net("10.0.0.0/8"), net("2001:db8::/32")], 0);
        networks.add(&[net("10.1.0.0/16"), net("10.0.0.0/8")], 1);
        let find = |text: &str| networks.find(text.parse().expect("an address"));
        assert_eq!(
            (find("10.1.2.3"), find("10.2.2.3"), find("11.0.0.1")),
            (Some(1), Some(0), None)
        );
        assert_eq!((find("::ffff:10.1.2.3"), find("2001:db8::1")), (Some(1), Some(0)));
    }
}
