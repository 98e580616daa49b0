//! Where clients were led by DNS: which name an address stands for, to whom, for how long.

use probe_common::wire::Address;

use super::bounded::Bounded;

/// Answers remembered, at some 110 octets each: those of a minute, the shortest time, at 500 a second.
const LEADS_MAX: usize = 32_768;

/// How long an answer is good for at least and at most, in nanoseconds. Clients keep names somewhat
/// longer than resolvers allow; a day-old answer says nothing.
const LEAST: u64 = 60_000_000_000;
const MOST: u64 = 3_600_000_000_000;

/// The answers.
#[derive(Debug)]
pub struct Leads {
    leads: Bounded<(Address, Address), Lead>,
}

#[derive(Debug)]
struct Lead {
    name: Box<str>,
    until: u64,
}

impl Default for Leads {
    fn default() -> Self {
        Self { leads: Bounded::new(LEADS_MAX) }
    }
}

impl Leads {
    /// At `now` a `client` was told that `name` is at `address`, for `ttl` seconds.
    pub(super) fn note(
        &mut self,
        client: Address,
        address: Address,
        name: &str,
        now: u64,
        ttl: u32,
    ) {
        let span = u64::from(ttl).saturating_mul(1_000_000_000).clamp(LEAST, MOST);
        let until = now.saturating_add(span);
        let (lead, _) = self.leads.entry((client, address), || Lead { name: name.into(), until });
        lead.until = until;
        if *lead.name != *name {
            lead.name = name.into();
        }
    }

    /// The name that `client` was told `address` is, if that was still good at `time`.
    pub fn name(&self, client: Address, address: Address, time: u64) -> Option<&str> {
        let lead = self.leads.get(&(client, address))?;
        (time <= lead.until).then_some(&*lead.name)
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.leads.evicted()
    }
}
