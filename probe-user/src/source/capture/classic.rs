//! The classic pcap format: one header, then records of one link type.
//!
//! Facts from the "PCAP Capture File Format" draft (draft-ietf-opsawg-pcap).

use pcap_parser::nom::{Err, IResult, Needed};
use pcap_parser::{LegacyPcapBlock, PcapError};

use super::error::Fault;
use super::link::Link;
use super::ng::Interface;
use super::window::Window;
use super::{MAX_PACKET, Packet};

/// First bytes of a file: microseconds and nanoseconds in both byte orders, and the variant of
/// old Red Hat kernels with 24-byte record headers.
pub(super) const MAGICS: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x34, 0xcd, 0xb2, 0xa1],
];

/// Length of the file header in bytes.
const FILE_HEADER: usize = 24;

/// The part of the header's link type field that is the link type; the rest tells of a frame
/// check sequence (libpcap's `LT_LINKTYPE`).
const LINK_MASK: u32 = 0x03ff_ffff;

/// The longest record header of the variants, in bytes.
const RECORD_HEADER: usize = 24;

const SECOND: u64 = 1_000_000_000;

/// Reads the record at the start of some bytes.
type ParseRecord =
    for<'a> fn(&'a [u8]) -> IResult<&'a [u8], LegacyPcapBlock<'a>, PcapError<&'a [u8]>>;

pub(super) struct Classic {
    parse: ParseRecord,
    /// Nanoseconds in one unit of the fraction field.
    fraction: u64,
    link: Link,
    interface: Interface,
}

impl Classic {
    /// Reads the file header.
    pub(super) fn open(window: &mut Window) -> Result<Self, Fault> {
        window.need(FILE_HEADER, "the file header")?;
        let (_, header) = pcap_parser::parse_pcap_header(window.bytes())
            .map_err(|_| Fault::malformed(0, "the file header cannot be parsed"))?;
        if header.version_major != 2 {
            return Err(Fault::unsupported(format!(
                "it is pcap version {}.{}, only version 2 is known; convert it with `editcap`",
                header.version_major, header.version_minor
            )));
        }
        let parse: ParseRecord = match (header.is_modified_format(), header.is_bigendian()) {
            (true, _) => pcap_parser::parse_pcap_frame_modified,
            (false, true) => pcap_parser::parse_pcap_frame_be,
            (false, false) => pcap_parser::parse_pcap_frame,
        };
        let fraction = if header.is_nanosecond_precision() { 1 } else { 1000 };
        let number = header.network.0.cast_unsigned() & LINK_MASK;
        window.consume(FILE_HEADER);
        let interface = Interface { name: None, link_type: number, dropped: None };
        Ok(Classic { parse, fraction, link: Link::from_number(number), interface })
    }

    pub(super) fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Finds the next record.
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Packet>, Fault> {
        loop {
            let bytes = window.bytes();
            let have = bytes.len();
            match (self.parse)(bytes) {
                Ok((rest, record)) => {
                    let end = have - rest.len();
                    let time = u64::from(record.ts_sec) * SECOND
                        + u64::from(record.ts_usec) * self.fraction;
                    return Ok(Some(Packet {
                        time,
                        interface: 0,
                        wire_len: record.origlen,
                        link: self.link,
                        data: end - record.data.len()..end,
                        end,
                    }));
                }
                Err(Err::Incomplete(Needed::Size(more))) => {
                    let want = have + more.get();
                    if want > MAX_PACKET + RECORD_HEADER {
                        return Err(Fault::malformed(
                            window.offset(),
                            format!(
                                "a packet of about {want} captured bytes, more than {MAX_PACKET}"
                            ),
                        ));
                    }
                    if !window.need(want, "a packet record")? {
                        return Ok(None);
                    }
                }
                Err(_) => {
                    return Err(Fault::malformed(window.offset(), "an unreadable packet record"));
                }
            }
        }
    }
}
