//! Clients that begin to say what they want, and do not go on.

use probe_tests::{
    corpus::segment::{
        End::Client,
        flag::{ACK, PSH},
    },
    craft::talk::client_hello,
};

use crate::{
    by_hand::WATCHED,
    heard::Heard,
    talk::{Talk, together},
};

/// A connection in which the first segment of a hello is all.
fn half_a_hello(number: u16) -> Talk {
    let mut talk = Talk::new(number, "198.18.0.1:443", u64::from(number) / 400);
    talk.connect();
    talk.send(Client, PSH | ACK, client_hello(WATCHED, 2_000)[..1_400].to_vec());
    talk
}

#[test]
fn hellos_that_are_never_finished_are_bounded_and_counted() {
    let many = 5_000;
    let heard = Heard::of_capture(&together((0..many).map(half_a_hello)));
    let evicted = heard.losses["judge_hellos_evicted"];
    assert!((900..=904).contains(&evicted), "{evicted}");
    // What is no hello and no request is not kept at all.
    let heard = Heard::of_capture(&together((0..many).map(|number| {
        let mut talk = Talk::new(number, "198.18.0.1:443", u64::from(number) / 400);
        talk.connect();
        talk.send(Client, PSH | ACK, "SSH-2.0-OpenSSH_9.2p1\r\n".repeat(40).into_bytes());
        talk
    })));
    assert_eq!(heard.losses["judge_hellos_evicted"], 0);
}
