//! Evidence as a capture file with a comment on each packet: pcapng
//! (draft-ietf-opsawg-pcapng), raw IP without a link layer, times in nanoseconds.

use std::io::{self, Write};

use super::{End, Origin, Packet, Standing, frame};

/// Block types.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET: u32 = 6;
}

/// Option codes; those above 1 mean something else in each block.
mod option {
    pub(super) const COMMENT: u16 = 1;
    pub(super) const OS: u16 = 3;
    pub(super) const APPLICATION: u16 = 4;
    pub(super) const NAME: u16 = 2;
    pub(super) const RESOLUTION: u16 = 9;
}

/// Packets that begin with their IP header (LINKTYPE_RAW).
const RAW: u16 = 101;

/// Ports that findings are told apart by, from the stand-in's on.
const PORTS: u16 = 15_000;

/// Octets of a comment.
const COMMENT_MAX: usize = 4_096;

/// What a file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// What it is, what was left out, and what was not seen: several lines.
    pub comment: String,
    /// Operating system, as in `Linux 6.18.0`.
    pub system: Option<String>,
    /// Program, as in `forgewatch 0.1.0`.
    pub program: String,
    /// Where it was seen, as the operator calls it.
    pub place: String,
}

/// A finding with its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// When its first packet is said to have passed, nanoseconds since 1970-01-01 UTC: the beginning of a
    /// minute, hour or day. Times within the finding are exact.
    pub begin: u64,
    /// What was found, in a line: it stands before the comment of every packet.
    pub title: String,
    /// Its packets, in the order they passed.
    pub packets: Vec<Packet>,
}

/// Writes a file: one finding after the other, in the order given. Each has a port of its own for its
/// client, so that programs which follow connections do not mix them up.
///
/// # Errors
/// When `output` cannot be written.
pub fn write(output: &mut impl Write, origins: &Origins, chapters: &[Chapter]) -> io::Result<()> {
    output.write_all(&section(origins))?;
    output.write_all(&interface(origins))?;
    for (number, chapter) in chapters.iter().enumerate() {
        let port = super::CLIENT_PORT + (number % usize::from(PORTS)) as u16;
        let first = chapter.packets.iter().map(|packet| packet.offset).min().unwrap_or(0);
        for packet in &chapter.packets {
            let time = chapter.begin.saturating_add(packet.offset.abs_diff(first));
            let bytes = frame::with_port(&packet.bytes, packet.from, port);
            output.write_all(&enhanced(time, &bytes, &comment(chapter, number, packet)))?;
        }
    }
    output.flush()
}

/// What is said of a packet.
fn comment(chapter: &Chapter, number: usize, packet: &Packet) -> String {
    let name = match packet.from {
        End::Client => "client",
        End::Server => "server",
    };
    let standing = match packet.standing {
        Standing::Forged => format!("FORGED in the name of the {name}"),
        Standing::Rewritten => format!("of the {name}, CHANGED on its way"),
        Standing::Questioned => format!("in the name of the {name}, and what the finding is about"),
        Standing::Genuine => format!("of the {name}, as far as is known"),
    };
    let origin = match packet.origin {
        Origin::Packet => "",
        Origin::Record => "; rebuilt from the connection's record, which keeps a part of it",
    };
    let note = if packet.note.is_empty() { String::new() } else { format!("; {}", packet.note) };
    let title =
        if chapter.title.is_empty() { String::new() } else { format!(": {}", chapter.title) };
    format!("Finding {}{title}. This packet: {standing}{origin}{note}.", number + 1)
}

fn section(origins: &Origins) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend(1u16.to_le_bytes());
    body.extend(0u16.to_le_bytes());
    // Its length is not said: it goes to the end of the file.
    body.extend(u64::MAX.to_le_bytes());
    put(&mut body, option::COMMENT, &origins.comment);
    if let Some(system) = &origins.system {
        put(&mut body, option::OS, system);
    }
    put(&mut body, option::APPLICATION, &origins.program);
    finish(block::SECTION, body)
}

fn interface(origins: &Origins) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(RAW.to_le_bytes());
    body.extend(0u16.to_le_bytes());
    // No limit: what is cut was cut packet by packet.
    body.extend(0u32.to_le_bytes());
    put(&mut body, option::NAME, &origins.place);
    octets(&mut body, option::RESOLUTION, &[9]);
    finish(block::INTERFACE, body)
}

fn enhanced(time: u64, packet: &[u8], comment: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0u32.to_le_bytes());
    body.extend(((time >> 32) as u32).to_le_bytes());
    body.extend((time as u32).to_le_bytes());
    body.extend((packet.len() as u32).to_le_bytes());
    body.extend(on_the_wire(packet).to_le_bytes());
    body.extend(packet);
    pad(&mut body);
    put(&mut body, option::COMMENT, comment);
    finish(block::PACKET, body)
}

/// How long a packet was, by its IP header.
fn on_the_wire(packet: &[u8]) -> u32 {
    let word =
        |at: usize| Some(u32::from(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?])));
    let said = match packet.first().map(|octet| octet >> 4) {
        Some(4) => word(2),
        Some(6) => word(4).map(|length| length + 40),
        _ => None,
    };
    said.unwrap_or(0).max(packet.len() as u32)
}

fn put(body: &mut Vec<u8>, code: u16, text: &str) {
    let mut end = text.len().min(COMMENT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end > 0 {
        octets(body, code, &text.as_bytes()[..end]);
    }
}

fn octets(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// A block around a body whose options have begun: the end of options, and the length on both sides.
fn finish(kind: u32, mut body: Vec<u8>) -> Vec<u8> {
    body.extend([0; 4]);
    let length = (body.len() as u32 + 12).to_le_bytes();
    let mut block = Vec::with_capacity(body.len() + 12);
    block.extend(kind.to_le_bytes());
    block.extend(length);
    block.append(&mut body);
    block.extend(length);
    block
}
