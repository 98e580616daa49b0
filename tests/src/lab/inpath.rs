//! A censor in the path: every packet of the long wire passes through its hands. It makes none of
//! its own; it changes those of others, or keeps them.
//!
//! Its acts are those of Russia's TSPU (Xue et al., IMC 2022; net4people/bbs issue 490) and of
//! providers' filters for HTTP. It stands where the delay is: neither end learns of it but by what
//! it does.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use pnet::packet::tcp::{MutableTcpPacket, TcpFlags};

use super::injector::{
    LINKEDIN, STREAM_MAX, STREAMS_MAX, craft, is_under,
    read::{self, Packet, Payload},
};

/// What it does to the connections that ask for one of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Each packet of the server with data becomes a reset in the same carrier: headers and
    /// options stay, the data goes. The server knows nothing, and sends it again.
    Rewrite,
    /// What the client sends is kept, from the name on.
    Swallow,
    /// The same over QUIC, and over QUIC alone.
    SwallowQuic,
    /// The server's data passes up to so many octets.
    Freeze(u32),
    /// The beginning of the server's answer becomes a redirect to this page, of the same length.
    Redirect(&'static str),
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the servers.
    Out,
    /// From the servers.
    Back,
}

/// A connection that was interfered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The name that it asked for.
    pub name: String,
    /// Who asked.
    pub client: SocketAddr,
    /// Who was asked.
    pub server: SocketAddr,
    /// Packets changed or kept.
    pub packets: usize,
}

/// The censor.
#[derive(Debug)]
pub struct InPath {
    act: Act,
    suffixes: Vec<String>,
    connections: Mutex<HashMap<Ends, Connection>>,
}

/// Client and server.
type Ends = (SocketAddr, SocketAddr);

#[derive(Debug)]
struct Connection {
    /// The client's next number.
    next: u32,
    /// What the client has sent, until it is known what it asks for.
    octets: Vec<u8>,
    /// The name, if it is one that is acted on.
    name: Option<String>,
    /// Where the server's data begins.
    start: Option<u32>,
    touched: usize,
}

impl InPath {
    /// A censor of LinkedIn's names.
    pub(super) fn new(act: Act) -> Self {
        Self { act, suffixes: LINKEDIN.map(str::to_owned).to_vec(), connections: Mutex::default() }
    }

    /// The connections interfered with so far.
    pub fn touched(&self) -> Vec<Touched> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let touched = connections.iter().filter_map(|(&(client, server), connection)| {
            let (name, packets) = (connection.name.clone()?, connection.touched);
            (packets > 0).then_some(Touched { name, client, server, packets })
        });
        touched.collect()
    }

    /// Looks at a packet, and changes it if need be; says whether it goes on.
    pub(super) fn passes(&self, way: Way, packet: &mut Vec<u8>) -> bool {
        let Some(read) = Packet::read_ip(packet) else { return true };
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let (seq, opens, octets) = match read.payload {
            Payload::Tcp { seq, opens, octets, .. } => (seq, opens, octets),
            Payload::Udp { octets } => {
                let quic = self.act == Act::SwallowQuic && way == Way::Out && read.to.port() == 443;
                if !quic {
                    return true;
                }
                let ends = (read.from, read.to);
                let connection = connections.entry(ends).or_insert_with(|| Connection::new(0));
                return !connection.swallows(octets, &self.suffixes);
            }
        };
        let len = octets.len() as u32;
        match way {
            Way::Out => {
                let ends = (read.from, read.to);
                if opens {
                    if connections.len() >= STREAMS_MAX {
                        connections.clear();
                    }
                    connections.insert(ends, Connection::new(seq));
                }
                let Some(connection) = connections.get_mut(&ends) else { return true };
                connection.read(seq, octets, &self.suffixes);
                let keeps = self.act == Act::Swallow && connection.name.is_some() && len > 0;
                connection.touched += usize::from(keeps);
                !keeps
            }
            Way::Back => {
                let Some(connection) = connections.get_mut(&(read.to, read.from)) else {
                    return true;
                };
                if len == 0 || connection.name.is_none() {
                    return true;
                }
                let start = *connection.start.get_or_insert(seq);
                let offset = seq.wrapping_sub(start);
                let (touches, passes) = match self.act {
                    Act::Rewrite => (to_reset(packet).is_some(), true),
                    Act::Freeze(limit) => (offset + len > limit, offset + len <= limit),
                    Act::Redirect(page) if offset == 0 => {
                        (to_redirect(packet, page).is_some(), true)
                    }
                    Act::Redirect(_) | Act::Swallow | Act::SwallowQuic => (false, true),
                };
                connection.touched += usize::from(touches);
                passes
            }
        }
    }
}

impl Connection {
    /// One that the client begins with a SYN numbered `isn`.
    const fn new(isn: u32) -> Self {
        let next = isn.wrapping_add(1);
        Self { next, octets: Vec::new(), name: None, start: None, touched: 0 }
    }

    /// Takes a datagram of a QUIC client's; says whether it is kept.
    fn swallows(&mut self, octets: &[u8], suffixes: &[String]) -> bool {
        if self.name.is_none() {
            self.name = read::quic_name(octets).filter(|name| is_under(name, suffixes));
        }
        let keeps = self.name.is_some();
        self.touched += usize::from(keeps);
        keeps
    }

    /// Takes what the client sends in order, until it has named something that is acted on.
    fn read(&mut self, seq: u32, octets: &[u8], suffixes: &[String]) {
        let in_order = seq == self.next && !octets.is_empty();
        if self.name.is_some() || !in_order || self.octets.len() > STREAM_MAX {
            return;
        }
        self.next = seq.wrapping_add(octets.len() as u32);
        self.octets.extend_from_slice(octets);
        self.name = read::server_name(&self.octets).filter(|name| is_under(name, suffixes));
    }
}

/// Turns a segment into a reset: flags other, data gone, all else as it was.
fn to_reset(packet: &mut Vec<u8>) -> Option<()> {
    let (at, data) = data_at(packet)?;
    MutableTcpPacket::new(&mut packet[at..])?.set_flags(TcpFlags::RST | TcpFlags::ACK);
    packet.truncate(data);
    craft::refit(packet)
}

/// Puts a redirect in the place of a segment's data, filled up with blanks.
fn to_redirect(packet: &mut [u8], page: &str) -> Option<()> {
    let (_, data) = data_at(packet)?;
    let room = packet.get_mut(data..)?;
    let head = |body: usize| {
        format!("HTTP/1.1 302 Found\r\nLocation: {page}\r\nContent-Length: {body:>4}\r\n\r\n")
    };
    let body = room.len().checked_sub(head(0).len())?;
    let (head_room, body_room) = room.split_at_mut(room.len() - body);
    head_room.copy_from_slice(head(body).as_bytes());
    body_room.fill(b' ');
    craft::refit(packet)
}

/// Where segment and data begin.
fn data_at(packet: &mut [u8]) -> Option<(usize, usize)> {
    let at = craft::segment_at(packet)?;
    let header = usize::from(MutableTcpPacket::new(&mut packet[at..])?.get_data_offset()) * 4;
    (at + header <= packet.len()).then_some((at, at + header))
}

#[cfg(test)]
mod tests {
    use etherparse::{IpNumber, PacketBuilder, PacketHeaders, TcpHeader, TransportHeader};

    use super::*;

    const NAMED: &[u8] = b"GET / HTTP/1.1\r\nHost: www.linkedin.com\r\n\r\n";
    const CONTROL: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
    const ANSWER: &[u8] = &[b'x'; 200];

    /// A segment of one connection; `numbers` are its own and the one it acknowledges.
    fn packet(way: Way, v6: bool, syn: bool, numbers: (u32, u32), data: &[u8]) -> Vec<u8> {
        let (client, server) = ((1, 4_000), (2, 443));
        let (from, to) = if way == Way::Out { (client, server) } else { (server, client) };
        let mut tcp = TcpHeader::new(from.1, to.1, numbers.0, 500);
        tcp.acknowledgment_number = numbers.1;
        (tcp.syn, tcp.ack) = (syn, !syn);
        tcp.set_options_raw(&[1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]).expect("timestamps");
        let mut octets = Vec::new();
        if v6 {
            let address = |host| [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host];
            let ip = PacketBuilder::ipv6(address(from.0), address(to.0), 57);
            ip.tcp_header(tcp).write(&mut octets, data).expect("a packet");
        } else {
            let ip = PacketBuilder::ipv4([10, 0, 0, from.0], [10, 0, 0, to.0], 57);
            ip.tcp_header(tcp).write(&mut octets, data).expect("a packet");
        }
        octets
    }

    /// Lets a connection ask for a name, and returns what its request and its answers become.
    fn through(censor: &InPath, v6: bool, request: &[u8], answers: &[u32]) -> Vec<Option<Vec<u8>>> {
        let mut packets = vec![packet(Way::Out, v6, true, (99, 0), &[])];
        packets.push(packet(Way::Out, v6, false, (100, 1), request));
        packets.extend(answers.iter().map(|&seq| packet(Way::Back, v6, false, (seq, 150), ANSWER)));
        let ways = [Way::Out, Way::Out].into_iter().chain(std::iter::repeat(Way::Back));
        let passed = packets
            .into_iter()
            .zip(ways)
            .map(|(mut packet, way)| censor.passes(way, &mut packet).then_some(packet));
        passed.skip(1).collect()
    }

    fn read(packet: &[u8]) -> (TcpHeader, &[u8]) {
        let read = PacketHeaders::from_ip_slice(packet).expect("a valid packet");
        let Some(TransportHeader::Tcp(tcp)) = read.transport else { panic!("no TCP") };
        let data = read.payload.slice();
        let sum = match read.net.expect("IP") {
            etherparse::NetHeaders::Ipv4(ip, _) => {
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                assert_eq!((usize::from(ip.total_len), ip.time_to_live), (packet.len(), 57));
                tcp.calc_checksum_ipv4(&ip, data).expect("short")
            }
            etherparse::NetHeaders::Ipv6(ip, _) => {
                assert_eq!(usize::from(ip.payload_length) + 40, packet.len());
                assert_eq!((ip.next_header, ip.hop_limit), (IpNumber::TCP, 57));
                tcp.calc_checksum_ipv6(&ip, data).expect("short")
            }
            _ => panic!("not IP"),
        };
        assert_eq!(tcp.checksum, sum);
        (tcp, data)
    }

    #[test]
    fn answers_become_resets_in_their_carriers() {
        for v6 in [false, true] {
            let censor = InPath::new(Act::Rewrite);
            let passed = through(&censor, v6, NAMED, &[7, 7]);
            assert_eq!(passed[0], Some(packet(Way::Out, v6, false, (100, 1), NAMED)));
            for answer in &passed[1..] {
                let (tcp, data) = read(answer.as_deref().expect("it goes on"));
                assert!(tcp.rst && tcp.ack && data.is_empty());
                let numbers = (tcp.sequence_number, tcp.acknowledgment_number);
                assert_eq!((numbers, tcp.window_size), ((7, 150), 500));
                assert_eq!(tcp.options.as_slice(), [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
            }
            assert_eq!(censor.touched()[0].packets, 2);
        }
    }

    #[test]
    fn other_names_pass_as_they_are() {
        for act in [Act::Rewrite, Act::Swallow, Act::Freeze(0), Act::Redirect("http://a/")] {
            let censor = InPath::new(act);
            let passed = through(&censor, false, CONTROL, &[7]);
            assert_eq!(passed[1], Some(packet(Way::Back, false, false, (7, 150), ANSWER)));
            assert!(passed[0].is_some() && censor.touched().is_empty());
        }
    }

    #[test]
    fn what_is_kept_does_not_pass() {
        let passed = |act, answers: &[u32]| -> Vec<bool> {
            let passed = through(&InPath::new(act), false, NAMED, answers);
            passed.iter().map(Option::is_some).collect()
        };
        assert_eq!(passed(Act::Swallow, &[7]), [false, true]);
        let end = u32::MAX - 100;
        let seqs = [end, end.wrapping_add(200), end, end.wrapping_add(400)];
        assert_eq!(passed(Act::Freeze(400), &seqs), [true, true, true, true, false]);
    }

    #[test]
    fn a_redirect_is_as_long_as_what_it_replaces() {
        let passed = through(&InPath::new(Act::Redirect("http://a.example/")), true, NAMED, &[7]);
        let (_, data) = read(passed[1].as_deref().expect("it goes on"));
        assert_eq!(data.len(), ANSWER.len());
        let text = String::from_utf8_lossy(data);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(
            head.starts_with("HTTP/1.1 302 ")
                && head.contains("\r\nLocation: http://a.example/\r\n")
        );
        assert!(head.ends_with(&body.len().to_string()), "{head}");
    }
}
