//! What is taken out of a packet before it is kept: who the client is, and what it and the server said
//! to each other.
//!
//! Sequence numbers and timestamps count from their side's first: absolute ones would let whoever
//! recorded the same packets elsewhere find the client.

use std::net::IpAddr;

use super::End;

/// TCP options by number (IANA).
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NOTHING: u8 = 1;
    pub(super) const SEGMENT: u8 = 2;
    pub(super) const SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
}

/// Where the numbers of the two sides begin.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origins {
    /// Sequence numbers, client first.
    pub(super) seq: [u32; 2],
    /// Timestamps, client first.
    pub(super) stamp: [u32; 2],
}

const fn index(end: End) -> usize {
    match end {
        End::Client => 0,
        End::Server => 1,
    }
}

/// The other one.
pub(super) const fn peer(end: End) -> End {
    match end {
        End::Client => End::Server,
        End::Server => End::Client,
    }
}

impl Origins {
    /// A sequence number of `end`, from its first.
    pub(super) const fn seq(&self, end: End, number: u32) -> u32 {
        number.wrapping_sub(self.seq[index(end)])
    }

    /// An acknowledgment number that `end` sends. 0 stays 0: it says that its maker left it out.
    pub(super) const fn ack(&self, end: End, number: u32) -> u32 {
        if number == 0 { 0 } else { self.seq(peer(end), number) }
    }

    const fn stamp(&self, end: End, value: u32) -> u32 {
        if value == 0 { 0 } else { value.wrapping_sub(self.stamp[index(end)]).wrapping_add(1) }
    }

    /// The TCP options of a packet from `end`: numbers relative, and of what may identify a client
    /// (cookies of TCP Fast Open, keys of Multipath TCP, anything unknown) only kind and length.
    pub(super) fn options(&self, end: End, options: &[u8]) -> Vec<u8> {
        let mut kept = options.to_vec();
        let mut at = 0;
        while let Some(&kind) = kept.get(at) {
            if kind == kind::END {
                kept[at..].fill(0);
                break;
            }
            if kind == kind::NOTHING {
                at += 1;
                continue;
            }
            let length = kept.get(at + 1).map_or(0, |&length| usize::from(length));
            if length < 2 || at + length > kept.len() {
                // Broken from here on: that it is stays visible.
                kept[(at + 2).min(options.len())..].fill(0);
                break;
            }
            self.option(end, kind, &mut kept[at + 2..at + length]);
            at += length;
        }
        kept
    }

    fn option(&self, end: End, kind: u8, value: &mut [u8]) {
        match kind {
            kind::SEGMENT | kind::SCALE | kind::SACK_PERMITTED => {}
            kind::SACK => renumber(value, |_, number| self.ack(end, number)),
            kind::TIMESTAMPS => renumber(value, |place, value| {
                self.stamp(if place == 0 { end } else { peer(end) }, value)
            }),
            _ => value.fill(0),
        }
    }
}

/// Replaces the 32-bit numbers of an option's value; what is left over becomes 0.
fn renumber(value: &mut [u8], number: impl Fn(usize, u32) -> u32) {
    let mut words = value.chunks_exact_mut(4);
    for (place, word) in words.by_ref().enumerate() {
        let old = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        word.copy_from_slice(&number(place, old).to_be_bytes());
    }
    words.into_remainder().fill(0);
}

/// What stands for an octet that is not kept.
const MASK: u8 = b'x';

/// Takes out of a payload what is the client's: its address, in every form that devices are known to
/// print it in, since block pages tell their readers whom they block; and what stands in a URL behind a
/// question mark or the name `asked` for, since they also tell what for. As many octets stay as there
/// were.
pub(super) fn payload(payload: &[u8], client: IpAddr, asked: Option<&str>) -> Vec<u8> {
    if payload.is_empty() {
        return Vec::new();
    }
    let mut kept = without_address(payload, client);
    if kept.starts_with(b"HTTP/") || kept.to_ascii_lowercase().windows(5).any(|at| at == b"<html") {
        mask_urls(&mut kept, asked.map_or(&[], str::as_bytes));
    }
    kept
}

fn mask_urls(text: &mut [u8], asked: &[u8]) {
    let ends = |octet: u8| octet.is_ascii_whitespace() || b"\"'<>".contains(&octet);
    let mut at = 0;
    while at < text.len() {
        let named = !asked.is_empty()
            && text[at..].len() >= asked.len()
            && text[at..at + asked.len()].eq_ignore_ascii_case(asked);
        let from = if named {
            at + asked.len()
        } else if text[at] == b'?' {
            at + 1
        } else {
            at += 1;
            continue;
        };
        let length = text[from..].iter().take_while(|&&octet| !ends(octet)).count();
        text[from..from + length].fill(MASK);
        at = from + length;
    }
}

fn without_address(payload: &[u8], client: IpAddr) -> Vec<u8> {
    let client = client.to_canonical();
    let raw = match client {
        IpAddr::V4(client) => client.octets().to_vec(),
        IpAddr::V6(client) => client.octets().to_vec(),
    };
    let hex: String = raw.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut forms = vec![raw, client.to_string().into_bytes(), hex.into_bytes()];
    match client {
        IpAddr::V4(client) => {
            forms.push(client.to_bits().to_string().into_bytes());
            let parts = client.octets().map(|octet| octet.to_string());
            forms.extend(["%2E", "-", "_"].map(|between| parts.join(between).into_bytes()));
        }
        IpAddr::V6(client) => {
            let parts = client.segments().map(|segment| format!("{segment:04x}"));
            forms.push(parts.join(":").into_bytes());
            forms.push(client.to_string().replace(':', "%3a").into_bytes());
        }
    }
    let mut kept = payload.to_vec();
    for form in forms {
        let mut at = 0;
        while at + form.len() <= kept.len() {
            if kept[at..at + form.len()].eq_ignore_ascii_case(&form) {
                kept[at..at + form.len()].fill(MASK);
            }
            at += 1;
        }
    }
    kept
}
