//! ICMP errors about connections on record.

use super::{Engine, Output, Stamp, tcp::Teller};
use crate::{
    counter::Counter,
    event::{Class, kind},
    flow::FlowStore,
    quic::QuicStore,
    wire::{self, Located, Octets, icmp, protocol},
    words,
};

impl<F: FlowStore, D, R, Q: QuicStore, S> Engine<'_, F, D, R, Q, S> {
    /// Takes an ICMP error; only those that quote a TCP segment, or a datagram to the port of QUIC, are
    /// of interest.
    #[inline(always)]
    pub(super) fn control<O: Octets>(
        &mut self,
        octets: &O,
        found: &Located,
        stamp: Stamp,
    ) -> Result<(), Counter>
    where
        S: Output<O>,
    {
        let quoted = icmp::quoted(octets, found).ok_or(Counter::Truncated)?;
        self.output.count(Counter::IcmpErrors, 1);
        if quoted.protocol == protocol::UDP && quoted.destination_port == wire::quic::PORT {
            return self.quic_error(octets, found, &quoted, stamp);
        }
        if quoted.protocol != protocol::TCP {
            return Ok(());
        }
        let Self { config, flows, output, scratch, .. } = self;
        let event = &mut scratch.tcp.event;
        // It holds the segment before, of whomever, and an error fills but a few of its fields.
        words::clear(&mut event.packet);
        icmp::describe(octets, found, &mut event.packet).ok_or(Counter::Truncated)?;
        stamp.mark(&mut event.packet);
        event.packet.seq = quoted.seq;
        let (key, side) = quoted.flow(event.packet.vlan);
        let hash = key.hash(config.hash_key, 0);
        let block = flows.flow_block(hash as u32 & config.flow_mask).ok_or(Counter::Internal)?;
        let Some(way) = block.place(hash) else { return Ok(()) };
        let record = block.records.get(way).ok_or(Counter::Internal)?;
        event.header.begin(stamp.frame, side);
        words::clear(&mut event.tells);
        let mut teller = Teller {
            message: &mut scratch.tcp,
            output: &mut **output,
            config,
            octets,
            watched: true,
            cell: &mut scratch.cell,
        };
        teller.emit(record, kind::ICMP_ERROR, 0, Class::Other);
        Ok(())
    }
}
