//! Which client, server and port had an accused connection a while ago.

use probe_common::wire::Address;

use super::bounded::Bounded;

/// Triggers remembered: far more than are accused in seven minutes.
const TRIGGERS_MAX: usize = 16_384;

/// How long residual censorship may last, in nanoseconds: 420 s, the longest known (Xue et al., IMC
/// 2022).
pub const LONGEST: u64 = 420_000_000_000;

/// The accused connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// When it was cut.
    pub time: u64,
    /// What it asked for.
    pub name: Option<String>,
}

/// Recent triggers, by client, server and the server's port.
#[derive(Debug)]
pub struct Residual {
    triggers: Bounded<(Address, Address, u16), Trigger>,
}

impl Default for Residual {
    fn default() -> Self {
        Self { triggers: Bounded::new(TRIGGERS_MAX) }
    }
}

impl Residual {
    pub(super) fn note(
        &mut self,
        client: Address,
        (server, port): (Address, u16),
        time: u64,
        name: Option<&str>,
    ) {
        let trigger = || Trigger { time, name: name.map(str::to_owned) };
        let (known, _) = self.triggers.entry((client, server, port), trigger);
        // The first one of a series is the trigger; what follows may be its residue.
        if time.saturating_sub(known.time) > LONGEST {
            *known = trigger();
        }
    }

    /// The trigger that a connection at `time` may still suffer from.
    pub fn trigger(
        &self,
        client: Address,
        (server, port): (Address, u16),
        time: u64,
    ) -> Option<&Trigger> {
        let trigger = self.triggers.get(&(client, server, port))?;
        let since = time.checked_sub(trigger.time)?;
        (since > 0 && since <= LONGEST).then_some(trigger)
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.triggers.evicted()
    }
}
