//! What can be reached over TCP and over QUIC: controls for connections that get no answer.

use probe_common::wire::Address;

use super::bounded::Bounded;

/// Servers that are remembered.
const SERVERS_MAX: usize = 16_384;

/// Clients that are remembered: those of a busy router.
const CLIENTS_MAX: usize = 16_384;

/// How long an answer says that there is somebody, in nanoseconds: ten minutes.
pub(super) const FRESH: u64 = 600_000_000_000;

/// When there was an answer last.
#[derive(Debug)]
pub struct Reach {
    servers: Bounded<Address, LastAnswers>,
    clients: Bounded<Address, u64>,
}

/// When a server answered last on port 443; 0: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastAnswers {
    /// Data over TCP.
    pub tcp: u64,
    /// A datagram over QUIC.
    pub quic: u64,
}

impl Default for Reach {
    fn default() -> Self {
        Self { servers: Bounded::new(SERVERS_MAX), clients: Bounded::new(CLIENTS_MAX) }
    }
}

impl Reach {
    /// `server` has sent data over TCP.
    pub(super) fn tcp(&mut self, server: Address, time: u64) {
        self.servers.entry(server, LastAnswers::default).0.tcp = time;
    }

    /// `server` has answered `client` over QUIC.
    pub(super) fn quic(&mut self, client: Address, server: Address, time: u64) {
        self.servers.entry(server, LastAnswers::default).0.quic = time;
        *self.clients.entry(client, || time).0 = time;
    }

    /// When `server` answered last.
    pub fn server(&self, server: Address) -> LastAnswers {
        self.servers.get(&server).copied().unwrap_or_default()
    }

    /// When anybody answered `client` over QUIC last; 0: never.
    pub fn client(&self, client: Address) -> u64 {
        self.clients.get(&client).copied().unwrap_or_default()
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.servers.evicted() + self.clients.evicted()
    }
}

/// Whether an answer at `answered` still counts for what began at `begun`, or came after it.
pub const fn is_fresh(answered: u64, begun: u64) -> bool {
    answered != 0 && answered.saturating_add(FRESH) >= begun
}
