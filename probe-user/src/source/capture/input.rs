//! From the bytes of a file to the bytes of a capture: decompression, told by magic number.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::error::Fault;
use super::zstd::ZstdReader;

/// First bytes of a gzip member: ID1, ID2 and the only method (RFC 1952 section 2.3.1).
const GZIP: [u8; 3] = [0x1f, 0x8b, 0x08];

/// First bytes of a Zstandard frame (RFC 8878 section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Compressed bytes read at once.
const COMPRESSED_BUFFER: usize = 1 << 17;

/// How many bytes of an unknown file its error shows.
pub(super) const SHOWN: usize = 16;

/// Files that people take for captures, by their first bytes, and what to do with them.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"BZh", "it is compressed with bzip2; decompress it with `bunzip2` first"),
    (b"\xfd7zXZ\0", "it is compressed with xz; decompress it with `unxz` first"),
    (b"\x04\x22\x4d\x18", "it is compressed with lz4; decompress it with `unlz4` first"),
    (b"PK\x03\x04", "it is a zip archive; unpack it first"),
    (b"snoop\0\0\0", "it is a snoop capture; convert it with `editcap -F pcap`"),
    (b"GMBU", "it is a Network Monitor capture; convert it with `editcap -F pcap`"),
    (b"RTSS", "it is a Network Monitor capture; convert it with `editcap -F pcap`"),
];

/// The stream, decompressed if it is compressed.
pub(super) fn decompressed(
    mut input: impl Read + Send + 'static,
) -> Result<Box<dyn Read + Send>, Fault> {
    let mut head = Vec::with_capacity(ZSTD.len());
    (&mut input)
        .take(ZSTD.len() as u64)
        .read_to_end(&mut head)
        .map_err(|source| Fault::Read { offset: 0, source })?;
    let (gzip, zstd) = (head.starts_with(&GZIP), head.starts_with(&ZSTD));
    let whole = Cursor::new(head).chain(input);
    Ok(if gzip {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(COMPRESSED_BUFFER, whole)))
    } else if zstd {
        Box::new(ZstdReader::new(BufReader::with_capacity(COMPRESSED_BUFFER, whole)))
    } else {
        Box::new(whole)
    })
}

/// The error for a file that begins like no capture.
pub(super) fn unknown(seen: &[u8]) -> Fault {
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| seen.starts_with(magic)) {
        return Fault::unsupported(*what);
    }
    let seen = match &seen[..seen.len().min(SHOWN)] {
        [] => "it is empty".to_owned(),
        head => {
            let hex: Vec<String> = head.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("it begins with the bytes {}", hex.join(" "))
        }
    };
    Fault::NotACapture { seen }
}

/// A decompressor's way to say that its data is bad, as the window expects it.
pub(super) fn bad_data(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}
