//! How far away a sender is, from the TTL that arrived.

/// Initial TTLs in use: 64 (Linux, BSD, macOS), 128 (Windows), 255 (routers, Solaris); 32 is of
/// the past.
const INITIAL: [u8; 3] = [64, 128, 255];

/// Longest path that is believed: few exceed 30 hops.
const HOPS_MAX: u8 = 40;

/// Hops to whoever sent a packet that arrived with `ttl`, if its initial TTL was a usual one.
pub(crate) fn from_ttl(ttl: u8) -> Option<u8> {
    let initial = INITIAL.into_iter().find(|&initial| initial >= ttl)?;
    let hops = initial - ttl;
    (hops <= HOPS_MAX).then_some(hops)
}

/// Hops that an estimate may be off: whether the device counts itself, and whether its port of a mirror
/// lies before or behind a router, is not to be seen.
const SLACK: u8 = 1;

/// The least and the most that an estimated distance may be.
pub(super) const fn range(hops: u8) -> [u8; 2] {
    [hops.saturating_sub(SLACK), hops.saturating_add(SLACK)]
}

/// Hops to the maker of forged packets, if their TTLs say anything: all alike, and not farther away
/// than the `server` in whose name they were sent. Injectors that vary, copy or compute their TTL
/// say nothing about where they are.
pub(super) fn of_injector(ttls: impl Iterator<Item = u8>, server: Option<u8>) -> Option<u8> {
    let mut ttls = ttls.peekable();
    let first = *ttls.peek()?;
    if ttls.any(|ttl| ttl != first) {
        return None;
    }
    let hops = from_ttl(first)?;
    match server {
        Some(server) if hops >= server => None,
        _ => Some(hops),
    }
}

#[cfg(test)]
mod tests {
    use super::{from_ttl, of_injector};

    #[test]
    fn distance_from_the_next_usual_initial_ttl() {
        assert_eq!(from_ttl(62), Some(2));
        assert_eq!(from_ttl(117), Some(11));
        assert_eq!(from_ttl(255), Some(0));
        // 128 - 70 = 58 hops: no path is that long, so it began elsewhere.
        assert_eq!(from_ttl(70), None);
    }

    #[test]
    fn only_steady_and_nearer_ttls_locate_an_injector() {
        assert_eq!(of_injector([60, 60].into_iter(), Some(9)), Some(4));
        assert_eq!(of_injector([60, 61].into_iter(), Some(9)), None);
        assert_eq!(of_injector([55].into_iter(), Some(9)), None);
        assert_eq!(of_injector(std::iter::empty(), Some(9)), None);
    }
}
