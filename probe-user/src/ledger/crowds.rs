//! How many clients stand behind findings, by hour and by day: what decides whether they may be
//! published, and how exactly.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    CROWDS_MAX, DAY_NANOS,
    row::{Crowd, DAY, HOUR},
};
use crate::{
    attribute::{
        sketch::Sketch,
        token::{TokenError, Tokens},
    },
    report::finding::{Protocol, Verdict},
};

/// Of what the clients are counted. The beginning comes first, so that the oldest is found first.
type Key = (u64, u32, String, Protocol, Verdict);

/// Counts clients by tokens whose key is in memory only and changes every day.
pub(super) struct Crowds {
    tokens: Tokens,
    counts: BTreeMap<Key, (Sketch, Sketch)>,
    forgotten: u64,
}

impl Crowds {
    pub(super) fn new() -> Result<Self, TokenError> {
        Ok(Self { tokens: Tokens::new()?, counts: BTreeMap::new(), forgotten: 0 })
    }

    /// Counts the client of a finding, and says how many there are now: in the hour, and in the day.
    pub(super) fn note(
        &mut self,
        client: IpAddr,
        time: u64,
        service: &str,
        protocol: Protocol,
        verdict: Verdict,
    ) -> [Crowd; 2] {
        let token = self.tokens.of(client, time);
        [HOUR, DAY].map(|seconds| {
            let length = u64::from(seconds) * 1_000_000_000;
            let start = time - time % length;
            let key = (start, seconds, service.to_owned(), protocol, verdict);
            if !self.counts.contains_key(&key) && self.counts.len() >= CROWDS_MAX {
                self.counts.pop_first();
                self.forgotten += 1;
            }
            let (clients, networks) = self.counts.entry(key).or_default();
            clients.add(time / DAY_NANOS, token.token);
            networks.add(time / DAY_NANOS, token.network);
            Crowd {
                service: service.to_owned(),
                protocol,
                verdict,
                seconds,
                start,
                clients: clients.range(),
                networks: networks.range(),
            }
        })
    }

    /// Periods whose count ended before they did, for want of room.
    pub(super) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
