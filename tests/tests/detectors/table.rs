//! What each detector decides, and what it stays silent on.

use probe_tests::{craft::Capture, duel::Told};

use crate::{
    by_hand, dials,
    heard::{self, Heard},
    lies, places, populations, resolvers, silences,
};

/// Where packets come from.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// A case of the corpus.
    Case(&'static str),
    /// Written by hand.
    Capture(&'static str, fn() -> Capture),
    /// Events with places, which captures have not.
    Events(&'static str, fn() -> Vec<Told>),
}

use Source::{Capture as Hand, Case, Events};

/// A detector.
pub(crate) struct Row {
    /// Its name in findings.
    pub(crate) id: &'static str,
    /// Without it less would be said of this.
    pub(crate) decides: Source,
    /// It looks innocently like what it looks for.
    pub(crate) silent: Source,
}

const fn row(id: &'static str, decides: Source, silent: Source) -> Row {
    Row { id, decides, silent }
}

impl Source {
    /// What it is.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Case(name) | Self::Capture(name, _) | Self::Events(name, _) => name,
        }
    }

    /// What is said of it.
    pub(crate) fn heard(&self) -> Heard {
        match self {
            Self::Case(name) => Heard::of_capture(&heard::case(name)),
            Self::Capture(_, make) => Heard::of_capture(&make()),
            Self::Events(_, make) => Heard::of_events(&make()),
        }
    }
}

/// Names a function by what it is called.
macro_rules! hand {
    ($module:ident::$name:ident) => {
        Hand(stringify!($name), $module::$name)
    };
}

/// Detectors of TCP interference, in their order.
pub(crate) static TCP: &[Row] = &[
    row(
        "DATA_AFTER_RST",
        hand!(by_hand::server_goes_on),
        Case("innocent-anycast-moves-request-v4"),
    ),
    row(
        "RST_SEQ_CHANGE",
        hand!(by_hand::resets_that_step_ahead),
        Case("innocent-server-restarts-download-v4"),
    ),
    row(
        "RST_ACK_CHANGE",
        hand!(by_hand::guessed_acknowledgments),
        hand!(by_hand::acknowledgments_of_what_came),
    ),
    row(
        "RST_LADDER",
        Case("gfw-2012-v4-after-upstream"),
        Case("innocent-server-restarts-download-v4"),
    ),
    row("RST_TRIPLE_SAME", Case("gfw-type2-same-v4-at-upstream"), Case("innocent-late-data-v4")),
    row("RST_SEQ_DATA", Case("both-sides-v4-mid-upstream"), Case("innocent-old-reset-v4")),
    row("RST_PAYLOAD_K", Case("henan-v4-at-upstream"), Case("innocent-diagnostic-text-v4")),
    row("TSPU_REWRITE", Case("tspu-ip-v4-before-upstream"), Case("innocent-refused-repeated-v4")),
    row(
        "SH_UNACKED_RST",
        Case("brunei-v4-after-downstream"),
        Case("innocent-client-aborts-hello-v4"),
    ),
    row("RST_BEFORE_ANSWER", Case("gfw-type3-v4-before-downstream"), Case("innocent-scanner-v4")),
    row("REFUSAL_SEQ", Case("gfw-2023-drop-v4-at-upstream"), Case("innocent-refused-v4")),
    row(
        "SYN_ACK_CONFLICT",
        Case("forged-syn-ack-v4-before-upstream"),
        hand!(by_hand::syn_again_accepted_elsewhere),
    ),
    row(
        "WRONG_IFACE",
        Events("reset_from_where_the_client_is", places::reset_from_where_the_client_is),
        Events("reset_by_the_second_uplink", places::reset_by_the_second_uplink),
    ),
    row(
        "IMPOSSIBLE_RTT",
        Case("both-sides-v4-after-upstream"),
        Case("innocent-timer-meets-request-v4"),
    ),
    row("BOTHSIDES", hand!(by_hand::reset_to_both_ends), hand!(by_hand::idle_connection_reaped)),
    row(
        "HANDSHAKE_AGAIN",
        hand!(by_hand::offer_after_answer),
        hand!(by_hand::offer_until_acknowledged),
    ),
    row("PAYLOAD_CONFLICT", Case("quantum-insert-v4-after-upstream"), Case("innocent-repacked-v4")),
    row("FIN_STEAL", Case("gfw-302-v4-mid-upstream"), hand!(by_hand::fin_overtakes)),
    row("HTTP_BLOCKPAGE", Case("iran-2013-v4-after-upstream"), Case("innocent-login-redirect-v4")),
    row("TTLWIN_RAMP", Case("gfw-2023-triple-v4-after-upstream"), Case("innocent-tab-closed-v4")),
    row("MIRROR", Case("mirror-all-v4-after-upstream"), Case("innocent-mirroring-server-v4")),
    row("NEARER_ANSWER", Case("reject-v4-after-upstream"), Case("innocent-balancer-resets-v4")),
    row("FOREIGN_DATA", Case("gfw-301-v4-mid-upstream"), Case("innocent-syn-proxy-v4")),
    row(
        "FLAGS_ODD",
        Case("weaver-rae-v4-after-upstream"),
        hand!(by_hand::reset_with_congestion_flags),
    ),
    row("LINEAGE_BREAK", Case("gfw-2006-v4-before-downstream"), Case("innocent-late-data-v4")),
    row("TS_BREAK", Case("gfw-timestamps-v4-after-upstream"), Case("innocent-late-data-v4")),
    row(
        "TTL_SPREAD",
        hand!(populations::ttl_drawn_each_time),
        hand!(populations::fleet_of_balancers),
    ),
    row("IPID_CONST", hand!(populations::constant_ip_id), hand!(populations::counter_passes_by)),
    row(
        "STAGE_SNI",
        hand!(populations::one_name_reset),
        hand!(populations::one_name_reset_sometimes),
    ),
    row(
        "RESIDUAL",
        hand!(populations::harmless_name_cut_after),
        hand!(populations::same_name_cut_again),
    ),
];

/// Detectors of silence, in their order.
pub(crate) static SILENT: &[Row] = &[
    row(
        "STAGE_SNI",
        hand!(populations::one_name_swallowed),
        hand!(populations::one_name_swallowed_sometimes),
    ),
    row(
        "RESIDUAL",
        hand!(populations::harmless_name_swallowed_after),
        hand!(populations::same_name_swallowed_again),
    ),
    row("SYN_BLACKHOLE", hand!(silences::three_syns), hand!(silences::two_syns)),
    row("CH_BLACKHOLE", Case("kazakhstan-v4-after-upstream"), Case("innocent-server-slow-v4")),
    row(
        "CH_ACK_SILENT",
        hand!(silences::hello_never_answered),
        hand!(silences::unknown_protocol_waits),
    ),
    row(
        "SH_UNACKED",
        hand!(silences::answer_never_acknowledged),
        hand!(silences::download_that_ended),
    ),
    row(
        "NTH_PACKET_STOP",
        Case("tspu-sni2-v4-after-upstream"),
        hand!(silences::waits_for_an_answer),
    ),
    row(
        "FREEZE_16K",
        Case("tspu-freeze-v4-after-downstream"),
        hand!(silences::download_that_ended),
    ),
    row("ECH_DROP", hand!(dials::encrypted_hello_swallowed), hand!(dials::grease_swallowed)),
    row("ESNI_DROP", hand!(dials::encrypted_name_swallowed), hand!(dials::large_hello_swallowed)),
];

/// Detectors of QUIC connections without an answer, in their order.
pub(crate) static QUIC: &[Row] = &[
    row(
        "STAGE_SNI",
        hand!(dials::one_name_unanswered),
        hand!(dials::one_name_unanswered_sometimes),
    ),
    row(
        "RESIDUAL",
        hand!(dials::harmless_name_unanswered_after),
        hand!(dials::same_name_unanswered_again),
    ),
    row("ECH_DROP", hand!(dials::encrypted_hello_unanswered), hand!(dials::grease_unanswered)),
    row("QUIC_SNI_DROP", hand!(dials::one_name_unanswered), hand!(dials::server_without_quic)),
];

/// Detectors of DNS interference, in their order.
pub(crate) static DNS: &[Row] = &[
    row("DNS_DUAL", hand!(resolvers::two_addresses), hand!(resolvers::failure_beside_an_answer)),
    row(
        "DNS_LINEAGE",
        hand!(resolvers::unlike_the_others),
        hand!(resolvers::the_pools_second_member),
    ),
    row("DNS_FAST", hand!(resolvers::sooner_than_ever), hand!(resolvers::first_cached_name)),
    row(
        "DNS_MIRROR",
        hand!(resolvers::query_turned_round),
        hand!(resolvers::as_near_as_the_client),
    ),
    row(
        "DNS_NONRESOLVER",
        hand!(resolvers::nobody_listens_there),
        hand!(resolvers::somebody_overloaded_listens_there),
    ),
];

/// Detectors of false answers, in their order.
pub(crate) static LIES: &[Row] = &[
    row("DNS_POOL", hand!(lies::national_page), hand!(lies::owner_of_a_pool_address)),
    row("DNS_BOGON", hand!(lies::nowhere), hand!(lies::tracker_filtered_at_home)),
    row("DNS_NXDOMAIN", hand!(lies::name_denied), hand!(lies::name_that_never_was)),
    row("DNS_OUTVOTED", hand!(lies::nowhere), hand!(lies::many_fronts)),
    row("DNS_ASTRAY", hand!(lies::no_tls_there), hand!(lies::cache_of_the_provider)),
    row("DNS_WRONG_AS", hand!(lies::no_tls_there), hand!(lies::translated)),
];

/// A capture in which each of Radar's signatures is the shape that is counted.
pub(crate) static RADAR: &[(&str, Source)] = &[
    ("T01", Case("innocent-host-down-v4")),
    ("T02", Case("innocent-scanner-v4")),
    ("T03", Case("innocent-refused-v4")),
    ("T04", Case("gfw-2012-v4-before-upstream")),
    ("T05", Case("innocent-preconnect-v4")),
    ("T06", Case("triple-same-v6-at-downstream")),
    ("T07", Case("iran-2013-v4-after-downstream")),
    ("T08", Case("innocent-preconnect-reset-v4")),
    ("T09", Case("gfw-type2-v4-at-downstream")),
    ("T10", Case("tspu-sni1-v4-after-downstream")),
    ("T11", Case("brunei-v4-after-upstream")),
    ("T12", Case("innocent-balancer-reaps-v4")),
    ("T13", Case("innocent-diagnostic-text-v4")),
    ("T14", Case("gfw-type2-v4-after-upstream")),
    ("T15", Case("innocent-client-killed-v4")),
    ("T16", hand!(by_hand::bare_resets_of_two_acknowledgments)),
    ("T17", hand!(by_hand::bare_resets_one_of_zero)),
    ("T18", Case("innocent-alert-close-reset-v4")),
    ("T19", Case("innocent-server-abort-v4")),
];
