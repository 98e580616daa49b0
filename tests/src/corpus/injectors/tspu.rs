//! Russia's devices in the way: they wait for the server's packet and alter it, or fall silent.
//!
//! A packet that is altered keeps its carrier: TTL, IP-ID, window, timestamps are the server's.
//! The server does not know that it has been spoken for, and sends its ServerHello again at its
//! time-outs; each is altered again.

use bytes::Bytes;

use super::{ALL, ASKED, BOTH, Deed, Look, Model, RST_ACK, Then, Web, forge, shot, silence};
use crate::corpus::{
    apps,
    device::Stage,
    rng::Rng,
    segment::{Segment, flag},
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "tspu-sni1",
        what: "ServerHello and each retransmission of it altered into RST+ACK; carrier untouched",
        source: "Xue et al.: TSPU (IMC 2022), SNI-I",
        web: Web::Tls,
        deed: Deed::Altered,
        stages: ASKED,
        fire: silence,
        then: Then::Rewrite(into_reset),
    },
    Model {
        name: "tspu-ip",
        what: "SYN+ACK of a blocked address altered into RST+ACK",
        source: "Xue et al.: TSPU (IMC 2022), blocking by address",
        web: Web::Tls,
        deed: Deed::Altered,
        stages: &[Stage::Before, Stage::At],
        fire: silence,
        then: Then::Rewrite(into_reset),
    },
    Model {
        name: "tspu-302",
        what: "the server's response altered into a 302; carrier untouched, what follows is cut",
        source: "documentation of a TSPU vendor: replacement of the server's packet",
        web: Web::Http,
        deed: Deed::Altered,
        stages: ASKED,
        fire: silence,
        then: Then::RewriteOnce(into_page),
    },
    Model {
        name: "tspu-both",
        what: "ServerHello altered into RST+ACK towards the client, RST+ACK made for the server",
        source: "documentation of a TSPU vendor: reset to subscriber and server",
        web: Web::Tls,
        deed: Deed::Altered,
        stages: ASKED,
        fire: |trigger, _| {
            let of = trigger.known[0];
            let look = Look { ttl: of.ttl, ip_id: of.ip_id, df: of.df, window: of.window };
            vec![shot(200, forge(trigger, BOTH[1], RST_ACK, look))]
        },
        then: Then::Rewrite(into_reset),
    },
    Model {
        name: "tspu-sni2",
        what: "six more packets pass, then nothing in either direction",
        source: "Xue et al.: TSPU (IMC 2022), SNI-II",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: ASKED,
        fire: silence,
        then: Then::CutAfter(6),
    },
    Model {
        name: "tspu-sni4",
        what: "nothing passes any more, the ClientHello included",
        source: "Xue et al.: TSPU (IMC 2022), SNI-IV",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: ALL,
        fire: silence,
        then: Then::Cut,
    },
    Model {
        name: "tspu-throttle",
        what: "the server's data is policed to 17 KB a second, about 140 kbit/s, by dropping",
        source: "Xue et al.: Throttling Twitter (IMC 2021); SNI-III",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: ASKED,
        fire: silence,
        then: Then::Police(17_500),
    },
    Model {
        name: "tspu-freeze",
        what: "the connection stalls after 16 KB or 25 packets of the server",
        source: "net4people/bbs#490 (2025)",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: &[Stage::After],
        fire: silence,
        then: Then::Freeze(16_384, 25),
    },
];

fn into_reset(mut segment: Segment, _: &mut Rng) -> Segment {
    segment.flags = flag::RST | flag::ACK;
    segment.payload = Bytes::new();
    if segment.options.mss.is_some() {
        // The options of a SYN+ACK go with its SYN.
        segment.options = crate::corpus::segment::Options::default();
    }
    segment
}

fn into_page(mut segment: Segment, _: &mut Rng) -> Segment {
    segment.flags = flag::FIN | flag::PSH | flag::ACK;
    segment.payload = apps::redirect(302, "http://block.rt.ru/?st=0");
    segment
}
