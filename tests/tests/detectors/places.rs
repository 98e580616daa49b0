//! Packets with the place in which they passed, which captures do not tell.

use probe_common::{event::hook, flow::Side};
use probe_tests::{
    corpus::segment::{
        End::Server,
        flag::{ACK, RST},
    },
    duel::Told,
};

use crate::{heard, talk::Talk};

/// Interfaces: the clients', the servers', and a second uplink.
const INSIDE: u32 = 2;
const OUTSIDE: u32 = 3;
const SECOND_UPLINK: u32 = 4;

/// A reset in the server's name that comes in by `interface`, in a connection whose ends are at their
/// places.
fn reset_by(interface: u32) -> Vec<Told> {
    let mut talk = Talk::plain(0);
    talk.served("www.example.org");
    talk.wait(crate::talk::FAR);
    talk.forge(Server, RST | ACK, |_| {});
    let mut events = heard::events(&talk.capture());
    for told in &mut events {
        let Told::Tcp(event, _) = told else { continue };
        let initiator = event.flow.initiator();
        let of = |side: Side| if side == initiator { INSIDE } else { OUTSIDE };
        for side in [Side::Low, Side::High] {
            let syn = &mut event.flow.halves[side as usize].syn;
            if !syn.is_unseen() {
                syn.interface = of(side) as u16;
                syn.marks = syn.marks & 1 | hook::INGRESS << 1;
            }
        }
        event.packet.hook = hook::INGRESS;
        event.packet.interface = of(Side::from_index(event.header.side));
        if event.packet.has(RST) {
            event.packet.interface = interface;
        }
    }
    events
}

pub(crate) fn reset_from_where_the_client_is() -> Vec<Told> {
    reset_by(INSIDE)
}

pub(crate) fn reset_by_the_second_uplink() -> Vec<Told> {
    reset_by(SECOND_UPLINK)
}
