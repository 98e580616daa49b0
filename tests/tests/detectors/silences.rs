//! Connections that fell silent, in pairs, as in [`by_hand`](crate::by_hand).

use probe_tests::{
    corpus::segment::{
        End::{Client, Server},
        flag::{ACK, PSH, SYN},
    },
    craft::{Capture, talk::client_hello},
};

use crate::{
    by_hand::{OTHER, WATCHED},
    talk::{FAR, Talk, later, together},
};

/// So many SYNs to an address of a watched service.
fn syns(count: usize) -> Capture {
    let mut talk = Talk::new(0, "108.174.10.10:443", 0);
    let syn = talk.segment(Client, SYN);
    for second in 1..=count {
        talk.put(&syn);
        talk.wait(1_000 * second as u64);
    }
    together([talk, later(20)])
}

pub(crate) fn three_syns() -> Capture {
    syns(3)
}

pub(crate) fn two_syns() -> Capture {
    syns(2)
}

/// The client's first data is acknowledged and never answered.
fn unanswered(payload: Vec<u8>) -> Capture {
    let mut talk = Talk::plain(0);
    talk.connect();
    talk.send(Client, PSH | ACK, payload);
    talk.wait(FAR);
    talk.send(Server, ACK, "");
    together([talk, later(20)])
}

pub(crate) fn hello_never_answered() -> Capture {
    unanswered(client_hello(WATCHED, 0))
}

pub(crate) fn unknown_protocol_waits() -> Capture {
    unanswered(vec![0x2a; 300])
}

/// The server's answer, of one segment, is sent three times and nobody acknowledges it.
pub(crate) fn answer_never_acknowledged() -> Capture {
    let mut talk = Talk::plain(0);
    talk.connect();
    talk.hello(OTHER);
    talk.wait(FAR);
    let mut answer = talk.segment(Server, PSH | ACK);
    answer.payload = vec![0x16; 900].into();
    talk.sent(&answer);
    for wait in [300, 600] {
        talk.wait(wait);
        talk.put(&answer);
    }
    together([talk, later(20)])
}

/// A few packets after the first data both ends stop, with something sent twice over before; what
/// was sent last was acknowledged, and only its answer is missing.
pub(crate) fn waits_for_an_answer() -> Capture {
    let mut talk = Talk::plain(0);
    talk.connect();
    talk.hello(OTHER);
    talk.answer(600);
    let mut asks = talk.segment(Client, PSH | ACK);
    asks.payload = vec![0x17; 200].into();
    talk.sent(&asks);
    for wait in [300, 600] {
        talk.wait(wait);
        talk.put(&asks);
    }
    talk.wait(FAR);
    talk.send(Server, ACK, "");
    together([talk, later(20)])
}

/// A download of 16,000 octets, some of them sent again, that ended: all was acknowledged. What the
/// client asks for next is long in coming.
pub(crate) fn download_that_ended() -> Capture {
    let mut talk = Talk::plain(0);
    talk.connect();
    talk.hello(OTHER);
    talk.wait(FAR);
    for number in 0..16 {
        let mut piece = talk.segment(Server, ACK);
        piece.payload = vec![0x17; 1_000].into();
        talk.sent(&piece);
        if number % 6 == 0 {
            talk.wait(250);
            talk.put(&piece);
        }
    }
    talk.send(Client, ACK, "");
    talk.send(Client, PSH | ACK, vec![0x17; 200]);
    talk.wait(FAR);
    talk.send(Server, ACK, "");
    together([talk, later(20)])
}
