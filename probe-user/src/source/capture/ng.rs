//! The pcapng format: sections of blocks, each with its own byte order and interfaces.
//!
//! Layouts from draft-ietf-opsawg-pcapng. `pcap-parser` reads the rare blocks. Blocks are framed
//! here, before it sees them, so that "incomplete" from it always means a block that contradicts
//! its own length. Packet blocks are read here too: it knows no obsolete Packet Block, allocates
//! for every packet with options, and reads option values as little-endian only.

use pcap_parser::{Block, InterfaceDescriptionBlock, InterfaceStatisticsBlock, PcapNGOption};

use super::clock::Clock;
use super::error::Fault;
use super::link::Link;
use super::window::Window;
use super::{MAX_BLOCK, MAX_INTERFACES, MAX_PACKET, Packet};

/// First bytes of a file: the type of a Section Header Block, which reads the same both ways.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Block types (section 10.1).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Byte-order magic as a little-endian section has it (section 4.1).
const LITTLE_ENDIAN: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];

/// The shortest block: type, length, length again.
const SMALLEST_BLOCK: u32 = 12;

/// Type and length, before the body of a block.
const BLOCK_HEADER: usize = 8;

/// Body of an enhanced or obsolete packet block before the packet data.
const PACKET_HEADER: usize = 20;

/// Options (sections 3.5, 4.2 and 4.6).
const END_OF_OPTIONS: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

/// The most bytes kept of an interface's name. Linux allows 15; Windows names are longer.
const MAX_NAME: usize = 128;

/// An interface that packets were captured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, if the file has it; cut to 128 bytes.
    pub name: Option<String>,
    /// Its LINKTYPE_ number, from the list of tcpdump.org.
    pub link_type: u32,
    /// Packets that were lost while capturing, by the interface or the system, if the file says
    /// so. What it lost can be no evidence for silence.
    pub dropped: Option<u64>,
}

pub(super) struct Ng {
    big_endian: bool,
    /// The interfaces of all sections, as their users see them and as their packets need them.
    interfaces: Vec<Interface>,
    settings: Vec<Settings>,
    /// The first interface of this section.
    section: usize,
    /// Time of the last packet, for those that have none.
    time: u64,
}

/// How to read the packets of an interface.
#[derive(Clone, Copy)]
struct Settings {
    link: Link,
    clock: Clock,
    /// Bytes kept of each packet; 0 for all.
    snap_len: u32,
}

impl Ng {
    pub(super) fn open(window: &mut Window) -> Result<Self, Fault> {
        let mut ng = Ng {
            big_endian: false,
            interfaces: Vec::new(),
            settings: Vec::new(),
            section: 0,
            time: 0,
        };
        let Some((kind, length)) = ng.block(window)? else {
            return Err(Fault::Truncated { offset: 0, what: "the section header" });
        };
        ng.handle(kind, length, window)?;
        window.consume(length as usize);
        Ok(ng)
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Finds the next packet.
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Packet>, Fault> {
        while let Some((kind, length)) = self.block(window)? {
            match kind {
                ENHANCED_PACKET | OBSOLETE_PACKET => {
                    self.whole(window, length)?;
                    return self.packet(kind, length as usize, window).map(Some);
                }
                SIMPLE_PACKET => {
                    self.whole(window, length)?;
                    return self.simple_packet(length as usize, window).map(Some);
                }
                SECTION_HEADER | INTERFACE_DESCRIPTION | INTERFACE_STATISTICS => {
                    self.handle(kind, length, window)?;
                    window.consume(length as usize);
                }
                _ => {
                    let offset = window.offset();
                    window.skip(u64::from(length) - 4, "a block")?;
                    if !window.need(4, "a block")? {
                        return Err(Fault::Truncated { offset, what: "a block" });
                    }
                    let trailer = self.u32(window.bytes(), 0);
                    self.same_length(offset, length, trailer)?;
                    window.consume(4);
                }
            }
        }
        Ok(None)
    }

    /// Type and total length of the block at the start of the window. A section header sets the
    /// byte order first.
    fn block(&mut self, window: &mut Window) -> Result<Option<(u32, u32)>, Fault> {
        if !window.need(SMALLEST_BLOCK as usize, "a block")? {
            return Ok(None);
        }
        let (offset, bytes) = (window.offset(), window.bytes());
        if bytes[..4] == MAGIC {
            self.big_endian = match [bytes[8], bytes[9], bytes[10], bytes[11]] {
                LITTLE_ENDIAN => false,
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                other => {
                    return Err(Fault::malformed(
                        offset,
                        format!("a section header with byte-order magic {other:02x?}"),
                    ));
                }
            };
        }
        let (kind, length) = (self.u32(bytes, 0), self.u32(bytes, 4));
        if length < SMALLEST_BLOCK || !length.is_multiple_of(4) {
            return Err(Fault::malformed(
                offset,
                format!("a block of type {kind:#x} with length {length}"),
            ));
        }
        Ok(Some((kind, length)))
    }

    /// Brings the whole block into the window.
    fn whole(&self, window: &mut Window, length: u32) -> Result<(), Fault> {
        let (offset, size) = (window.offset(), length as usize);
        if size > MAX_BLOCK {
            return Err(Fault::malformed(
                offset,
                format!("a block of {size} bytes, more than {MAX_BLOCK}"),
            ));
        }
        window.need(size, "a block")?;
        let trailer = self.u32(window.bytes(), size - 4);
        self.same_length(offset, length, trailer)
    }

    fn same_length(&self, offset: u64, length: u32, trailer: u32) -> Result<(), Fault> {
        if length == trailer {
            return Ok(());
        }
        let what = format!("a block that begins with length {length} and ends with {trailer}");
        Err(Fault::malformed(offset, what))
    }

    /// An enhanced packet block (section 4.3) or an obsolete packet block (appendix A), which has
    /// a drop counter in the upper half of its interface.
    fn packet(&mut self, kind: u32, length: usize, window: &Window) -> Result<Packet, Fault> {
        let (offset, bytes) = (window.offset(), window.bytes());
        let body = &bytes[BLOCK_HEADER..length - 4];
        if body.len() < PACKET_HEADER {
            return Err(Fault::malformed(offset, format!("a packet block of {length} bytes")));
        }
        let interface = match kind {
            OBSOLETE_PACKET => self.u16(body, 0).into(),
            _ => self.u32(body, 0),
        };
        let captured = self.u32(body, 12) as usize;
        if captured > (body.len() - PACKET_HEADER).min(MAX_PACKET) {
            return Err(Fault::malformed(
                offset,
                format!("a block of {length} bytes with a packet of {captured} captured bytes"),
            ));
        }
        let (number, settings) = self.interface(interface, offset)?;
        let ticks = u64::from(self.u32(body, 4)) << 32 | u64::from(self.u32(body, 8));
        self.time = settings.clock.nanoseconds(ticks);
        let start = BLOCK_HEADER + PACKET_HEADER;
        Ok(Packet {
            time: self.time,
            interface: number,
            wire_len: self.u32(body, 16),
            link: settings.link,
            data: start..start + captured,
            end: length,
        })
    }

    /// A simple packet block (section 4.4): of the first interface, without time, and its captured
    /// length is to be worked out.
    fn simple_packet(&self, length: usize, window: &Window) -> Result<Packet, Fault> {
        let (offset, bytes) = (window.offset(), window.bytes());
        let body = &bytes[BLOCK_HEADER..length - 4];
        if body.len() < 4 {
            return Err(Fault::malformed(offset, format!("a packet block of {length} bytes")));
        }
        let (number, settings) = self.interface(0, offset)?;
        let wire_len = self.u32(body, 0);
        let snap_len = if settings.snap_len == 0 { u32::MAX } else { settings.snap_len };
        let captured = wire_len.min(snap_len) as usize;
        if captured > (body.len() - 4).min(MAX_PACKET) {
            return Err(Fault::malformed(
                offset,
                format!("a block of {length} bytes with a packet of {captured} captured bytes"),
            ));
        }
        let start = BLOCK_HEADER + 4;
        Ok(Packet {
            time: self.time,
            interface: number,
            wire_len,
            link: settings.link,
            data: start..start + captured,
            end: length,
        })
    }

    /// The number over all sections, and the settings, of an interface of this section.
    fn interface(&self, id: u32, offset: u64) -> Result<(u32, Settings), Fault> {
        let number = self.section + id as usize;
        match self.settings.get(number) {
            Some(settings) => Ok((number as u32, *settings)),
            None => Err(Fault::malformed(
                offset,
                format!("a packet of interface {id}, which is not described"),
            )),
        }
    }

    /// A block that is about the packets after it.
    fn handle(&mut self, kind: u32, length: u32, window: &mut Window) -> Result<(), Fault> {
        self.whole(window, length)?;
        let offset = window.offset();
        let bytes = &window.bytes()[..length as usize];
        let parsed = match self.big_endian {
            false => pcap_parser::parse_block_le(bytes),
            true => pcap_parser::parse_block_be(bytes),
        };
        match parsed {
            Ok((_, Block::SectionHeader(section))) => {
                // Minor versions 0 and 2 are the same (section 4.1).
                if section.major_version != 1 {
                    return Err(Fault::unsupported(format!(
                        "it is pcapng version {}.{}, only version 1 is known; convert it with \
                         `editcap`",
                        section.major_version, section.minor_version
                    )));
                }
                self.section = self.interfaces.len();
                Ok(())
            }
            Ok((_, Block::InterfaceDescription(description))) => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    let what = format!("more than {MAX_INTERFACES} interfaces are described");
                    return Err(Fault::unsupported(what));
                }
                self.describe(&description);
                Ok(())
            }
            Ok((_, Block::InterfaceStatistics(statistics))) => {
                self.count(&statistics);
                Ok(())
            }
            _ => Err(Fault::malformed(
                offset,
                format!("a block of type {kind:#x} that cannot be parsed"),
            )),
        }
    }

    fn describe(&mut self, description: &InterfaceDescriptionBlock<'_>) {
        let options = &description.options[..];
        let name = option(options, IF_NAME)
            .map(|name| String::from_utf8_lossy(&name[..name.len().min(MAX_NAME)]).into_owned());
        let resolution = option(options, IF_TSRESOL).and_then(|value| value.first().copied());
        let offset = option(options, IF_TSOFFSET).and_then(|value| self.u64(value));
        let clock = match (resolution, offset) {
            (None, None) => Clock::DEFAULT,
            (resolution, offset) => {
                Clock::new(resolution.unwrap_or(6), offset.unwrap_or(0).cast_signed())
            }
        };
        let link_type = description.linktype.0.cast_unsigned();
        let snap_len = description.snaplen;
        self.settings.push(Settings { link: Link::from_number(link_type), clock, snap_len });
        self.interfaces.push(Interface { name, link_type, dropped: None });
    }

    /// Statistics count from the beginning of the capture, so that the last block counts.
    fn count(&mut self, statistics: &InterfaceStatisticsBlock<'_>) {
        let options = &statistics.options[..];
        let read = |code| option(options, code).and_then(|value| self.u64(value));
        let dropped = match (read(ISB_IFDROP), read(ISB_OSDROP)) {
            (None, None) => return,
            (interface, system) => interface.unwrap_or(0).saturating_add(system.unwrap_or(0)),
        };
        let number = self.section + statistics.if_id as usize;
        if let Some(interface) = self.interfaces.get_mut(number) {
            interface.dropped = Some(dropped);
        }
    }

    fn u16(&self, bytes: &[u8], at: usize) -> u16 {
        let value = [bytes[at], bytes[at + 1]];
        if self.big_endian { u16::from_be_bytes(value) } else { u16::from_le_bytes(value) }
    }

    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let value = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian { u32::from_be_bytes(value) } else { u32::from_le_bytes(value) }
    }

    /// The value of an option of eight bytes.
    fn u64(&self, value: &[u8]) -> Option<u64> {
        let value = *value.first_chunk()?;
        Some(if self.big_endian { u64::from_be_bytes(value) } else { u64::from_le_bytes(value) })
    }
}

/// The value of the first option with this code.
fn option<'a>(options: &'a [PcapNGOption<'_>], code: u16) -> Option<&'a [u8]> {
    options
        .iter()
        .take_while(|option| option.code.0 != END_OF_OPTIONS)
        .find(|option| option.code.0 == code)
        .and_then(|option| option.as_bytes().ok())
}
