//! Packets with a wrong checksum: whoever they are for throws them away, so they prove nothing, unless the sums of a whole
//! capture are wrong, or the packet is foreign by more than that.

use probe_tests::{
    corpus::segment::{
        ETHERNET,
        End::{Client, Server},
        Wrong,
        flag::{ACK, PSH, RST, SYN},
    },
    craft::{
        Capture,
        ask::{Answer, Lookups},
        talk::client_hello,
    },
};
use probe_user::report::{Finding, finding::Verdict};

use crate::{
    About,
    by_hand::WATCHED,
    heard::Heard,
    talk::{FAR, NEAR, Talk, together},
};

/// Of the server's answer, the second segment is a reset, or looks like one by a flag that went wrong; then all goes on.
fn reset_among_data(wrong: Wrong, ttl: Option<u8>) -> Talk {
    let mut talk = Talk::plain(0);
    talk.served(WATCHED);
    let mut segment = talk.segment(Server, PSH | ACK);
    segment.payload = vec![0x17; 900].into();
    segment.wrong = wrong;
    if !matches!(wrong, Wrong::Flags(_)) {
        segment.flags |= RST;
    }
    segment.ttl = ttl.unwrap_or(segment.ttl);
    talk.put(&segment);
    talk.wait(FAR);
    talk.answer(900);
    talk.answer(900);
    talk.close();
    talk
}

fn accuses(heard: &Heard) -> bool {
    heard.findings.iter().any(|finding: &Finding| finding.verdict != Verdict::Suspect)
}

/// What is heard, and how many packets were put aside as damaged.
fn hear(capture: &Capture) -> (Heard, u64) {
    let heard = Heard::of_capture(capture);
    let damaged = heard.damaged;
    (heard, damaged)
}

#[test]
fn a_segment_that_a_wrong_bit_makes_a_reset_accuses_nobody() {
    let (heard, damaged) = hear(&reset_among_data(Wrong::Flags(RST), None).capture());
    assert!(heard.findings.is_empty(), "{}", heard.words());
    assert_eq!(damaged, 1);
    // The same with a right sum is somebody's work.
    let (heard, damaged) = hear(&reset_among_data(Wrong::None, None).capture());
    assert!(accuses(&heard), "{}", heard.words());
    assert_eq!(damaged, 0);
}

#[test]
fn sums_that_are_wrong_throughout_a_capture_say_nothing() {
    let mut capture = reset_among_data(Wrong::None, None).capture();
    for packet in &mut capture.packets {
        // Another address of the client's, as in captures that are published; the sums are left.
        let (from, to) = (ETHERNET + 12, ETHERNET + 16);
        let at = if packet.data[from] == 10 { from } else { to };
        packet.data[at + 1] ^= 0x55;
    }
    let (heard, damaged) = hear(&capture);
    assert!(accuses(&heard), "{}", heard.words());
    assert_eq!(damaged, 0);
}

#[test]
fn an_injector_whose_sums_are_wrong_is_seen_by_what_else_is_foreign() {
    for (wrong, ttl, seen) in [
        (Wrong::Sum(0x0101), Some(250), true),
        (Wrong::Sum(0x0101), None, false),
        // Resets of a server's own often have another TTL, and one bit is damage.
        (Wrong::Sum(0x0100), Some(250), false),
    ] {
        let (heard, damaged) = hear(&reset_among_data(wrong, ttl).capture());
        assert_eq!(accuses(&heard), seen, "{wrong:?}, TTL {ttl:?}: {}", heard.words());
        assert_eq!(damaged, u64::from(!seen));
    }
}

#[test]
fn the_name_is_that_of_the_hello_that_arrives() {
    // Tools that deceive a censor send a harmless one first, which the server throws away.
    let mut before = Talk::new(9, "198.18.0.9:443", 0);
    before.served("www.example.net");
    before.close();
    let mut talk = Talk::plain(5);
    talk.connect();
    let mut fake = talk.segment(Client, PSH | ACK);
    fake.payload = client_hello("www.example.org", 0).into();
    fake.wrong = Wrong::Sum(1);
    talk.put(&fake);
    talk.hello(WATCHED);
    talk.wait(FAR);
    talk.forge(Server, RST | ACK, |_| {});
    talk.answer(900);
    let (heard, damaged) = hear(&together([before, talk]));
    assert!(accuses(&heard), "{}", heard.words());
    let names: Vec<_> = heard.findings.iter().map(|finding| finding.name.as_deref()).collect();
    assert!(names.iter().all(|name| *name == Some(WATCHED)), "{names:?}");
    assert_eq!(damaged, 1);
}

/// A resolver that is known answers a question, and then somebody on the way again with another address; or it is the same
/// answer, of which one copy has arrived with a bit of its address wrong.
fn two_answers(damaged: bool) -> Capture {
    const TRUE: [u8; 4] = [203, 0, 113, 80];
    let mut lookups = Lookups::new("two answers");
    let now = lookups.usual(0, 40, |_| 20_000, |_, _, _| ());
    let question = lookups.question(WATCHED);
    lookups.ask(now, &question);
    let first = if damaged { TRUE } else { [TRUE[0] ^ 0x80, 0, 113, 80] };
    lookups.reply(now + 20_000, &question, &Answer::genuine(1, first));
    if damaged {
        let data = &mut lookups.capture.packets.last_mut().expect("the answer").data;
        let address = data.windows(4).rposition(|octets| octets == TRUE).expect("its address");
        data[address] ^= 0x80;
    }
    lookups.reply(now + 21_000, &question, &Answer::genuine(1, TRUE));
    lookups.sort();
    lookups.capture
}

#[test]
fn an_answer_with_a_wrong_bit_contradicts_nothing() {
    let (heard, damaged) = hear(&two_answers(true));
    assert!(heard.findings.is_empty(), "{}", heard.words());
    assert_eq!(damaged, 1);
    let (heard, damaged) = hear(&two_answers(false));
    assert!(!heard.findings.is_empty(), "nothing was found");
    assert_eq!(damaged, 0);
}

/// The server accepts twice, the first time with a number that differs in these bits, and aborts in the end.
fn accepted_twice(bits: u32) -> Capture {
    let mut talk = Talk::plain(0);
    talk.send(Client, SYN, "");
    talk.wait(FAR);
    talk.forge(Server, SYN | ACK, |first| first.seq ^= bits);
    talk.wait(1_000);
    talk.send(Server, SYN | ACK, "");
    talk.wait(NEAR);
    talk.send(Client, ACK, "");
    talk.hello(WATCHED);
    talk.answer(900);
    talk.send(Server, RST | ACK, "");
    talk.capture()
}

#[test]
fn a_syn_ack_with_a_wrong_bit_is_accepted_once() {
    let fired = |bits| {
        Heard::of_capture(&accepted_twice(bits)).fired("SYN_ACK_CONFLICT", About::Connections)
    };
    assert!(!fired(1 << 14) && !fired(1 << 31));
    assert!(fired(1 << 14 | 1 << 3));
}
