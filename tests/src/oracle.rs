//! The parser against another one: etherparse's, which shares no line with it.
//!
//! Where etherparse finds a transport header, the engine must find the same one, with the same
//! addresses, ports, numbers, flags, options and payload. The other way round it need not be: the
//! engine follows what etherparse does not (PPPoE, MPLS, tunnels, broken chains of headers).

use std::net::IpAddr;

use etherparse::{EtherType, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use probe_common::{
    counter::Counter,
    wire::{self, Address, Packet, Slice, protocol, quirk, tcp_flag},
};

/// What the engine reads out of a packet, if that is a segment or a datagram.
///
/// # Errors
///
/// What it counts the packet as, if it is neither.
pub fn ours(octets: &[u8], wire_len: usize) -> Result<Packet, Counter> {
    let octets = Slice { octets, wire_len };
    let found = wire::locate(&octets, &mut 0)?;
    let mut packet = Packet::default();
    let read = match found.protocol {
        protocol::TCP => wire::tcp::describe(&octets, &found, &mut packet),
        protocol::UDP => wire::dns::describe(&octets, &found, &mut packet),
        _ => return Err(Counter::OtherProtocol),
    };
    read.map(|()| packet).ok_or(Counter::Truncated)
}

/// Length of a TCP header without options.
const TCP_HEADER: usize = 20;

/// What etherparse reads.
struct Theirs<'a> {
    source: Address,
    destination: Address,
    hops: u8,
    vlan: Vec<u16>,
    /// Whether the IP packet is as long at least, by its own account, as its header is.
    holds_header: bool,
    transport: TransportSlice<'a>,
}

fn theirs(octets: &[u8]) -> Option<Theirs<'_>> {
    let packet = LaxSlicedPacket::from_ethernet(octets).ok()?;
    let vlan = packet.vlan_ids().iter().map(|id| id.value()).collect();
    // The engine does not look into MACsec, nor behind an authentication header of IPv4.
    if packet.link_exts.iter().any(|ext| matches!(ext, LaxLinkExtSlice::Macsec(_))) {
        return None;
    }
    // Where the link layer announces another version than the header has, etherparse believes the
    // header, and the engine calls it malformed, as the kernel does.
    let payload = packet.ether_payload()?;
    let version = payload.payload.first()? >> 4;
    if version != if payload.ether_type == EtherType::IPV6 { 6 } else { 4 } {
        return None;
    }
    let mut holds_header = true;
    let (source, destination, hops) = match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            if ip.extensions().auth.is_some() {
                return None;
            }
            let header = ip.header();
            holds_header = usize::from(header.total_len()) >= header.slice().len();
            let ends = (header.source_addr(), header.destination_addr());
            (IpAddr::from(ends.0), IpAddr::from(ends.1), header.ttl())
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let ends = (header.source_addr(), header.destination_addr());
            (ends.0.into(), ends.1.into(), header.hop_limit())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    Some(Theirs {
        source: source.into(),
        destination: destination.into(),
        hops,
        vlan,
        holds_header,
        transport: packet.transport?,
    })
}

/// In which both readings differ.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn check(&mut self, name: &str, ours: u64, theirs: u64) {
        if ours != theirs {
            self.0.push(format!("{name}: {ours:#x}, etherparse {theirs:#x}"));
        }
    }
}

/// Compares both readings; says whether there was something to compare.
///
/// # Errors
///
/// In what they differ.
pub fn compare(octets: &[u8], wire_len: usize) -> Result<bool, String> {
    let Some(theirs) = theirs(octets) else { return Ok(false) };
    let header = match &theirs.transport {
        TransportSlice::Tcp(tcp) => tcp.slice(),
        TransportSlice::Udp(udp) => udp.slice(),
        _ => return Ok(false),
    };
    // The engine looks only so far into a packet.
    let at = header.as_ptr().addr() - octets.as_ptr().addr();
    if at + TCP_HEADER > wire::LOOK_MAX {
        return Ok(false);
    }
    let ours = match ours(octets, wire_len) {
        Ok(packet) => packet,
        // etherparse follows a third tag.
        Err(Counter::TooDeep) if theirs.vlan.len() > wire::link::VLAN_MAX => return Ok(false),
        Err(counter) => return Err(format!("etherparse reads it, the engine says {counter:?}")),
    };
    let mut faults = Faults::default();
    faults.check("source", ours.source.low, theirs.source.low);
    faults.check("source, upper half", ours.source.high, theirs.source.high);
    faults.check("destination", ours.destination.low, theirs.destination.low);
    faults.check("destination, upper half", ours.destination.high, theirs.destination.high);
    faults.check("hops", ours.hops.into(), theirs.hops.into());
    for (place, id) in theirs.vlan.iter().enumerate() {
        faults.check("vlan", ours.vlan[place].into(), (*id).into());
    }
    // Where the length field says more than there is, or less than its own header has, or the capture was cut, the
    // engine goes by the field and etherparse by what is there.
    let exact =
        theirs.holds_header && ours.quirks & (quirk::SHORT | quirk::CUT | quirk::NO_LENGTH) == 0;
    match &theirs.transport {
        TransportSlice::Tcp(tcp) => {
            if ours.quirks & quirk::TCP_LENGTH != 0 {
                return Ok(false);
            }
            faults.check("source port", ours.source_port.into(), tcp.source_port().into());
            faults.check(
                "destination port",
                ours.destination_port.into(),
                tcp.destination_port().into(),
            );
            faults.check("seq", ours.seq.into(), tcp.sequence_number().into());
            faults.check("ack", ours.ack.into(), tcp.acknowledgment_number().into());
            faults.check("window", ours.window.into(), tcp.window_size().into());
            faults.check("checksum", ours.checksum.into(), tcp.checksum().into());
            faults.check("urgent", ours.urgent.into(), tcp.urgent_pointer().into());
            faults.check("flags", (ours.flags & 0x1ff).into(), flags(tcp).into());
            faults.check("options length", ours.options_len.into(), tcp.options().len() as u64);
            let raw: Vec<u8> =
                ours.raw_options.iter().flat_map(|word| word.to_be_bytes()).collect();
            if &raw[..usize::from(ours.options_len)] != tcp.options() {
                faults.0.push(format!("options: {raw:02x?}, etherparse {:02x?}", tcp.options()));
            }
            if exact {
                faults.check("payload", ours.payload.into(), tcp.payload().len() as u64);
            }
        }
        TransportSlice::Udp(udp) => {
            faults.check("source port", ours.source_port.into(), udp.source_port().into());
            faults.check(
                "destination port",
                ours.destination_port.into(),
                udp.destination_port().into(),
            );
            faults.check("checksum", ours.checksum.into(), udp.checksum().into());
            if exact && ours.quirks & quirk::UDP_LENGTH == 0 {
                faults.check("payload", ours.payload.into(), udp.payload().len() as u64);
            }
        }
        _ => {}
    }
    if faults.0.is_empty() { Ok(true) } else { Err(faults.0.join("\n")) }
}

fn flags(tcp: &etherparse::TcpSlice<'_>) -> u16 {
    let flag = |set, flag| if set { flag } else { 0 };
    flag(tcp.fin(), tcp_flag::FIN)
        | flag(tcp.syn(), tcp_flag::SYN)
        | flag(tcp.rst(), tcp_flag::RST)
        | flag(tcp.psh(), tcp_flag::PSH)
        | flag(tcp.ack(), tcp_flag::ACK)
        | flag(tcp.urg(), tcp_flag::URG)
        | flag(tcp.ece(), tcp_flag::ECE)
        | flag(tcp.cwr(), tcp_flag::CWR)
        | flag(tcp.ns(), tcp_flag::AE)
}
