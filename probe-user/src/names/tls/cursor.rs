//! Reading a structure whose announced length may reach beyond the bytes at hand.

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes at hand end; the structure goes on.
    Cut,
    /// A field reaches beyond the structure that contains it.
    Malformed,
}

/// A position in a structure: the bytes at hand, and how many it announced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    announced: usize,
}

impl<'a> Cursor<'a> {
    /// A structure of `announced` bytes, of which `bytes` are at hand (or more than all).
    pub(super) fn new(bytes: &'a [u8], announced: usize) -> Self {
        Self { bytes: &bytes[..bytes.len().min(announced)], announced }
    }

    /// The structure was read to its announced end.
    pub(super) fn is_empty(&self) -> bool {
        self.announced == 0
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let part = self.part(length)?;
        if part.bytes.len() < length { Err(Stop::Cut) } else { Ok(part.bytes) }
    }

    /// A structure within this one, of which perhaps only a beginning is at hand.
    pub(super) fn part(&mut self, length: usize) -> Result<Self, Stop> {
        if length > self.announced {
            return Err(Stop::Malformed);
        }
        let (part, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        self.announced -= length;
        Ok(Self { bytes: part, announced: length })
    }

    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }
}
