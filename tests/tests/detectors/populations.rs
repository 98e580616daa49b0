//! Connections that say something only together: what many to one server have in common, and what one
//! leaves behind. In pairs, as in [`by_hand`](crate::by_hand).

use probe_tests::{
    corpus::segment::{
        End::Server,
        flag::{ACK, RST},
    },
    craft::Capture,
};

use crate::{
    by_hand::{OTHER, WATCHED},
    talk::{FAR, SERVER_TTL, Talk, later, together},
};

/// Connections to one server, each reset in its name with IP-ID 0x3412; `foreign`: by a host with a
/// TTL of its own.
fn one_ip_id(foreign: bool) -> Capture {
    const SANDVINE: u16 = 0x3412;
    together((0..24).map(|number| {
        let mut talk = Talk::new(number, "198.18.0.1:443", 5 * u64::from(number));
        talk.set_ip_id(Server, SANDVINE - 2);
        talk.served(OTHER);
        talk.wait(FAR);
        talk.forge(Server, RST | ACK, |reset| {
            (reset.ip_id, reset.window) = (SANDVINE, 0);
            reset.ttl = if foreign { SERVER_TTL + 4 } else { SERVER_TTL };
        });
        talk
    }))
}

pub(crate) fn constant_ip_id() -> Capture {
    one_ip_id(true)
}

pub(crate) fn counter_passes_by() -> Capture {
    one_ip_id(false)
}

/// Connections to one server, reset in its name with these TTLs.
fn many_ttls(ttls: [u8; 7]) -> Capture {
    together(ttls.into_iter().zip(0..).map(|(ttl, number)| {
        let mut talk = Talk::new(number, "198.18.0.1:443", 5 * u64::from(number));
        talk.served(OTHER);
        talk.wait(FAR);
        talk.forge(Server, RST | ACK, |reset| reset.ttl = ttl);
        talk
    }))
}

pub(crate) fn ttl_drawn_each_time() -> Capture {
    many_ttls([57, 62, 67, 72, 77, 82, 87])
}

pub(crate) fn fleet_of_balancers() -> Capture {
    many_ttls([57, 59, 58, 57, 60, 59, 58])
}

/// What becomes of connections that ask for the watched name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Reset,
    Swallowed,
}

/// Ten connections for a name that are cut and ten for another that are served, at one address;
/// `exception`: one for the first name is served as well.
fn two_names(fate: Fate, exception: bool) -> Capture {
    let talks = (0..20).map(|number| {
        let mut talk = Talk::new(number, "198.18.0.1:443", 8 * u64::from(number));
        if number % 2 == 1 || exception && number == 2 {
            talk.served(if number % 2 == 1 { OTHER } else { WATCHED });
            talk.close();
            return talk;
        }
        if fate == Fate::Reset {
            talk.connect();
            // Right behind the handshake, the time alone would decide.
            talk.wait(FAR);
            talk.hello(WATCHED);
            talk.refuse();
        } else {
            talk.swallowed(WATCHED);
        }
        talk
    });
    together(talks.chain([later(200)]))
}

pub(crate) fn one_name_reset() -> Capture {
    two_names(Fate::Reset, false)
}

pub(crate) fn one_name_reset_sometimes() -> Capture {
    two_names(Fate::Reset, true)
}

pub(crate) fn one_name_swallowed() -> Capture {
    two_names(Fate::Swallowed, false)
}

pub(crate) fn one_name_swallowed_sometimes() -> Capture {
    two_names(Fate::Swallowed, true)
}

/// A connection that is cut by somebody on the way, beyond doubt.
fn cut(second: u64) -> Talk {
    let mut talk = Talk::new(0, "198.18.0.1:443", second);
    talk.connect();
    talk.hello(WATCHED);
    talk.forge(Server, RST | ACK, |forged| (forged.ttl, forged.window) = (60, 0));
    talk.answer(600);
    talk
}

/// A while after such a connection, the same client asks the same server for `name`, and meets a
/// refusal on the way.
fn cut_again(name: &str) -> Capture {
    let mut talk = Talk::new(1, "198.18.0.1:443", 30);
    talk.connect();
    talk.hello(name);
    talk.refuse();
    together([cut(0), talk])
}

pub(crate) fn harmless_name_cut_after() -> Capture {
    cut_again(OTHER)
}

pub(crate) fn same_name_cut_again() -> Capture {
    cut_again(WATCHED)
}

/// The same, and the hello disappears.
fn swallowed_again(name: &str) -> Capture {
    let mut talk = Talk::new(1, "198.18.0.1:443", 30);
    talk.swallowed(name);
    together([cut(0), talk, later(60)])
}

pub(crate) fn harmless_name_swallowed_after() -> Capture {
    swallowed_again(OTHER)
}

pub(crate) fn same_name_swallowed_again() -> Capture {
    swallowed_again(WATCHED)
}
