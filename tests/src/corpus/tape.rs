//! What the router's port saw: frames with their time and the truth about them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::segment::{ETHERNET, End, Pair, Segment, Truth, flag, write};

/// Protocol number of UDP.
const UDP: u8 = 17;

/// One frame.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// When it was seen, in nanoseconds.
    pub time: u64,
    /// Where it begins in the tape's octets.
    pub at: usize,
    /// Its length.
    pub len: usize,
    /// Length on the wire.
    pub wire: usize,
    /// Whose it is.
    pub truth: Truth,
    /// Claims to come from the client.
    pub from_client: bool,
}

/// Frames of one or more connections, with one buffer for all their octets.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// The octets of all frames.
    pub octets: Vec<u8>,
    /// The frames.
    pub records: Vec<Record>,
}

impl Tape {
    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.records.clear();
    }

    /// Adds a segment seen at `time`.
    pub fn add(&mut self, time: u64, segment: &Segment, pair: &Pair) {
        let at = self.octets.len();
        write(segment, pair, &mut self.octets);
        let len = self.octets.len() - at;
        let from_client = segment.from == End::Client;
        self.records.push(Record { time, at, len, wire: len, truth: segment.truth, from_client });
    }

    /// Adds a frame seen at `time`, as `write` appends it.
    pub fn put(
        &mut self,
        time: u64,
        truth: Truth,
        from_client: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let at = self.octets.len();
        write(&mut self.octets);
        let len = self.octets.len() - at;
        self.records.push(Record { time, at, len, wire: len, truth, from_client });
    }

    /// Adds a copy of frame `index` as seen at `time`, changed by `change`.
    pub fn copy(&mut self, index: usize, time: u64, change: impl FnOnce(&mut [u8])) {
        let record = self.records[index];
        let at = self.octets.len();
        self.octets.extend_from_within(record.at..record.at + record.len);
        change(&mut self.octets[at..]);
        self.records.push(Record { time, at, ..record });
    }

    /// The octets of `record`.
    pub fn frame(&self, record: &Record) -> &[u8] {
        &self.octets[record.at..record.at + record.len]
    }

    /// Puts the frames in the order of their time; those of one moment stay as they were added.
    pub fn sort(&mut self) {
        self.records.sort_by_key(|record| record.time);
    }

    /// Drops frames that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&View<'_>, &Record) -> bool) {
        let octets = &self.octets;
        self.records.retain(|record| {
            let frame = &octets[record.at..record.at + record.len];
            keep(&View(frame), record)
        });
    }
}

/// Lowers TTL or hop limit of a frame by one, as a router does, and mends the checksum.
pub fn forward(frame: &mut [u8]) {
    let ip = &mut frame[ETHERNET..];
    if ip[0] >> 4 == 6 {
        ip[7] = ip[7].saturating_sub(1);
        return;
    }
    ip[8] = ip[8].saturating_sub(1);
    // RFC 1624: the high octet of the word that holds TTL and protocol went down by one.
    let old = u32::from(u16::from_be_bytes([ip[10], ip[11]]));
    let sum = old + 0x100;
    let folded = ((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&folded.to_be_bytes());
}

/// A frame that this simulator has written, read again.
#[derive(Clone, Copy, Debug)]
pub struct View<'a>(pub &'a [u8]);

impl View<'_> {
    fn is_v6(&self) -> bool {
        self.0[ETHERNET] >> 4 == 6
    }

    fn tcp(&self) -> &[u8] {
        &self.0[self.transport().1..]
    }

    /// Protocol of the transport, where its header begins, and whether that is in this packet: it is
    /// not in a fragment after the first.
    fn transport(&self) -> (u8, usize, bool) {
        let ip = &self.0[ETHERNET..];
        match (self.is_v6(), ip[6]) {
            (false, _) => (ip[9], ETHERNET + 20, Self::u16(ip, 6) & 0x1fff == 0),
            // A fragment header (RFC 8200, section 4.5).
            (true, 44) => (ip[40], ETHERNET + 48, Self::u16(ip, 42) >> 3 == 0),
            (true, next) => (next, ETHERNET + 40, true),
        }
    }

    /// The message in a datagram, as far as it is in this packet; none if it is no datagram or a
    /// fragment after the first.
    pub fn message(&self) -> Option<&[u8]> {
        let (protocol, at, whole) = self.transport();
        (protocol == UDP && whole).then(|| &self.0[at + 8..])
    }

    /// Whether it has a transport header that tells its ports.
    pub fn has_ports(&self) -> bool {
        self.transport().2
    }

    /// Whether it is a segment of a TCP connection.
    pub fn is_tcp(&self) -> bool {
        self.transport().0 != UDP
    }

    fn u16(octets: &[u8], at: usize) -> u16 {
        u16::from_be_bytes([octets[at], octets[at + 1]])
    }

    fn u32(octets: &[u8], at: usize) -> u32 {
        u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
    }

    /// Source and destination.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        let ip = &self.0[ETHERNET..];
        let address = |at: usize| -> IpAddr {
            if self.is_v6() {
                let octets: [u8; 16] = std::array::from_fn(|i| ip[8 + at * 16 + i]);
                Ipv6Addr::from(octets).into()
            } else {
                let octets: [u8; 4] = std::array::from_fn(|i| ip[12 + at * 4 + i]);
                Ipv4Addr::from(octets).into()
            }
        };
        let tcp = self.tcp();
        let port = |at: usize| if self.has_ports() { Self::u16(tcp, at) } else { 0 };
        (SocketAddr::new(address(0), port(0)), SocketAddr::new(address(1), port(2)))
    }

    /// TTL or hop limit.
    pub fn ttl(&self) -> u8 {
        self.0[ETHERNET + if self.is_v6() { 7 } else { 8 }]
    }

    /// IP-ID; -1 for IPv6.
    pub fn ip_id(&self) -> i32 {
        if self.is_v6() { -1 } else { Self::u16(self.0, ETHERNET + 4).into() }
    }

    /// Whether DF is set.
    pub fn df(&self) -> bool {
        !self.is_v6() && self.0[ETHERNET + 6] & 0x40 != 0
    }

    /// Sequence number.
    pub fn seq(&self) -> u32 {
        Self::u32(self.tcp(), 4)
    }

    /// Acknowledgment number.
    pub fn ack(&self) -> u32 {
        Self::u32(self.tcp(), 8)
    }

    /// Flags.
    pub fn flags(&self) -> u16 {
        Self::u16(self.tcp(), 12) & 0x1ff
    }

    /// Window.
    pub fn window(&self) -> u16 {
        Self::u16(self.tcp(), 14)
    }

    /// Length of the payload.
    pub fn payload(&self) -> usize {
        let tcp = self.tcp();
        tcp.len() - usize::from(tcp[12] >> 4) * 4
    }

    /// Whether it takes sequence numbers.
    pub fn takes_numbers(&self) -> bool {
        self.payload() != 0 || self.flags() & (flag::SYN | flag::FIN) != 0
    }

    /// The headers in the words of the label files.
    pub fn words(&self) -> String {
        if !self.is_tcp() {
            return self.datagram_words();
        }
        format!(
            "tcp fl={:02x} seq={} ack={} win={} ttl={} id={} df={} len={}",
            self.flags(),
            self.seq(),
            self.ack(),
            self.window(),
            self.ttl(),
            self.ip_id(),
            u8::from(self.df()),
            self.payload(),
        )
    }

    fn datagram_words(&self) -> String {
        let (ttl, id, df) = (self.ttl(), self.ip_id(), u8::from(self.df()));
        match self.message() {
            Some(message) => format!(
                "udp ttl={ttl} id={id} df={df} len={} {}",
                message.len(),
                super::dns::message::words(message)
            ),
            None => format!("fragment ttl={ttl} id={id} df={df}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Tape, View, forward};
    use crate::corpus::segment::{End, Pair, Segment};

    #[test]
    fn forwarding_keeps_the_checksum_right() {
        let pair =
            Pair { client: "10.0.0.1:1".parse().unwrap(), server: "10.0.0.2:2".parse().unwrap() };
        for ip_id in 0..=u16::MAX {
            let mut segment = Segment::empty(End::Client);
            segment.ip_id = ip_id;
            let (mut tape, mut lower) = (Tape::default(), Tape::default());
            tape.add(0, &segment, &pair);
            segment.ttl -= 1;
            lower.add(0, &segment, &pair);
            forward(&mut tape.octets);
            let (one, two) = (u16::from_be_bytes([tape.octets[24], tape.octets[25]]), {
                u16::from_be_bytes([lower.octets[24], lower.octets[25]])
            });
            // 0 and 0xffff are the same number in ones' complement.
            assert!(one == two || (one == 0xffff && two == 0), "{one:04x} {two:04x}");
            assert_eq!(View(&tape.octets).ttl(), 63);
        }
    }
}
