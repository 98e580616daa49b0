//! Captures that begin in the middle of a connection.

use probe_tests::{
    corpus::segment::{
        End::{Client, Server},
        flag::{ACK, PSH, RST},
    },
    craft::Capture,
};

use crate::{
    About,
    heard::Heard,
    talk::{NEAR, Talk},
};

/// Of a download the capture has the server's last segments, its abort, which overtakes one of them, and what the client says
/// meanwhile; before that, of the client something or nothing.
fn abort_overtakes(client_seen: bool) -> Capture {
    let mut talk = Talk::plain(0);
    if client_seen {
        talk.send(Client, ACK, "");
    }
    for _ in 0..3 {
        talk.send(Server, ACK, vec![0x17; 1_400]);
    }
    let mut last = talk.segment(Server, PSH | ACK);
    last.payload = vec![0x17; 400].into();
    talk.forge(Server, RST | ACK, |abort| abort.seq = last.end());
    talk.wait(NEAR);
    talk.send(Client, PSH | ACK, vec![0x17; 100]);
    last.ack = talk.segment(Client, ACK).seq;
    talk.put(&last);
    talk.capture()
}

#[test]
fn what_the_client_had_sent_before_the_capture_is_not_younger_than_a_reset() {
    let fired = |client_seen| {
        let heard = Heard::of_capture(&abort_overtakes(client_seen));
        assert!(heard.has_evidence());
        heard.fired("DATA_AFTER_RST", About::Connections)
    };
    assert!(!fired(false));
    // Where it is known, an acknowledgment of what came after the reset is proof.
    assert!(fired(true));
}
