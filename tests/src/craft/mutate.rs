//! Damaged packets: bits turned, octets replaced, cut out, doubled; and plain noise.

use super::{Capture, DAY, MS, Packet, Rng};

/// How many damaged packets there are of each kind.
const OF_EACH: usize = 20_000;

/// A way to damage a packet.
type Damage = fn(&mut Rng, &mut Vec<u8>);

/// Captures of damaged `packets`.
pub fn captures(rng: &mut Rng, packets: &[Vec<u8>]) -> Vec<Capture> {
    let kinds: &[(&str, Damage)] = &[
        ("bits-turned", |rng, data| turn_bits(rng, data)),
        ("headers-replaced", |rng, data| replace(rng, data)),
        ("cut-out", cut_out),
        ("doubled", double),
        ("noise", noise),
    ];
    let mut captures = Vec::new();
    for &(name, damage) in kinds {
        let mut capture = Capture::new(name);
        for place in 0..OF_EACH as u64 {
            let mut data = rng.of(packets).clone();
            damage(rng, &mut data);
            let mut packet = Packet::whole(DAY + place * MS / 10, data);
            if rng.once_in(8) {
                packet.wire_len += rng.below(2_000) as u32;
            }
            capture.packets.push(packet);
        }
        captures.push(capture);
    }
    captures.push(astray(rng, packets));
    captures
}

/// Packets of a capture whose clock jumps, stands still, runs backwards and out of its range.
fn astray(rng: &mut Rng, packets: &[Vec<u8>]) -> Capture {
    let mut capture = Capture::new("clock-astray");
    let mut now = DAY;
    for data in packets {
        now = match rng.below(50) {
            0 => *rng.of(&[0, 1, DAY, u64::MAX - 1, u64::MAX]),
            1 => rng.word(),
            2..10 => now.wrapping_sub(rng.below(5_000) as u64 * MS),
            10..20 => now,
            _ => now.wrapping_add(rng.below(5_000) as u64 * MS / 10),
        };
        capture.packets.push(Packet::whole(now, data.clone()));
    }
    capture
}

/// Where headers are, so that damage hits what is parsed.
fn place(rng: &mut Rng, data: &[u8]) -> usize {
    let reach = if rng.once_in(4) { data.len() } else { data.len().min(90) };
    rng.below(reach.max(1))
}

/// Turns one to four bits.
pub fn turn_bits(rng: &mut Rng, data: &mut [u8]) {
    for _ in 0..1 + rng.below(4) {
        let at = place(rng, data);
        if let Some(octet) = data.get_mut(at) {
            *octet ^= 1 << rng.below(8);
        }
    }
}

/// Replaces a few octets by extreme or random ones.
pub fn replace(rng: &mut Rng, data: &mut [u8]) {
    for _ in 0..1 + rng.below(3) {
        let at = place(rng, data);
        let random = rng.word() as u8;
        let octet = *rng.of(&[0, 1, 0x7f, 0x80, 0xff, random, random]);
        if let Some(place) = data.get_mut(at) {
            *place = octet;
        }
    }
}

/// Damages the input of a fuzzer in one of these ways, at any place: what is parsed may be anywhere in it.
pub fn anywhere(rng: &mut Rng, data: &mut Vec<u8>) {
    let skip = rng.below(data.len().max(1));
    let mut behind = data.split_off(skip);
    match rng.below(5) {
        0 | 1 => turn_bits(rng, &mut behind),
        2 => replace(rng, &mut behind),
        3 => cut_out(rng, &mut behind),
        _ => double(rng, &mut behind),
    }
    data.append(&mut behind);
}

fn cut_out(rng: &mut Rng, data: &mut Vec<u8>) {
    let at = place(rng, data);
    let len = rng.below(24).min(data.len() - at);
    data.drain(at..at + len);
}

fn double(rng: &mut Rng, data: &mut Vec<u8>) {
    let at = place(rng, data);
    let piece = data[at..].iter().take(rng.below(48)).copied().collect::<Vec<_>>();
    data.splice(at..at, piece);
}

/// Random octets behind a beginning that is sound.
fn noise(rng: &mut Rng, data: &mut Vec<u8>) {
    let keep = *rng.of(&[0, 12, 14, 18, 34, 54]);
    data.truncate(keep);
    let len = rng.below(300);
    let tail = rng.octets(len);
    data.extend(tail);
}
