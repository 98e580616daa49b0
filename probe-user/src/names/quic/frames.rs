//! The frames of an Initial packet: RFC 9000 sections 12.4 and 19.

use super::header::Reader;

const PADDING: u64 = 0x00;
const PING: u64 = 0x01;
const ACK: u64 = 0x02;
const ACK_ECN: u64 = 0x03;
const CRYPTO: u64 = 0x06;
const CONNECTION_CLOSE: u64 = 0x1c;

/// What is of interest in a packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frames<'a> {
    /// Pieces of the handshake, by ascending offset.
    pub(super) crypto: Vec<(u32, &'a [u8])>,
    /// Why the sender closes the connection.
    pub(super) close: Option<u64>,
    /// A frame that none may be here, or that is not whole. What stood before it counts.
    pub(super) malformed: bool,
}

/// Reads the frames of a payload.
pub(super) fn frames(payload: &[u8]) -> Frames<'_> {
    let mut frames = Frames::default();
    let mut reader = Reader { octets: payload, at: 0 };
    while reader.at < payload.len() {
        if frame(&mut reader, &mut frames).is_none() {
            frames.malformed = true;
            break;
        }
    }
    // Some clients cut a hello into a dozen pieces and shuffle them. In order, they need less room
    // until the last one is there.
    frames.crypto.sort_by_key(|&(offset, piece)| (offset, piece.len()));
    frames
}

fn frame<'a>(reader: &mut Reader<'a>, frames: &mut Frames<'a>) -> Option<()> {
    match reader.varint()? {
        PADDING | PING => {}
        kind @ (ACK | ACK_ECN) => {
            reader.varint()?; // largest acknowledged
            reader.varint()?; // delay
            let ranges = reader.varint()?;
            reader.varint()?; // first range
            let counts = if kind == ACK_ECN { 3 } else { 0 };
            // Each takes an octet at least, so a count that lies ends with the payload.
            for _ in 0..ranges.checked_mul(2)?.checked_add(counts)? {
                reader.varint()?;
            }
        }
        CRYPTO => {
            let offset = u32::try_from(reader.varint()?).ok()?;
            let length = reader.length()?;
            frames.crypto.push((offset, reader.take(length)?));
        }
        CONNECTION_CLOSE => {
            frames.close = Some(reader.varint()?);
            reader.varint()?; // type of the frame that was the cause
            let reason = reader.length()?;
            reader.take(reason)?;
        }
        _ => return None,
    }
    Some(())
}
