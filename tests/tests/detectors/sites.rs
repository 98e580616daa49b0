//! Several machines behind one address: one that knows nothing of a connection resets it, another one goes on.

use probe_tests::corpus::segment::{
    End::{Client, Server},
    flag::{ACK, PSH, RST},
};
use probe_user::report::finding::Confidence;

use crate::{
    About,
    by_hand::WATCHED,
    heard::Heard,
    talk::{FAR, NEAR, Talk},
};

/// What follows on a request that is reset.
#[derive(Clone, Copy)]
struct Story {
    /// Window of the reset: one that a stack without the connection sends has 0.
    window: u16,
    /// The client says it once more.
    again: bool,
    /// The client's last word before the reset is a mere acknowledgment.
    silent: bool,
    /// The server, which goes on, has got the request.
    received: bool,
}

/// The reset of another machine, or a forged one.
const PLAIN: Story = Story { window: 0, again: false, silent: false, received: true };

/// Whether going on is held against the reset, and how much.
fn held_against(story: Story) -> Option<Confidence> {
    let mut talk = Talk::plain(0);
    talk.served(WATCHED);
    let mut request = talk.segment(Client, PSH | ACK);
    request.payload = vec![0x17; 200].into();
    talk.sent(&request);
    if story.silent {
        talk.send(Client, ACK, "");
    }
    talk.wait(NEAR);
    talk.forge(Server, RST, |reset| reset.window = story.window);
    talk.wait(FAR);
    if story.again {
        talk.put(&request);
    }
    talk.forge(Server, PSH | ACK, |answer| {
        answer.payload = vec![0x17; 900].into();
        if !story.received {
            answer.ack = request.seq;
        }
    });
    confidence(talk)
}

/// How much `DATA_AFTER_RST` says of a conversation.
fn confidence(talk: Talk) -> Option<Confidence> {
    let heard = Heard::of_capture(&talk.capture());
    assert!(heard.has_evidence());
    let mut signatures = heard.findings.iter().flat_map(|finding| &finding.signatures);
    signatures.find(|one| one.id == "DATA_AFTER_RST").map(|one| one.confidence)
}

#[test]
fn another_machines_reset_is_no_contradiction() {
    assert_eq!(held_against(PLAIN), Some(Confidence::C3));
    // What the reset may have answered did not reach the server that goes on.
    assert_eq!(held_against(Story { received: false, ..PLAIN }), None);
    assert_eq!(held_against(Story { again: true, ..PLAIN }), None);
    assert_eq!(held_against(Story { silent: true, ..PLAIN }), None);
    // No stack without the connection sends such a one.
    let forged = Story { window: 512, received: false, ..PLAIN };
    assert_eq!(held_against(forged), Some(Confidence::C3));
}

#[test]
fn a_reset_of_the_first_data_may_be_one_of_the_handshake() {
    let told = |after: u64| {
        let mut talk = Talk::plain(0);
        talk.connect();
        talk.hello(WATCHED);
        talk.wait(after);
        talk.forge(Server, RST, |reset| reset.window = 0);
        talk.answer(900);
        confidence(talk)
    };
    assert_eq!(told(FAR), Some(Confidence::C2));
    // Sooner than the server can answer: somebody nearer, who may be another machine of the same address.
    assert_eq!(told(NEAR), Some(Confidence::C1));
}

#[test]
fn resets_of_another_machine_for_acknowledgments_are_innocent() {
    let mut talk = Talk::plain(0);
    talk.served(WATCHED);
    for _ in 0..3 {
        talk.send(Server, ACK, vec![0x17; 1_400]);
    }
    let last = talk.segment(Server, ACK);
    talk.send(Client, ACK, "");
    talk.wait(NEAR);
    talk.forge(Server, RST, |reset| (reset.window, reset.ttl) = (0, 57));
    talk.wait(FAR);
    talk.forge(Server, PSH | ACK, |more| {
        more.payload = vec![0x17; 1_400].into();
        more.ack = last.ack;
    });
    let heard = Heard::of_capture(&talk.capture());
    assert!(!heard.fired("DATA_AFTER_RST", About::Connections), "{}", heard.words());
}
