//! A client that asks over QUIC, and a server that answers or does not hear of it.

use std::net::SocketAddr;

use super::sites::Place;
use crate::{
    corpus::{
        dns::datagram::{Datagram, Look},
        rng::Rng,
        scene::Guest,
        script::{MS, SECOND},
        segment::Truth as Whose,
        tape::Tape,
    },
    craft::quic::{self, Initial, V1},
};

/// Waits before each further try (RFC 9002, section 6.2.1), in nanoseconds.
const TRIES: [u64; 4] = [0, SECOND, 3 * SECOND, 7 * SECOND];

/// Puts an attempt at `place` on the tape, at `time`: answered, or dropped behind the router.
pub(super) fn attempt(
    tape: &mut Tape,
    place: &Place,
    guest: &Guest,
    (time, dropped): (u64, bool),
    rng: &mut Rng,
) {
    let site = place.site();
    let client = SocketAddr::new(guest.address[0], guest.port);
    let server = SocketAddr::new(site.address[0], 443);
    let initial = Initial::new(&rng.bits().to_be_bytes());
    let mut put = |at: u64, from_client: bool, ttl: u8, payload: &[u8], id: u16| {
        let (from, to) = if from_client { (client, server) } else { (server, client) };
        let look = Look { ttl, ip_id: id, df: true };
        let datagram = Datagram { from, to, from_client, look, payload };
        tape.put(at, Whose::Genuine, from_client, |out| datagram.write(out));
    };
    let tries = if dropped { &TRIES[..] } else { &TRIES[..1] };
    for (nth, wait) in tries.iter().enumerate() {
        let number = nth as u8;
        for datagram in quic::flight(&Initial { number, ..initial.clone() }, place.name, 200) {
            put(time + wait, true, guest.os.ttl - guest.hops, &datagram, rng.u16());
        }
    }
    if !dropped {
        let back = time + 2 * site.delay + rng.below(MS);
        put(back, false, 64 - site.hops, &quic::answer(V1, 0, 1_200), rng.u16());
        put(back + MS / 10, false, 64 - site.hops, &quic::answer(V1, 2, 900), rng.u16());
    }
}
