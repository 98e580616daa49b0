//! Tokens for clients: enough to count them, nothing to find them by.
//!
//! A client's address, and its network, are hashed under a key that is drawn for the run and changes
//! with the day (UTC). Neither key nor tokens are ever written anywhere; what leaves is how many there
//! were.

use std::net::IpAddr;

use probe_common::hash::{HashKey, Sip};

use super::outcome::{Client, Network};

/// A day, in nanoseconds.
pub(super) const DAY: u64 = 86_400_000_000_000;

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error(
    "no random key to count clients by: {reason}; without one nothing is counted (is /dev/urandom \
     there, and getrandom(2) allowed?)"
)]
pub struct TokenError {
    reason: getrandom::Error,
}

/// Makes tokens.
pub struct Tokens {
    secret: HashKey,
}

impl Tokens {
    /// With a key drawn for this run.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> Result<Self, TokenError> {
        let draw = || getrandom::u64().map_err(|reason| TokenError { reason });
        Ok(Self::with_key(HashKey { k0: draw()?, k1: draw()? }))
    }

    /// With a given key: for tests that need the same tokens every time.
    #[must_use]
    pub const fn with_key(secret: HashKey) -> Self {
        Self { secret }
    }

    /// The tokens of a client on the day of `time`, nanoseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn of(&self, client: IpAddr, time: u64) -> Client {
        let day = time / DAY;
        let network = Network::of(client).prefix();
        Client {
            token: self.hash(client.to_canonical(), 0, day),
            network: self.hash(network.addr(), network.prefix_len(), day),
        }
    }

    /// What stands for a server's address: see [`Place`](super::outcome::Place).
    #[must_use]
    pub fn server(&self, server: IpAddr) -> u64 {
        self.hash(server.to_canonical(), u8::MAX, 0)
    }

    fn hash(&self, address: IpAddr, kind: u8, day: u64) -> u64 {
        let (family, octets) = match address {
            IpAddr::V4(address) => (4u64, u128::from(address.to_bits())),
            IpAddr::V6(address) => (6u64, address.to_bits()),
        };
        Sip::new(self.secret)
            .word(day)
            .word(family << 8 | u64::from(kind))
            .word((octets >> 64) as u64)
            .word(octets as u64)
            .finish()
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key stays out of logs.
        formatter.write_str("Tokens")
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{DAY, HashKey, Tokens};

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_client_is_the_same_for_a_day_and_shares_its_network_with_its_neighbours() {
        let tokens = Tokens::with_key(HashKey { k0: 1, k1: 2 });
        let (one, two) = (address("10.71.1.1"), address("10.71.1.2"));
        assert_eq!(tokens.of(one, 5), tokens.of(address("::ffff:10.71.1.1"), DAY - 1));
        assert_ne!(tokens.of(one, 0).token, tokens.of(two, 0).token);
        assert_eq!(tokens.of(one, 0).network, tokens.of(two, 0).network);
        assert_ne!(tokens.of(one, 0).network, tokens.of(address("10.71.2.1"), 0).network);
        let (today, tomorrow) = (tokens.of(one, DAY - 1), tokens.of(one, DAY));
        assert!(today.token != tomorrow.token && today.network != tomorrow.network);
    }

    #[test]
    fn runs_do_not_join() {
        let (one, two) = (Tokens::new().expect("a key"), Tokens::new().expect("a key"));
        assert_ne!(one.of(address("10.71.1.1"), 0), two.of(address("10.71.1.1"), 0));
        assert_eq!(format!("{one:?}"), "Tokens");
    }
}
