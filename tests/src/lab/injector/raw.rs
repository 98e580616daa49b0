//! Sending single packets, for tests that need one of their own making.

use anyhow::Context as _;
use pnet::{
    datalink::{self, DataLinkSender},
    util::MacAddr,
};

use super::{craft, craft::Forged, open};
use crate::lab::{
    namespace::Namespace,
    network::{DOWN, Network, WAN},
};

/// A way into the wire between upstream box and router.
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
        let (sender, _) = network.upstream.enter(|| open(DOWN))??;
        let (from, to) = (mac(&network.upstream, DOWN)?, mac(&network.router, WAN)?);
        Ok(Self { sender, from, to })
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
