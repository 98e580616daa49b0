//! A sliding window over a stream: what was read and not yet used.

use std::io::{self, Read};

use super::error::Fault;

/// Bytes asked of the system in one read. Large enough that the calls cost nothing next to the
/// packets, small enough to stay in a second-level cache.
pub const READ_BUFFER: usize = 1 << 19;

pub(super) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What is in use is `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Bytes of the stream before `start`.
    offset: u64,
    ended: Option<Ended>,
}

/// How the stream ended.
enum Ended {
    Clean,
    /// In the middle of a compressed stream.
    Cut,
    Failed(io::Error),
}

impl Window {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Window { input, buffer: vec![0; READ_BUFFER], start: 0, end: 0, offset: 0, ended: None }
    }

    /// What was read and not yet consumed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where the window begins in the stream, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives up the first `count` bytes of the window, or all if there are fewer.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads on until the window holds `count` bytes. `false` means that the stream is over and
    /// the window empty: a clean end.
    ///
    /// # Errors
    /// If the stream ends before, or cannot be read; `what` names the unfinished part.
    pub(super) fn need(&mut self, count: usize, what: &'static str) -> Result<bool, Fault> {
        // The usual case of a packet loop; the rest stays out of line.
        if self.end - self.start >= count {
            return Ok(true);
        }
        self.need_more(count, what)
    }

    #[cold]
    fn need_more(&mut self, count: usize, what: &'static str) -> Result<bool, Fault> {
        self.fill(count)?;
        match self.bytes().len() {
            have if have >= count => Ok(true),
            0 => Ok(false),
            _ => Err(Fault::Truncated { offset: self.offset, what }),
        }
    }

    /// As [`need`](Self::need), but an end of the stream before `count` bytes is no error.
    pub(super) fn fill(&mut self, count: usize) -> Result<(), Fault> {
        while self.end - self.start < count {
            match &mut self.ended {
                None => self.read(count),
                Some(Ended::Clean) => return Ok(()),
                Some(Ended::Cut) => {
                    return Err(Fault::Truncated {
                        offset: self.offset + (self.end - self.start) as u64,
                        what: "its compressed data",
                    });
                }
                Some(Ended::Failed(error)) => {
                    let source = std::mem::replace(error, io::ErrorKind::Other.into());
                    let offset = self.offset + (self.end - self.start) as u64;
                    // The decompressors say with these two that the data is bad.
                    return Err(match source.kind() {
                        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                            Fault::malformed(
                                offset,
                                // A checksum covers what was handed on already.
                                format!("{source}, and what was decompressed may be wrong too"),
                            )
                        }
                        _ => Fault::Read { offset, source },
                    });
                }
            }
        }
        Ok(())
    }

    /// Gives up `count` bytes that need not be in the window together.
    pub(super) fn skip(&mut self, mut count: u64, what: &'static str) -> Result<(), Fault> {
        let offset = self.offset;
        while count > 0 {
            if !self.need(1, what)? {
                return Err(Fault::Truncated { offset, what });
            }
            let step = count.min(self.bytes().len() as u64);
            self.consume(step as usize);
            count -= step;
        }
        Ok(())
    }

    /// One read from the stream, into a window with room for `count` bytes in all.
    fn read(&mut self, count: usize) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if count > self.buffer.len() {
            self.buffer.resize(count.next_power_of_two(), 0);
        }
        match self.input.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.ended = Some(Ended::Clean),
            Ok(read) => self.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.ended = Some(Ended::Cut);
            }
            Err(error) => self.ended = Some(Ended::Failed(error)),
        }
    }
}
