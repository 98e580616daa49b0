//! What clients and servers send.

use probe_common::wire::{Slice, question};
use probe_user::names::{
    blockpage::BlockPages,
    dns::Dns,
    http,
    quic::{self, Initials},
    tls::{self, State},
};

use super::pieces;

/// A DNS message, as the agent reads it and as the engine reads its question.
///
/// # Panics
///
/// If both read one question, and not the same one.
pub fn dns(data: &[u8]) {
    let Ok(message) = Dns::parse(data) else { return };
    let _ = message.addresses().count();
    assert!(message.trailing <= data.len());
    let mut name = question::Name::default();
    let octets = Slice { octets: data, wire_len: data.len() };
    let _ = question::read(&octets, 12, data.len(), &mut name);
}

/// The beginning of a client's stream.
///
/// # Panics
///
/// If less of it says something else.
pub fn tls(data: &[u8]) {
    let whole = tls::client_hello(data);
    let _ = tls::handshake(data);
    let half = tls::client_hello(&data[..data.len() / 2]);
    if half.state == State::Complete && !half.malformed {
        assert_eq!((half.state, &half.sni), (whole.state, &whole.sni), "more of it, another name");
    }
}

/// Datagrams of a client, each with its length in front.
///
/// # Panics
///
/// If more packets of a datagram were opened than it has.
pub fn quic(data: &[u8]) {
    let mut initials = Initials::new();
    for datagram in pieces(data) {
        let _ = quic::packets(datagram).count();
        let pushed = initials.push(datagram);
        assert!(pushed.opened <= pushed.initials);
    }
    let _ = initials.hello();
}

/// A request, or a response, whose page may be a block page.
///
/// # Panics
///
/// If the body begins behind the end.
pub fn http(data: &[u8]) {
    let _ = http::request(data);
    if let Some(response) = http::response(data) {
        assert!(response.body.is_none_or(|body| body <= data.len()));
    }
    let _ = BlockPages::shared().find(data, Some("www.linkedin.com"));
}
