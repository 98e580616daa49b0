//! Devices that only take packets out.

use super::{ALL, ASKED, Deed, Model, Then, Web, silence};
use crate::corpus::device::Stage;

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "kazakhstan",
        what: "the ClientHello and everything of the client behind it vanishes",
        source: "OONI: Internet censorship in Kazakhstan (2024)",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: ASKED,
        fire: silence,
        then: Then::CutClient,
    },
    Model {
        name: "syn-blackhole",
        what: "no SYN to the address passes",
        source: "null routes: Bock et al. (WOOT 2021), 18 countries",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: &[Stage::Before],
        fire: silence,
        then: Then::Cut,
    },
    Model {
        name: "esni",
        what: "the client's packets vanish from the trigger on; the server's pass",
        source: "net4people/bbs#43 (2020): China, ESNI",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: ALL,
        fire: silence,
        then: Then::CutClient,
    },
    Model {
        name: "server-cut",
        what: "the server's packets vanish from the trigger on; the client's pass",
        source: "null routes on the way back: Bock et al. (WOOT 2021)",
        web: Web::Tls,
        deed: Deed::Dropped,
        stages: ALL,
        fire: silence,
        then: Then::CutServer,
    },
];
