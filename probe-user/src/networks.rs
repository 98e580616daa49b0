//! Which of many networks an address is in.

use std::{cmp::Reverse, net::IpAddr};

use ipnet::IpNet;

/// Networks, each with the place of what it belongs to. The longest prefix wins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks {
    /// Of IPv4 and of IPv6: in the order of their first addresses, the larger of two first.
    families: [Vec<Range>; 2],
}

/// The addresses of one network, as numbers.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: u128,
    last: u128,
    /// Where the smallest network stands that has this one in it.
    around: Option<u32>,
    place: usize,
}

impl Networks {
    /// Adds networks that belong to `place`; those that are there already stay whose they were.
    pub(crate) fn add(&mut self, networks: &[IpNet], place: usize) {
        for network in networks {
            let ends = [network.network(), network.broadcast()];
            let [first, last] = ends.map(number);
            let family = &mut self.families[usize::from(network.addr().is_ipv6())];
            family.push(Range { first, last, around: None, place });
        }
        for family in &mut self.families {
            family.sort_by_key(|range| (range.first, Reverse(range.last)));
            family.dedup_by_key(|range| (range.first, range.last));
            nest(family);
        }
    }

    /// The place of the longest network that `address` is in. An IPv4 address mapped into IPv6 counts
    /// as IPv4.
    pub(crate) fn find(&self, address: IpAddr) -> Option<usize> {
        let address = address.to_canonical();
        let family = &self.families[usize::from(address.is_ipv6())];
        let number = number(address);
        // The last that begins before it, or one that is around that: networks never overlap otherwise.
        let mut at = family.partition_point(|range| range.first <= number).checked_sub(1);
        while let Some(range) = at.and_then(|at| family.get(at)) {
            if number <= range.last {
                return Some(range.place);
            }
            at = range.around.map(|around| around as usize);
        }
        None
    }
}

/// Says of each which one is around it.
fn nest(family: &mut [Range]) {
    let mut open: Vec<(u128, u32)> = Vec::new();
    for (at, range) in family.iter_mut().enumerate() {
        while open.pop_if(|(last, _)| *last < range.first).is_some() {}
        range.around = open.last().map(|&(_, around)| around);
        open.push((range.last, at as u32));
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
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

    #[test]
    fn what_is_around_several_is_found_behind_them() {
        let mut networks = Networks::default();
        let net = |text: &str| text.parse().expect("a network");
        networks.add(&[net("10.1.2.0/24"), net("10.1.0.0/16"), net("10.0.0.0/8")], 0);
        networks.add(&[net("10.1.4.0/24"), net("10.1.4.9/32"), net("0.0.0.0/0")], 1);
        let find = |text: &str| networks.find(text.parse().expect("an address"));
        let found = ["10.1.4.9", "10.1.4.10", "10.1.5.1", "10.2.0.1", "9.9.9.9", "11.0.0.0"];
        assert_eq!(found.map(find), [1, 1, 0, 0, 1, 1].map(Some));
    }
}
