//! Connections that no case of the corpus has, in pairs: one on which a detector decides, and one that
//! differs from it in what makes it innocent.

use bytes::Bytes;
use probe_tests::{
    corpus::segment::{
        End::{Client, Server},
        flag::{ACK, FIN, PSH, RST, SYN},
    },
    craft::Capture,
};

use crate::talk::{FAR, SERVER_TTL, Talk};

/// A name that is watched.
pub(crate) const WATCHED: &str = "www.linkedin.com";

/// One that is not.
pub(crate) const OTHER: &str = "www.example.org";

/// Two resets in the server's name acknowledge different octets: `ahead` more than were sent, or what
/// has come meanwhile.
fn acknowledging_resets(ahead: bool) -> Capture {
    let mut talk = Talk::plain(0);
    talk.served(OTHER);
    talk.wait(FAR);
    talk.forge(Server, RST | ACK, |_| {});
    if ahead {
        talk.forge(Server, RST | ACK, |forged| forged.ack = forged.ack.wrapping_add(1_460));
    } else {
        talk.send(Client, PSH | ACK, vec![0x17; 200]);
        talk.wait(FAR);
        talk.forge(Server, RST | ACK, |_| {});
    }
    talk.capture()
}

/// A reset in the server's name that nothing is wrong with, and the server goes on.
pub(crate) fn server_goes_on() -> Capture {
    let mut talk = Talk::plain(0);
    talk.served(OTHER);
    talk.wait(FAR);
    talk.forge(Server, RST | ACK, |_| {});
    talk.answer(900);
    talk.capture()
}

/// Two resets with ACK in the server's name, the second a step ahead that no known device takes.
pub(crate) fn resets_that_step_ahead() -> Capture {
    let mut talk = Talk::plain(0);
    talk.served(OTHER);
    talk.wait(FAR);
    talk.forge(Server, RST | ACK, |_| {});
    talk.forge(Server, RST | ACK, |forged| forged.seq = forged.seq.wrapping_add(700));
    talk.capture()
}

pub(crate) fn guessed_acknowledgments() -> Capture {
    acknowledging_resets(true)
}

pub(crate) fn acknowledgments_of_what_came() -> Capture {
    acknowledging_resets(false)
}

/// One host resets both ends in one go; `idle` seconds after the last packet.
fn both_ends_reset(idle: u64) -> Capture {
    let mut talk = Talk::plain(0);
    talk.served(OTHER);
    talk.wait(FAR + idle * 1_000);
    for end in [Server, Client] {
        talk.forge(end, RST | ACK, |forged| (forged.ttl, forged.window) = (128, 512));
    }
    talk.capture()
}

pub(crate) fn reset_to_both_ends() -> Capture {
    both_ends_reset(0)
}

pub(crate) fn idle_connection_reaped() -> Capture {
    both_ends_reset(61)
}

/// Somebody nearer than the server answers in its place, or the server itself on another way with what
/// the client has not got; then the server, which has heard nothing of the client, offers the
/// connection again.
fn offered_again(acknowledged: bool) -> Capture {
    let mut talk = Talk::new(0, "198.18.0.1:80", 0);
    talk.send(Client, SYN, "");
    talk.wait(FAR);
    let offer = talk.segment(Server, SYN | ACK);
    talk.sent(&offer);
    if acknowledged {
        talk.send(Client, ACK, "");
        talk.send(Client, PSH | ACK, "GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
    }
    let mut early = talk.segment(Server, PSH | ACK);
    (early.ttl, early.payload) =
        (SERVER_TTL + 5, Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\nhello"));
    talk.sent(&early);
    if acknowledged {
        talk.send(Client, ACK, "");
    }
    talk.wait(1_000);
    talk.put(&offer);
    talk.capture()
}

pub(crate) fn offer_after_answer() -> Capture {
    offered_again(true)
}

pub(crate) fn offer_until_acknowledged() -> Capture {
    offered_again(false)
}

/// A SYN is accepted with two numbers; `repeated`: because it was sent twice, and another machine behind
/// the address has answered the second.
fn accepted_twice(repeated: bool) -> Capture {
    let mut talk = Talk::plain(0);
    let syn = talk.segment(Client, SYN);
    talk.sent(&syn);
    if repeated {
        talk.wait(1_000);
        talk.put(&syn);
    }
    talk.wait(FAR);
    let offer = talk.segment(Server, SYN | ACK);
    talk.sent(&offer);
    talk.wait(1);
    talk.forge(Server, SYN | ACK, |other| other.seq = offer.seq.wrapping_add(77_777));
    talk.wait(10);
    talk.send(Client, ACK, "");
    talk.hello(OTHER);
    talk.answer(600);
    talk.capture()
}

pub(crate) fn syn_again_accepted_elsewhere() -> Capture {
    accepted_twice(true)
}

/// The last part of an answer, with FIN, comes before the part in front of it.
pub(crate) fn fin_overtakes() -> Capture {
    let mut talk = Talk::plain(0);
    talk.connect();
    talk.hello(OTHER);
    talk.wait(FAR);
    let mut first = talk.segment(Server, ACK);
    first.payload = vec![0x17; 500].into();
    let mut last = first.clone();
    (last.seq, last.flags, last.ip_id) = (first.end(), FIN | PSH | ACK, first.ip_id + 1);
    last.payload = vec![0x18; 300].into();
    talk.put(&last);
    talk.sent(&first);
    talk.sent(&last);
    talk.forge(Server, RST | ACK, |_| {});
    talk.capture()
}

/// A reset of a sender that has still to say that it was told of congestion (RFC 3168, section 6.1.2).
pub(crate) fn reset_with_congestion_flags() -> Capture {
    const ECE: u16 = 0x40;
    const CWR: u16 = 0x80;
    let mut talk = Talk::plain(0);
    talk.served(OTHER);
    talk.wait(FAR);
    talk.send(Server, RST | ACK | ECE | CWR, "");
    talk.capture()
}

/// Two bare resets right after the client's first data, with these acknowledgment numbers.
fn two_bare_resets(acks: [u32; 2]) -> Capture {
    let mut talk = Talk::plain(0);
    talk.connect();
    talk.hello(WATCHED);
    talk.wait(FAR);
    for ack in acks {
        talk.forge(Server, RST, |forged| forged.ack = ack);
    }
    talk.capture()
}

pub(crate) fn bare_resets_of_two_acknowledgments() -> Capture {
    two_bare_resets([1, 2])
}

pub(crate) fn bare_resets_one_of_zero() -> Capture {
    two_bare_resets([1, 0])
}
