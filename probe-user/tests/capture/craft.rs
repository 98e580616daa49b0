//! Capture files made by hand, field by field, so that the reader is tested against the format and
//! not against a writer that shares its mistakes.

use etherparse::PacketBuilder;

/// 2016-11-17 00:00:00 UTC, in seconds.
pub(crate) const DAY: u64 = 1_479_340_800;

/// A packet as the reader should return it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) number: u64,
    pub(crate) time: u64,
    pub(crate) interface: u32,
    pub(crate) wire_len: u32,
    pub(crate) data: Vec<u8>,
}

/// `count` Ethernet packets of growing size, 1.000001 s apart.
pub(crate) fn packets(count: u64) -> Vec<Packet> {
    (0..count)
        .map(|index| {
            let data = ethernet(index as usize * 3 % 64);
            Packet {
                number: index + 1,
                time: (DAY + index) * 1_000_000_000 + index * 1_000,
                interface: 0,
                wire_len: data.len() as u32,
                data,
            }
        })
        .collect()
}

/// A TCP packet with `payload` bytes of data.
pub(crate) fn ethernet(payload: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([192, 0, 2, 1], [198, 51, 100, 2], 60)
        .tcp(443, 40_000, 1, 64_240);
    let payload: Vec<u8> = (0..payload).map(|index| (index * 7) as u8).collect();
    let mut packet = Vec::new();
    builder.write(&mut packet, &payload).expect("a vector takes it");
    packet
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) const BOTH: [Order; 2] = [Order::Little, Order::Big];

    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }
}

/// A classic pcap file.
pub(crate) struct Classic {
    pub(crate) bytes: Vec<u8>,
    order: Order,
    /// Nanoseconds in a unit of the fraction.
    fraction: u64,
    /// Bytes after the usual record header.
    extra: usize,
}

impl Classic {
    pub(crate) fn new(order: Order, magic: u32, link_type: u32) -> Self {
        let mut bytes = Vec::new();
        bytes.extend(order.u32(magic));
        bytes.extend(order.u16(2));
        bytes.extend(order.u16(4));
        bytes.extend([0; 8]);
        bytes.extend(order.u32(262_144));
        bytes.extend(order.u32(link_type));
        let fraction = if magic == 0xa1b2_3c4d { 1 } else { 1000 };
        let extra = if magic == 0xa1b2_cd34 { 8 } else { 0 };
        Classic { bytes, order, fraction, extra }
    }

    /// Little-endian, microseconds, Ethernet, with `packets` in it.
    pub(crate) fn usual(packets: &[Packet]) -> Self {
        let mut file = Classic::new(Order::Little, 0xa1b2_c3d4, 1);
        file.extend(packets);
        file
    }

    pub(crate) fn extend(&mut self, packets: &[Packet]) {
        for packet in packets {
            self.push(packet.time, packet.wire_len, &packet.data);
        }
    }

    pub(crate) fn push(&mut self, time: u64, wire_len: u32, data: &[u8]) {
        let fraction = time % 1_000_000_000 / self.fraction;
        let fields = [time / 1_000_000_000, fraction, data.len() as u64, wire_len.into()];
        for field in fields {
            self.bytes.extend(self.order.u32(field as u32));
        }
        self.bytes.extend(vec![0xee; self.extra]);
        self.bytes.extend(data);
    }
}

/// A pcapng file.
pub(crate) struct Ng {
    pub(crate) bytes: Vec<u8>,
    pub(crate) order: Order,
}

impl Ng {
    /// A file with one section.
    pub(crate) fn new(order: Order) -> Self {
        let mut file = Ng { bytes: Vec::new(), order };
        file.section(order);
        file
    }

    /// One section, one Ethernet interface, `packets` in enhanced packet blocks.
    pub(crate) fn usual(packets: &[Packet]) -> Self {
        let mut file = Ng::new(Order::Little);
        file.interface(1, 0, &[]);
        for packet in packets {
            file.enhanced(0, packet.time / 1000, packet.wire_len, &packet.data, &[]);
        }
        file
    }

    pub(crate) fn section(&mut self, order: Order) {
        self.order = order;
        let mut body = Vec::new();
        body.extend(order.u32(0x1a2b_3c4d));
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body);
    }

    pub(crate) fn interface(&mut self, link_type: u16, snap_len: u32, options: &[(u16, &[u8])]) {
        let mut body = Vec::new();
        body.extend(self.order.u16(link_type));
        body.extend([0; 2]);
        body.extend(self.order.u32(snap_len));
        self.options(&mut body, options);
        self.block(1, &body);
    }

    pub(crate) fn enhanced(
        &mut self,
        interface: u32,
        ticks: u64,
        wire_len: u32,
        data: &[u8],
        options: &[(u16, &[u8])],
    ) {
        let mut body = Vec::new();
        body.extend(self.order.u32(interface));
        self.packet(&mut body, ticks, wire_len, data);
        self.options(&mut body, options);
        self.block(6, &body);
    }

    pub(crate) fn obsolete(&mut self, interface: u16, ticks: u64, wire_len: u32, data: &[u8]) {
        let mut body = Vec::new();
        body.extend(self.order.u16(interface));
        body.extend(self.order.u16(0xffff));
        self.packet(&mut body, ticks, wire_len, data);
        self.block(2, &body);
    }

    pub(crate) fn simple(&mut self, wire_len: u32, data: &[u8]) {
        let mut body = Vec::new();
        body.extend(self.order.u32(wire_len));
        body.extend(padded(data));
        self.block(3, &body);
    }

    pub(crate) fn statistics(&mut self, interface: u32, options: &[(u16, &[u8])]) {
        let mut body = Vec::new();
        body.extend(self.order.u32(interface));
        body.extend([0; 8]);
        self.options(&mut body, options);
        self.block(5, &body);
    }

    pub(crate) fn block(&mut self, kind: u32, body: &[u8]) {
        let body = padded(body);
        let length = self.order.u32(body.len() as u32 + 12);
        self.bytes.extend(self.order.u32(kind));
        self.bytes.extend(length);
        self.bytes.extend(body);
        self.bytes.extend(length);
    }

    fn packet(&self, body: &mut Vec<u8>, ticks: u64, wire_len: u32, data: &[u8]) {
        body.extend(self.order.u32((ticks >> 32) as u32));
        body.extend(self.order.u32(ticks as u32));
        body.extend(self.order.u32(data.len() as u32));
        body.extend(self.order.u32(wire_len));
        body.extend(padded(data));
    }

    fn options(&self, body: &mut Vec<u8>, options: &[(u16, &[u8])]) {
        for (code, value) in options {
            body.extend(self.order.u16(*code));
            body.extend(self.order.u16(value.len() as u16));
            body.extend(padded(value));
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}
