//! Settings that each exercise another part of the engine.

use probe_common::{
    config::{Config, FLAG_STAMPED},
    hash::HashKey,
};

/// Settings by name.
pub(crate) fn all() -> [(&'static str, Config); 3] {
    [
        ("replay", Config::replay()),
        // Two sets of four: most packets evict a record, and tell of it.
        (
            "small tables",
            Config {
                flow_mask: 1,
                dns_mask: 1,
                quic_mask: 1,
                hash_key: HashKey { k0: 0xfeed_f00d_dead_beef, k1: 77 },
                ..Config::replay()
            },
        ),
        // Nothing is watched until something has been reset.
        ("unwatched", Config { flags: FLAG_STAMPED, ..Config::replay() }),
    ]
}
