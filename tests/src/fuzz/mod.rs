//! Whatever octets somebody sends, through everything that reads octets.
//!
//! Each target is a function of octets that returns, whatever they are. `cargo xtask fuzz` has a fuzzer
//! choose them, by what they reach in the program; the suite `fuzz` takes those of `fuzz/corpus`, and damages
//! them at random, for a moment.
//!
//! * [`packets`]: frames through engine and judge, and beside etherparse; events as the ring brings them.
//! * [`payload`]: DNS, TLS, QUIC, HTTP.
//! * [`files`]: captures, targets, configuration, ledgers.
//! * [`seeds`]: octets to begin with.

pub mod files;
pub mod packets;
pub mod payload;
pub mod seeds;

/// A target.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 10] = [
    ("packets", packets::frames),
    ("events", packets::events),
    ("dns", payload::dns),
    ("tls", payload::tls),
    ("quic", payload::quic),
    ("http", payload::http),
    ("capture", files::capture),
    ("targets", files::targets),
    ("config", files::config),
    ("ledger", files::ledger),
];

/// Most octets of an input: what is longer only repeats.
pub const INPUT_MAX: usize = 1 << 14;

/// Takes `data` apart: each piece has its length in front, in two octets.
fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(behind.len());
        let (piece, behind) = behind.split_at(length);
        rest = behind;
        Some(piece)
    })
}

/// Puts pieces together as [`pieces`] takes them apart.
fn joined<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut data = Vec::new();
    for piece in pieces {
        data.extend((piece.len() as u16).to_be_bytes());
        data.extend(piece);
    }
    data
}
