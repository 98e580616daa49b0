//! The capture reader against files of every variant, whole, cut off and damaged.

mod corpus;
mod craft;
mod damage;
mod formats;

use std::io::Cursor;
use std::path::Path;

use probe_user::source::capture::{CaptureError, CaptureReader, Skipped};

use craft::Packet;

/// What a file gave: the packets, what was skipped, and how it ended.
struct Read {
    packets: Vec<Packet>,
    skipped: Vec<Skipped>,
    end: Result<(), CaptureError>,
}

/// Reads a whole file from memory.
fn read(bytes: &[u8]) -> Read {
    let name = Path::new("made-by-test");
    match CaptureReader::from_reader(name, Cursor::new(bytes.to_vec())) {
        Ok(reader) => read_all(reader),
        Err(error) => Read { packets: Vec::new(), skipped: Vec::new(), end: Err(error) },
    }
}

fn read_all(mut reader: CaptureReader) -> Read {
    let mut packets = Vec::new();
    let end = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => packets.push(Packet {
                number: frame.number,
                time: frame.time,
                interface: frame.interface,
                wire_len: frame.wire_len,
                data: frame.data.to_vec(),
            }),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // Whatever it was, it is over.
    assert!(matches!(reader.next_frame(), Ok(None)), "frames after the end");
    Read { packets, skipped: reader.skipped().to_vec(), end }
}

/// Reads a whole file that has nothing wrong with it.
fn read_whole(bytes: &[u8]) -> Vec<Packet> {
    let Read { packets, end, .. } = read(bytes);
    end.expect("an undamaged file");
    packets
}
