//! Names for clients that say "the same client" and nothing else.
//!
//! A finding needs to tell whether two flows had one client or two, and must not tell which. So a
//! client's address is encrypted (ipcrypt-deterministic, draft-denis-ipcrypt: AES-128 of the 16-byte
//! address) under a key that is drawn for the run and never leaves its memory, and half of the result
//! is kept. The key changes with the day of the packet, UTC, and only two days' keys are held: of
//! different runs, and of days further apart, nobody can join the pseudonyms any more, this program
//! included.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipcrypt_rs::Ipcrypt;

/// Bytes of the encrypted address that are shown, in hex. 8 bytes: among a million clients of a day
/// two share a pseudonym with a probability below 10^-7, and half of an AES block cannot be decrypted.
pub const SHOWN: usize = 8;

const DAY: u64 = 86_400_000_000_000;

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error(
    "no random key for client pseudonyms: {reason}; without one nothing is reported (is /dev/urandom \
     there, and getrandom(2) allowed?)"
)]
pub struct PseudonymError {
    reason: getrandom::Error,
}

/// Gives pseudonyms.
pub struct Pseudonyms {
    /// The keys of the two days seen last, the newer last: packets around midnight mix.
    days: [(u64, [u8; 16]); 2],
}

impl Pseudonyms {
    /// With a key drawn for this run.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> Result<Self, PseudonymError> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|reason| PseudonymError { reason })?;
        Ok(Self::with_key(key))
    }

    /// With a given key: for tests that need the same pseudonyms every time.
    #[must_use]
    pub fn with_key(key: [u8; 16]) -> Self {
        Self { days: [(0, key); 2] }
    }

    /// The pseudonym of a client on the day of `time` (nanoseconds since 1970-01-01 UTC), as in
    /// `client-4f1d20c3a9b87e65`. IPv4 mapped into IPv6 counts as IPv4.
    pub fn of(&mut self, client: IpAddr, time: u64) -> String {
        let mut block = ipcrypt_rs::ip_to_bytes(client.to_canonical());
        Ipcrypt::new(self.key_of(time / DAY)).encrypt_ip16(&mut block);
        block[..SHOWN].iter().fold(String::from("client-"), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// A new day's key is the newest key's encryption of the day: one-way, since AES under an unknown
    /// key is. The oldest key is forgotten.
    fn key_of(&mut self, day: u64) -> [u8; 16] {
        if let Some((_, key)) = self.days.iter().find(|(known, _)| *known == day) {
            return *key;
        }
        let mut block = [0; 16];
        block[8..].copy_from_slice(&day.to_be_bytes());
        let (_, newest) = self.days[1];
        Ipcrypt::new(newest).encrypt_ip16(&mut block);
        self.days = [self.days[1], (day, block)];
        block
    }
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The keys stay out of logs.
        formatter.write_str("Pseudonyms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 20_000 * DAY + DAY / 2;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_has_one_pseudonym_a_day() {
        let mut pseudonyms = Pseudonyms::new().unwrap();
        let first = pseudonyms.of(address("10.71.1.1"), NOON);
        assert_eq!(first.len(), "client-".len() + 2 * SHOWN);
        assert_eq!(pseudonyms.of(address("::ffff:10.71.1.1"), NOON + DAY / 4), first);
        assert_ne!(pseudonyms.of(address("10.71.1.2"), NOON), first);
        assert_ne!(pseudonyms.of(address("10.71.1.1"), NOON + DAY), first);
    }

    #[test]
    fn packets_around_midnight_keep_their_day() {
        let mut pseudonyms = Pseudonyms::new().unwrap();
        let client = address("fd71::1");
        let midnight = 20_001 * DAY;
        let (before, after) =
            (pseudonyms.of(client, midnight - 1), pseudonyms.of(client, midnight));
        assert_ne!(before, after);
        assert_eq!(pseudonyms.of(client, midnight - 2), before);
        assert_eq!(pseudonyms.of(client, midnight + 1), after);
    }

    #[test]
    fn runs_do_not_join_and_the_address_does_not_show() {
        let client = address("10.71.1.1");
        let (mut one, mut two) = (Pseudonyms::new().unwrap(), Pseudonyms::new().unwrap());
        assert_ne!(one.of(client, NOON), two.of(client, NOON));
        let text = format!("{} {one:?}", one.of(client, NOON));
        assert!(!text.contains("10.71") && !text.contains("0a470101"), "{text}");
    }

    #[test]
    fn neighbours_look_unrelated() {
        let mut pseudonyms = Pseudonyms::with_key([7; 16]);
        let all: std::collections::HashSet<String> = (0..=255)
            .map(|last| pseudonyms.of(IpAddr::from([10, 0, 0, last]), NOON))
            .map(|text| text["client-".len()..][..4].to_owned())
            .collect();
        assert!(all.len() > 240, "prefixes of 256 neighbours: {} differ", all.len());
    }
}
