//! Captured packets, read from a file one at a time.
//!
//! pcap and pcapng in every byte order and resolution, plain or compressed with gzip or zstd, told
//! apart by their first bytes and never by their name. Memory is bounded whatever the file says:
//! one buffer of [`READ_BUFFER`] bytes that can grow to [`MAX_BLOCK`] for an outsized block.
//!
//! The reader lends: a [`Frame`] points into the read buffer until the next one is asked for, so an
//! Ethernet packet of an uncompressed capture is copied once (from the kernel) and costs no
//! allocation. Other link types are rewritten as Ethernet into one reused buffer, because the
//! engine knows only Ethernet; those that cannot be are counted in [`CaptureReader::skipped`].
//!
//! ```no_run
//! # fn main() -> Result<(), probe_user::source::capture::CaptureError> {
//! use probe_user::source::capture::CaptureReader;
//!
//! let mut capture = CaptureReader::open("router.pcapng.zst".as_ref())?;
//! while let Some(frame) = capture.next_frame()? {
//!     println!("{} {} ns, {} bytes", frame.number, frame.time, frame.data.len());
//! }
//! # Ok(())
//! # }
//! ```

mod classic;
mod clock;
mod error;
mod input;
mod link;
mod ng;
mod skipped;
mod window;
mod zstd;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use error::CaptureError;
pub use ng::Interface;
pub use skipped::{SkipReason, Skipped};
pub use window::READ_BUFFER;

use classic::Classic;
use error::Fault;
use link::Link;
use ng::Ng;
use skipped::SkippedTable;
use window::Window;

/// The largest packet, in captured bytes, that is believed. libpcap captures at most 262,144
/// (`MAXIMUM_SNAPLEN`); the rest is room for super-segments of the loopback device. A longer one
/// is a damaged length field.
pub const MAX_PACKET: usize = 1 << 20;

/// The largest pcapng block, in bytes, that is held in memory: a packet of [`MAX_PACKET`] with
/// options, or an interface description. Longer blocks of other kinds are skipped unread.
pub const MAX_BLOCK: usize = 1 << 21;

/// The most interfaces a pcapng file may describe, over all its sections. Each costs about a
/// hundred bytes here, and a file of nothing but descriptions must not fill the memory.
pub const MAX_INTERFACES: usize = 1 << 16;

/// One captured packet, as an Ethernet frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number of the packet in the file: the first is 1, and skipped packets count, so that it is
    /// the number that Wireshark shows.
    pub number: u64,
    /// Nanoseconds since the Unix epoch, as the file has it: it may go backwards. A pcapng Simple
    /// Packet Block has no time and gets that of the packet before it, 0 if there is none.
    pub time: u64,
    /// The interface that captured it, counted from 0 over all sections of the file; see
    /// [`CaptureReader::interfaces`].
    pub interface: u32,
    /// Length of the frame on the wire in bytes; at least `data.len()`, more if the capture was
    /// cut to a snap length.
    pub wire_len: u32,
    /// The frame, from its Ethernet header on. If the link type was another one, the Ethernet
    /// header is made up: addresses are zero where the link has none.
    pub data: &'a [u8],
}

/// Reads the packets of one capture file.
pub struct CaptureReader {
    path: PathBuf,
    window: Window,
    format: Format,
    /// The packet that was found last, and how many bytes of link header its rewritten form has lost.
    current: Option<(Packet, Option<u32>)>,
    /// Bytes of the window that the last packet still needs.
    lent: usize,
    /// Packets found, also the skipped ones.
    packets: u64,
    /// Nothing more comes: the end was reached, or an error was reported.
    done: bool,
    skipped: SkippedTable,
    /// The Ethernet frame made of a packet of another link type.
    rewritten: Vec<u8>,
}

impl CaptureReader {
    /// Opens the capture at `path` and reads its first header. FIFOs work too.
    ///
    /// # Errors
    /// [`CaptureError::Open`] if it cannot be opened, [`CaptureError::NotACapture`] if it begins
    /// like neither format, [`CaptureError::Unsupported`] if it is known but not read here, and the
    /// errors of [`next_frame`](Self::next_frame) if the damage is in the first header.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path)
            .and_then(|file| match file.metadata()?.is_dir() {
                true => Err(std::io::ErrorKind::IsADirectory.into()),
                false => Ok(file),
            })
            .map_err(|source| CaptureError::Open { path: path.into(), source })?;
        Self::from_reader(path, file)
    }

    /// Reads a capture from any stream; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_reader(
        name: &Path,
        input: impl Read + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let opened = input::decompressed(input).and_then(|input| {
            let mut window = Window::new(input);
            let format = Format::open(&mut window)?;
            Ok((window, format))
        });
        let (window, format) = opened.map_err(|fault| fault.at(name, 0))?;
        Ok(CaptureReader {
            path: name.into(),
            window,
            format,
            current: None,
            lent: 0,
            packets: 0,
            done: false,
            skipped: SkippedTable::default(),
            rewritten: Vec::new(),
        })
    }

    /// The next packet, or `None` after the last one.
    ///
    /// # Errors
    /// [`CaptureError::Truncated`], [`CaptureError::Malformed`], [`CaptureError::Unsupported`] and
    /// [`CaptureError::Read`]. All whole packets before the damage have been returned by then, and
    /// after an error there is nothing more: `Ok(None)`.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        self.advance()?;
        Ok(self.frame())
    }

    /// Goes on to the next packet, and says its time; `None` after the last one. So that several
    /// captures can be read by time, each lending out of its own buffer.
    ///
    /// # Errors
    /// As [`next_frame`](Self::next_frame).
    pub fn advance(&mut self) -> Result<Option<u64>, CaptureError> {
        self.current = None;
        self.current = self.next_usable()?;
        Ok(self.current.as_ref().map(|(packet, _)| packet.time))
    }

    /// The packet that [`advance`](Self::advance) went on to.
    pub fn frame(&self) -> Option<Frame<'_>> {
        let (packet, rewritten) = self.current.as_ref()?;
        let (data, wire_len) = match rewritten {
            None => (&self.window.bytes()[packet.data.clone()], packet.wire_len),
            Some(dropped) => {
                let added = link::ETHERNET_HEADER as u32;
                let wire_len = packet.wire_len.saturating_sub(*dropped).saturating_add(added);
                (&self.rewritten[..], wire_len)
            }
        };
        Some(Frame {
            number: self.packets,
            time: packet.time,
            interface: packet.interface,
            wire_len: wire_len.max(data.len() as u32),
            data,
        })
    }

    /// The file that is read, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Packets found up to now, the skipped ones included.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Packets that were not returned, by link type and reason.
    pub fn skipped(&self) -> &[Skipped] {
        self.skipped.rows()
    }

    /// The interfaces described up to now. A classic pcap file has just one.
    pub fn interfaces(&self) -> &[Interface] {
        match &self.format {
            Format::Classic(classic) => std::slice::from_ref(classic.interface()),
            Format::Ng(ng) => ng.interfaces(),
        }
    }

    /// The next packet that can be shown as Ethernet, and how many bytes of link header its
    /// rewritten form has lost; `None` if it is Ethernet as it stands.
    fn next_usable(&mut self) -> Result<Option<(Packet, Option<u32>)>, CaptureError> {
        while !self.done {
            self.window.consume(std::mem::take(&mut self.lent));
            let packet = match self.format.next(&mut self.window) {
                Ok(Some(packet)) => packet,
                Ok(None) => {
                    self.done = true;
                    break;
                }
                Err(fault) => {
                    self.done = true;
                    return Err(fault.at(&self.path, self.packets));
                }
            };
            self.lent = packet.end;
            self.packets += 1;
            if packet.link == Link::Ethernet {
                return Ok(Some((packet, None)));
            }
            let data = &self.window.bytes()[packet.data.clone()];
            match packet.link.rewrite(data, &mut self.rewritten) {
                Ok(dropped) => return Ok(Some((packet, Some(dropped)))),
                Err(reason) => self.skipped.count(packet.link.number(), reason),
            }
        }
        Ok(None)
    }
}

impl std::fmt::Debug for CaptureReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureReader")
            .field("path", &self.path)
            .field("packets", &self.packets)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// The two file formats.
enum Format {
    Classic(Classic),
    Ng(Ng),
}

impl Format {
    /// Tells the format by its magic number and reads the first header.
    fn open(window: &mut Window) -> Result<Self, Fault> {
        window.fill(4)?;
        let seen = &window.bytes()[..window.bytes().len().min(4)];
        if seen == ng::MAGIC {
            return Ok(Format::Ng(Ng::open(window)?));
        }
        if classic::MAGICS.iter().any(|magic| seen == magic) {
            return Ok(Format::Classic(Classic::open(window)?));
        }
        // More of it may name it; a failure to read that is not worth more than what is there.
        let _ = window.fill(input::SHOWN);
        Err(input::unknown(window.bytes()))
    }

    fn next(&mut self, window: &mut Window) -> Result<Option<Packet>, Fault> {
        match self {
            Format::Classic(classic) => classic.next(window),
            Format::Ng(ng) => ng.next(window),
        }
    }
}

/// A packet found at the start of the window.
struct Packet {
    time: u64,
    interface: u32,
    /// Length on the wire, link header included, in bytes.
    wire_len: u32,
    link: Link,
    /// Where its bytes are in the window.
    data: Range<usize>,
    /// Where the next block or record begins in the window.
    end: usize,
}
