//! Zstandard streams of any number of frames.
//!
//! `ruzstd` decodes one frame and keeps back the last window of it (up to 8 MiB and more) until the
//! frame is complete. A capture that was cut off is exactly what must not lose its last packets,
//! so a stream that ends inside a frame is completed here by an empty last block: what was decoded
//! comes out, and only then the truncation is reported.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::input::bad_data;

/// The largest window accepted, which is the memory that a frame can demand: the limit of the
/// `zstd` command without `--long`, 128 MiB.
const MAX_WINDOW: u64 = 1 << 27;

/// Magic numbers of skippable frames: this, with any lowest four bits (RFC 8878 section 3.1.2).
const SKIPPABLE: u32 = 0x184d_2a50;
const MAGIC: u32 = 0xfd2f_b528;

/// The longest frame header: magic, descriptor, window, dictionary and content size.
const MAX_HEADER: usize = 4 + 1 + 1 + 4 + 8;

/// Block header with Last_Block set, type raw, size 0 (RFC 8878 section 3.1.1.2), and four bytes
/// to stand for a checksum.
const EMPTY_LAST_BLOCK: [u8; 7] = [0x01, 0, 0, 0, 0, 0, 0];

pub(super) struct ZstdReader<R> {
    source: R,
    decoder: FrameDecoder,
    /// Inside a frame.
    open: bool,
    /// Reported once everything decoded has been read.
    pending: Option<io::Error>,
}

impl<R: BufRead> ZstdReader<R> {
    pub(super) fn new(source: R) -> Self {
        ZstdReader { source, decoder: FrameDecoder::new(), open: false, pending: None }
    }

    /// Begins the next frame, or says that there is none.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            let mut header = [0; MAX_HEADER];
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            self.source.read_exact(&mut header[..4])?;
            let magic = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
            if magic & !0xf == SKIPPABLE {
                let mut length = [0; 4];
                self.source.read_exact(&mut length)?;
                let length = u64::from(u32::from_le_bytes(length));
                if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            if magic != MAGIC {
                return Err(bad_data(format_args!(
                    "no zstd frame, but magic number {magic:#010x}"
                )));
            }
            self.source.read_exact(&mut header[4..5])?;
            let used = 5 + header_rest(header[4]);
            self.source.read_exact(&mut header[5..used])?;
            let window = window_size(&header[..used]);
            if window > MAX_WINDOW {
                return Err(bad_data(format_args!(
                    "its zstd window of {window} bytes is over the limit of {MAX_WINDOW}; compress \
                     it again without --long"
                )));
            }
            self.decoder.reset(&header[..used]).map_err(bad_data)?;
            return Ok(true);
        }
    }

    /// Decodes one block.
    fn decode(&mut self) -> io::Result<()> {
        let source = &mut self.source;
        match self.decoder.decode_blocks(&mut *source, BlockDecodingStrategy::UptoBlocks(1)) {
            Ok(_) => Ok(()),
            // Its errors bury the cause several layers deep; the source knows as well.
            Err(_) if source.fill_buf()?.is_empty() => {
                let end = BlockDecodingStrategy::UptoBlocks(1);
                if !self.decoder.is_finished() {
                    // Had the frame been corrupt as well, the truncation is still what to report.
                    let _ = self.decoder.decode_blocks(&EMPTY_LAST_BLOCK[..], end);
                }
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Err(error) => Err(bad_data(error)),
        }
    }

    /// Compares the checksum of a finished frame, if it has one.
    fn verify(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(stored), Some(computed)) if stored != computed => Err(bad_data(format_args!(
                "zstd checksum {stored:#010x} does not match the data ({computed:#010x})"
            ))),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoder.read(target)?;
            if read > 0 || target.is_empty() {
                return Ok(read);
            }
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
            let step = if !self.open {
                match self.next_frame() {
                    Ok(false) => return Ok(0),
                    Ok(true) => {
                        self.open = true;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            } else if self.decoder.is_finished() {
                self.open = false;
                self.verify()
            } else {
                self.decode()
            };
            if let Err(error) = step {
                self.pending = Some(error);
            }
        }
    }
}

/// Bytes of the frame header after its descriptor (RFC 8878 section 3.1.1.1.1).
fn header_rest(descriptor: u8) -> usize {
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content_size = match descriptor >> 6 {
        0 => usize::from(single_segment),
        flag => 1 << flag,
    };
    usize::from(!single_segment) + dictionary + content_size
}

/// The window that a frame header demands, in bytes (RFC 8878 section 3.1.1.1.2). A frame of a
/// single segment has its content size for a window.
fn window_size(header: &[u8]) -> u64 {
    let descriptor = header[4];
    if descriptor & 0x20 == 0 {
        let exponent = u32::from(header[5] >> 3);
        let base = 1u64 << (10 + exponent);
        return base + base / 8 * u64::from(header[5] & 7);
    }
    let length = match descriptor >> 6 {
        0 => 1,
        flag => 1 << flag,
    };
    let mut size = [0; 8];
    size[..length].copy_from_slice(&header[header.len() - length..]);
    u64::from_le_bytes(size) + if length == 2 { 256 } else { 0 }
}
