//! A real client asks a real resolver through a router: of a name that nobody watches, not an octet
//! leaves the kernel.

use std::time::Duration;

use probe_common::{
    config::Config,
    counter::Counter,
    event::{Header, kind},
};
use probe_tests::lab::{
    Lab,
    clients::Kind,
    network::{RESOLVER, WAN},
    wait,
};
use probe_user::{
    source::kernel::{
        attach::attach,
        maps::{Counters, Resolvers, WatchedNames, take_ring},
        object,
    },
    targets::TargetSet,
};
use zerocopy::FromBytes as _;

const WATCHED: &str = "www.linkedin.com";
const UNWATCHED: &str = "www.wikipedia.org";

/// Everything that came up, as it came.
struct Seen {
    events: Vec<Vec<u8>>,
    counts: [u64; probe_common::counter::COUNTERS as usize],
    /// Queries and replies with the resolver.
    resolver: (u64, u64),
}

fn watch(lab: &Lab, ask: impl Fn() + Sync) -> Seen {
    let config = Config { flags: 0, ..Config::replay() };
    let watching = || {
        let mut bpf = object::load(&config).expect("the object");
        object::load_xdp(&mut bpf).expect("the XDP program");
        object::load_tc(&mut bpf).expect("the tc program");
        let mut ring = take_ring(&mut bpf).expect("a ring");
        let counters = Counters::take(&mut bpf).expect("counters");
        let resolvers = Resolvers::take(&mut bpf, config.resolver_mask + 1).expect("resolvers");
        let names = WatchedNames::take(&mut bpf).expect("names");
        names.replace(&TargetSet::builtin().names(config.hash_key));
        let (_, links) = attach(&mut bpf, WAN).expect("the programs are attached");
        ask();
        let counts = || counters.read().expect("counters");
        let all = || {
            let counts = counts();
            let [queries, replies] =
                [Counter::DnsQueries, Counter::DnsReplies].map(|counter| counts[counter as usize]);
            (queries == replies).then_some(())
        };
        wait::until("all replies", Duration::from_secs(5), all).expect("replies to all queries");
        let mut events = Vec::new();
        while let Some(event) = ring.next() {
            events.push(event.to_vec());
        }
        let mut of_resolver = (0, 0);
        resolvers.scan(|_, record| {
            if RESOLVER.both().contains(&record.address.ip()) {
                let queries = record.count(probe_common::resolver::Tally::Queries);
                of_resolver = (of_resolver.0 + queries, of_resolver.1 + record.replies());
            }
        });
        drop(links);
        Seen { events, counts: counts(), resolver: of_resolver }
    };
    lab.network.router.enter(watching).expect("the router's namespace")
}

/// How many events have `label` anywhere.
fn with(seen: &Seen, label: &str) -> usize {
    let label = label.as_bytes();
    let has =
        |event: &&Vec<u8>| event.windows(label.len()).any(|part| part.eq_ignore_ascii_case(label));
    seen.events.iter().filter(has).count()
}

#[test]
fn of_a_name_that_nobody_watches_nothing_leaves_the_kernel() {
    let lab = Lab::new().expect("a lab; this takes root and the test tools");
    let seen = watch(&lab, || {
        for name in [UNWATCHED, WATCHED, UNWATCHED] {
            for kind in [Kind::A, Kind::Aaaa] {
                assert!(!lab.lookup(name, kind).expect("an answer").is_empty());
            }
        }
    });
    let kinds = |wanted| {
        let is = |event: &&Vec<u8>| {
            Header::read_from_prefix(event).is_ok_and(|(header, _)| header.kind == wanted)
        };
        seen.events.iter().filter(is).count()
    };
    assert_eq!(seen.counts[Counter::DnsReplies as usize], 6);
    assert_eq!(with(&seen, "wikipedia"), 0);
    assert_eq!((with(&seen, "linkedin"), kinds(kind::DNS_REPLY)), (2, 2));
    // Its replies are known by what they are like.
    assert_eq!(kinds(kind::DNS_SAMPLE), 4);
    assert_eq!(seen.resolver, (6, 6));
}
