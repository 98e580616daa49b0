//! The first bytes of one direction of a TCP stream, put back together.
//!
//! A ClientHello with a post-quantum key share does not fit into one segment, segments overtake each
//! other, and both ends send again what was lost. [`Prefix`] takes pieces as they pass and gives the
//! contiguous beginning of the stream. It also answers a question of evidence: a byte that was sent
//! twice with two values means that somebody other than the sender wrote one of them.

use std::ops::Range;

use bytes::BytesMut;

/// Most bytes kept of one direction. A ClientHello with a post-quantum key share is about 1.8 kB, one
/// with a large session ticket or ECH about 3 kB; 8 KiB leaves room and bounds memory per flow.
pub const PREFIX_MAX: usize = 8 * 1024;

/// Most pieces kept that do not yet join the beginning. A full window of [`PREFIX_MAX`] in segments of
/// an ordinary size has 6; the bound stops a sender of one-byte pieces from costing an allocation each.
pub const PIECES_MAX: usize = 16;

/// What one piece did to the prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The contiguous prefix is longer than before.
    pub grew: bool,
    /// The first run of bytes that this piece has otherwise than an earlier piece had them.
    /// The earlier bytes were kept.
    pub conflict: Option<Range<u32>>,
    /// Bytes of the piece that were within [`PREFIX_MAX`] but found no room ([`PIECES_MAX`]).
    pub refused: usize,
}

/// Bounded reassembly of the first [`PREFIX_MAX`] bytes of a direction.
///
/// Offsets are relative to the first byte after the SYN: sequence number minus (ISN + 1), modulo
/// 2^32. Offsets in the upper half count as before the start, as a keep-alive before any data has.
#[derive(Debug, Clone, Default)]
pub struct Prefix {
    head: BytesMut,
    /// Later runs: ascending, with a gap before each, non-empty.
    pieces: Vec<(usize, BytesMut)>,
    conflict: Option<Range<u32>>,
}

impl Prefix {
    /// An empty prefix; it allocates when the first piece comes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The contiguous bytes from the start of the stream.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.head
    }

    /// No further byte can become part of the prefix.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.head.len() >= PREFIX_MAX
    }

    /// The first conflict that any piece showed.
    #[must_use]
    pub fn conflict(&self) -> Option<Range<u32>> {
        self.conflict.clone()
    }

    /// Takes a piece of the stream that passed on the wire. The first copy of a byte stays.
    ///
    /// A single byte at the last offset before the end of what is known is a keep-alive probe: its
    /// content is garbage by design (RFC 1122 section 4.2.3.6) and is no conflict.
    pub fn push(&mut self, offset: u32, data: &[u8]) -> Pushed {
        let (start, data) = clip(offset, data);
        let mut pushed = Pushed::default();
        if data.is_empty() {
            return pushed;
        }
        let before = self.head.len();
        let end = start + data.len();

        let keep_alive = data.len() == 1 && end == self.end();
        if !keep_alive {
            pushed.conflict = self.first_difference(start, data);
            if self.conflict.is_none() {
                self.conflict.clone_from(&pushed.conflict);
            }
        }

        for gap in self.gaps(start..end) {
            let bytes = &data[gap.start - start..gap.end - start];
            if !self.fill(gap.start, bytes) {
                pushed.refused += bytes.len();
            }
        }
        pushed.grew = self.head.len() > before;
        pushed
    }

    /// One past the highest byte known.
    fn end(&self) -> usize {
        self.pieces.last().map_or(self.head.len(), |(from, piece)| from + piece.len())
    }

    /// Known runs in ascending order.
    fn known(&self) -> impl Iterator<Item = (usize, &[u8])> {
        std::iter::once((0, &self.head[..]))
            .chain(self.pieces.iter().map(|(from, piece)| (*from, &piece[..])))
            .filter(|(_, bytes)| !bytes.is_empty())
    }

    /// The parts of `wanted` that are not known, ascending.
    fn gaps(&self, wanted: Range<usize>) -> Vec<Range<usize>> {
        let mut gaps = Vec::new();
        let mut at = wanted.start;
        for (from, bytes) in self.known() {
            let to = from + bytes.len();
            if to <= at {
                continue;
            }
            if from >= wanted.end {
                break;
            }
            if from > at {
                gaps.push(at..from);
            }
            at = at.max(to);
        }
        if at < wanted.end {
            gaps.push(at..wanted.end);
        }
        gaps
    }

    fn first_difference(&self, start: usize, data: &[u8]) -> Option<Range<u32>> {
        let end = start + data.len();
        for (from, bytes) in self.known() {
            let low = from.max(start);
            let high = (from + bytes.len()).min(end);
            if low >= high {
                continue;
            }
            let kept = &bytes[low - from..high - from];
            let new = &data[low - start..high - start];
            if let Some(first) = kept.iter().zip(new).position(|(kept, new)| kept != new) {
                let run =
                    kept[first..].iter().zip(&new[first..]).take_while(|(k, n)| k != n).count();
                let first = (low + first) as u32;
                return Some(first..first + run as u32);
            }
        }
        None
    }

    /// Writes bytes into a gap, joining what they touch; false when there is no room for a run.
    fn fill(&mut self, start: usize, bytes: &[u8]) -> bool {
        let next = self.pieces.partition_point(|(from, _)| *from < start);
        let previous = next.checked_sub(1);
        let end_before = previous.map_or(self.head.len(), |index| {
            let (from, piece) = &self.pieces[index];
            from + piece.len()
        });
        let touches_next =
            self.pieces.get(next).is_some_and(|(from, _)| *from == start + bytes.len());
        let after = touches_next.then(|| self.pieces.remove(next).1);
        if end_before == start {
            let run = match previous {
                Some(index) => &mut self.pieces[index].1,
                None => &mut self.head,
            };
            run.extend_from_slice(bytes);
            run.extend_from_slice(&after.unwrap_or_default());
        } else if after.is_some() || self.pieces.len() < PIECES_MAX {
            let mut run = BytesMut::from(bytes);
            run.extend_from_slice(&after.unwrap_or_default());
            self.pieces.insert(next, (start, run));
        } else {
            return false;
        }
        true
    }
}

/// The part of a piece that lies in `0..PREFIX_MAX`, and where it starts.
fn clip(offset: u32, data: &[u8]) -> (usize, &[u8]) {
    // The upper half of the offsets is before the start (RFC 9293 section 3.4: arithmetic mod 2^32).
    let before = if offset > i32::MAX as u32 { offset.wrapping_neg() as usize } else { 0 };
    let start = if before > 0 { 0 } else { offset as usize };
    let data = data.get(before..).unwrap_or_default();
    let room = PREFIX_MAX.saturating_sub(start);
    (start, &data[..data.len().min(room)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn joins_pieces_in_any_order() {
        let mut prefix = Prefix::new();
        assert!(!prefix.push(6, b"world").grew);
        assert_eq!(prefix.bytes(), b"");
        assert!(prefix.push(0, b"hello ").grew);
        assert_eq!(prefix.bytes(), b"hello world");
        assert_eq!(prefix.conflict(), None);
    }

    #[test]
    fn the_first_copy_of_a_byte_stays_and_the_difference_is_told() {
        let mut prefix = Prefix::new();
        prefix.push(0, b"GET / HTTP/1.1");
        let pushed = prefix.push(4, b"/x HTTP");
        assert_eq!(pushed.conflict, Some(5..8), "the run up to the first equal byte");
        assert_eq!(prefix.bytes(), b"GET / HTTP/1.1");
        assert_eq!(prefix.conflict(), Some(5..8));
        assert_eq!(prefix.push(0, b"GET / HTTP/1.1\r\n").conflict, None);
        assert_eq!(prefix.bytes(), b"GET / HTTP/1.1\r\n");
    }

    #[test]
    fn a_keep_alive_is_no_conflict() {
        let mut prefix = Prefix::new();
        prefix.push(0, b"abc");
        assert_eq!(prefix.push(2, b"\0").conflict, None);
        assert_eq!(prefix.push(u32::MAX, b"\0"), Pushed::default(), "before the first byte");
        assert_eq!(prefix.push(1, b"\0").conflict, Some(1..2), "not the last byte");
    }

    #[test]
    fn a_conflict_is_seen_in_a_piece_that_waits() {
        let mut prefix = Prefix::new();
        prefix.push(100, b"later data");
        assert_eq!(prefix.push(98, b"..lateX").conflict, Some(104..105));
    }

    #[test]
    fn stays_within_its_bounds() {
        let mut prefix = Prefix::new();
        for at in 0..PIECES_MAX {
            assert_eq!(prefix.push(2 + 2 * at as u32, b"x").refused, 0);
        }
        assert_eq!(prefix.push(4000, b"xy").refused, 2);
        assert_eq!(prefix.push(PREFIX_MAX as u32, b"beyond"), Pushed::default());
        prefix.push(0, &vec![b'a'; PREFIX_MAX + 100]);
        assert!(prefix.is_full());
        assert_eq!(prefix.bytes().len(), PREFIX_MAX);
    }

    proptest! {
        /// Any cut of a stream, shuffled and repeated, gives the stream back, without a conflict.
        #[test]
        fn gives_the_stream_back(
            stream in proptest::collection::vec(any::<u8>(), 1..3000),
            cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 1usize..900), 0..12),
        ) {
            let mut prefix = Prefix::new();
            for (at, len) in cuts {
                let at = at.index(stream.len());
                let end = (at + len).min(stream.len());
                let pushed = prefix.push(at as u32, &stream[at..end]);
                prop_assert_eq!(pushed.conflict, None);
                prop_assert!(stream.starts_with(prefix.bytes()));
            }
            prefix.push(0, &stream);
            prop_assert_eq!(prefix.bytes(), &stream[..]);
            prop_assert!(prefix.pieces.is_empty());
        }

        /// The model: an array of bytes where the first writer wins.
        #[test]
        fn agrees_with_a_plain_array(
            pieces in proptest::collection::vec((0u32..64, proptest::collection::vec(0u8..3, 0..20)), 0..14),
        ) {
            let mut prefix = Prefix::new();
            let mut model = [None; 128];
            for (at, data) in &pieces {
                prefix.push(*at, data);
                for (index, byte) in data.iter().enumerate() {
                    model[*at as usize + index].get_or_insert(*byte);
                }
            }
            let whole: Vec<u8> = model.iter().map_while(|byte| *byte).collect();
            prop_assert_eq!(prefix.bytes(), &whole[..]);
        }

        #[test]
        fn takes_anything(pieces in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..60)) {
            let mut prefix = Prefix::new();
            for (at, data) in &pieces {
                prefix.push(*at, data);
            }
            prop_assert!(prefix.pieces.len() <= PIECES_MAX && prefix.end() <= PREFIX_MAX);
        }
    }
}
