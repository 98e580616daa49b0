//! Sending single packets, for tests that need one of their own making.

use anyhow::Context as _;
use pnet::{
    datalink::{self, DataLinkSender},
    util::MacAddr,
};

use super::{craft, craft::Forged, open};
use crate::lab::{
    namespace::Namespace,
    network::{DOWN, ETH, LAN, Network, WAN},
};

/// A way into a wire of the router's.
pub struct Raw {
    sender: Box<dyn DataLinkSender>,
    from: MacAddr,
    to: MacAddr,
}

impl Raw {
    /// Packets go from the upstream box to the router, which forwards them to the client.
    ///
    /// # Errors
    ///
    /// If the device cannot be opened.
    pub fn towards_client(network: &Network) -> anyhow::Result<Self> {
        Self::between((&network.upstream, DOWN), (&network.router, WAN))
    }

    /// Packets go from the clients' side to the router, whoever they claim to come from.
    ///
    /// # Errors
    ///
    /// If the device cannot be opened.
    pub fn from_clients(network: &Network) -> anyhow::Result<Self> {
        Self::between((&network.client, ETH), (&network.router, LAN))
    }

    fn between(here: (&Namespace, &str), there: (&Namespace, &str)) -> anyhow::Result<Self> {
        let (sender, _) = here.0.enter(|| open(here.1))??;
        Ok(Self { sender, from: mac(here.0, here.1)?, to: mac(there.0, there.1)? })
    }

    /// Sends a packet.
    ///
    /// # Errors
    ///
    /// If the device does not take it.
    pub fn send(&mut self, packet: &Forged) -> anyhow::Result<()> {
        let frame = craft::framed(packet, self.from, self.to);
        let sent = self.sender.send_to(&frame, None).context("no room for the packet")?;
        sent.context("cannot send")
    }
}

fn mac(namespace: &Namespace, device: &str) -> anyhow::Result<MacAddr> {
    let interfaces = namespace.enter(datalink::interfaces)?;
    let found = interfaces.iter().find(|interface| interface.name == device);
    found.and_then(|interface| interface.mac).with_context(|| format!("{device} has no address"))
}
