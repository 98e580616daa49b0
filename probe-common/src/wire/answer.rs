//! What follows the question of a DNS message (RFC 1035, section 4.1.3), as far as it can be had at
//! a fixed price: the first address, and the OPT record (RFC 6891) where it usually stands.

use super::{Address, LOOK_MAX, Octets, dns::DNS_LEN, forget};

/// Answers that are looked through for an address: aliases in front of it are seldom more than two.
pub const ANSWERS_MAX: usize = 4;

/// Octets of a record's fixed part, with a pointer for its owner.
const RECORD_LEN: usize = 12;

/// Octets of an OPT record without options.
const OPT_LEN: usize = 11;

/// "DNSSEC OK", in the word that [`opt_behind`] reads (RFC 3225).
const DNSSEC_OK: u64 = 0x80;

/// The first address among the answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct First {
    /// Type of its record, 1 or 28; 0: there is none.
    pub kind: u16,
    /// TTL of its record, in seconds.
    pub ttl: u32,
    /// The address.
    pub address: Address,
}

/// An OPT record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opt {
    /// The UDP size that it offers; 0: there is no record.
    pub size: u16,
    /// Whether it asks for DNSSEC records.
    pub dnssec_ok: bool,
}

/// Looks for an address among the first of `answers` records at `at`.
///
/// Records are passed over whose owner is a pointer, and it ends at one whose owner is spelled out:
/// pointers are not followed, so they cannot lead in circles. `cell` is memory to pass offsets
/// through, as in [`super::locate`].
#[inline(always)]
pub fn first<O: Octets>(octets: &O, at: usize, answers: u16, cell: &mut u64) -> First {
    let mut at = at;
    for round in 0..ANSWERS_MAX {
        at = forget(cell, at);
        if round >= usize::from(answers) || at + RECORD_LEN > LOOK_MAX {
            break;
        }
        // Owner, type, class, half of the TTL; the other half, length, four octets of data.
        let (Some(head), Some(tail)) = (octets.word(at), octets.word(at + 8)) else { break };
        if head >> 62 != 3 {
            break;
        }
        let kind = (head >> 32) as u16;
        let ttl = (head as u32) << 16 | (tail >> 48) as u32;
        let length = (tail >> 32) as u16;
        if kind == 1 && length == 4 {
            return First { kind, ttl, address: Address::v4(tail as u32) };
        }
        at += RECORD_LEN;
        if kind == 28 && length == 16 {
            let (Some(high), Some(low)) = (octets.word(at), octets.word(at + 8)) else { break };
            return First { kind, ttl, address: Address { high, low } };
        }
        at += usize::from(length);
    }
    First::default()
}

/// The OPT record at `at`: in a query it is all that follows the question.
#[inline(always)]
pub fn opt_behind<O: Octets>(octets: &O, at: usize) -> Opt {
    match octets.word(at) {
        Some(word) => opt(word),
        None => Opt::default(),
    }
}

/// The OPT record without options that the message ends with, which is where replies have theirs.
/// `message` is where the message begins, and `end` is behind its last octet.
#[inline(always)]
pub fn opt_before<O: Octets>(octets: &O, message: usize, end: usize) -> Opt {
    if end < message + DNS_LEN + OPT_LEN {
        Opt::default()
    } else {
        opt_behind(octets, end - OPT_LEN)
    }
}

/// Name of the root, type 41, size, extended code, version, and half of the flags.
#[inline(always)]
const fn opt(word: u64) -> Opt {
    if word >> 40 == 41 {
        Opt { size: (word >> 24) as u16, dnssec_ok: word & DNSSEC_OK != 0 }
    } else {
        Opt { size: 0, dnssec_ok: false }
    }
}
