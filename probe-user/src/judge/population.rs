//! Names at one address: which are left without an answer, and which get one.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use probe_common::wire::Address;

use super::{bounded::Bounded, resolvers::network};

/// Server addresses that are remembered.
const SERVERS_MAX: usize = 16_384;

/// Names remembered of one address; those of a front beyond it are not told apart.
const NAMES_MAX: usize = 32;

/// Names remembered of all addresses, at some 100 octets each. The address that came first goes.
const ALL_NAMES_MAX: usize = 65_536;

/// Stands for all names that found no room.
const OTHERS: u64 = 0;

/// Clients remembered of those that got no answer for a name: the latest.
const CLIENTS_MAX: usize = 8;

/// Networks of clients that got no answer for a name which make it unlikely that it is for who they are.
const NETWORKS: usize = 4;

/// What became of the connections, or attempts, for each name of each address.
///
/// A server that stops to answer is nothing rare, and a name that was first asked for afterwards would stand
/// against all those that were answered before. So of others only those count that were answered since this
/// name was left without an answer first.
///
/// An answer that came just before the silence may have been the trigger: over QUIC it takes a tenth of a
/// second in China until anything is dropped. It does not count for its name if nobody was answered since.
#[derive(Debug)]
pub struct Population {
    servers: Bounded<Address, Server>,
    /// Names of all of them.
    names: usize,
    /// What names are told apart by, so that none has to be kept.
    hasher: RandomState,
    /// For how long after an answer silence may follow from it, in nanoseconds.
    triggered: u64,
}

#[derive(Debug, Default)]
struct Server {
    names: Vec<Tally>,
    /// Answered and not answered, of all names.
    all: Counts,
    /// What was answered last: when it began, and for what.
    last: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    served: u32,
    cut: u32,
}

#[derive(Debug)]
struct Tally {
    name: u64,
    own: Counts,
    /// Those of other names, by the time this one was left without an answer first, and last.
    first: Option<Counts>,
    last: Counts,
    /// Clients that got none, and networks of such.
    clients: [u32; CLIENTS_MAX],
    networks: [u32; NETWORKS],
    /// Whether one of them was answered for another name since.
    witnessed: bool,
}

/// One name against the others at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// Connections for this name that were cut; none was served.
    pub cut: u32,
    /// Connections for other names that were served since the first of these; none was cut.
    pub others_served: u32,
    /// Those of them that were served before the last of these was cut: not after an hour in which nobody was.
    pub between: u32,
    /// Whether a client that was cut was served under another name since, or clients of several networks were cut: it
    /// is not for who they are.
    pub witnessed: bool,
}

impl Population {
    /// Nothing yet. `triggered`: for how long after an answer silence may follow from it, in nanoseconds.
    pub(super) fn new(triggered: u64) -> Self {
        let hasher = RandomState::default();
        Self { servers: Bounded::new(SERVERS_MAX), names: 0, hasher, triggered }
    }

    /// What stands for a name.
    fn name(&self, name: &str) -> u64 {
        self.hasher.hash_one(name).max(OTHERS + 1)
    }

    /// Learns something of `address`, and makes room for the names that it has now.
    fn learn(&mut self, address: Address, what: impl FnOnce(&mut Server)) {
        let (server, out) = self.servers.entry(address, Server::default);
        let before = server.names.len();
        what(server);
        self.names += server.names.len() - before;
        if let Some((_, gone)) = out {
            self.names -= gone.names.len();
        }
        while self.names > ALL_NAMES_MAX
            && let Some((_, gone)) = self.servers.evict()
        {
            self.names -= gone.names.len();
        }
    }

    /// A connection of `client` for `name` that began at `opened` got an answer.
    pub(super) fn served(&mut self, server: Address, client: Address, name: &str, opened: u64) {
        let (name, client) = (self.name(name), digest(number(client)));
        self.learn(server, |server| {
            server.last = Some((opened, name));
            server.all.served = server.all.served.saturating_add(1);
            let tally = server.tally(name);
            tally.own.served = tally.own.served.saturating_add(1);
            for other in server.names.iter_mut().filter(|tally| tally.name != name) {
                other.witnessed |= other.clients.contains(&client);
            }
        });
    }

    /// A connection of `client` for `name` that began at `opened` was cut before it got one.
    pub(super) fn cut(&mut self, server: Address, client: Address, name: &str, opened: u64) {
        let (name, span) = (self.name(name), self.triggered);
        self.learn(server, |server| {
            server.retract(name, opened, span);
            let all = server.all;
            server.all.cut = server.all.cut.saturating_add(1);
            let tally = server.tally(name);
            tally.last = Counts {
                served: all.served.saturating_sub(tally.own.served),
                cut: all.cut.saturating_sub(tally.own.cut),
            };
            tally.first.get_or_insert(tally.last);
            tally.clients[tally.own.cut as usize % CLIENTS_MAX] = digest(number(client));
            let network = digest(network(client));
            if let Some(free) = tally.networks.iter_mut().find(|one| [0, network].contains(one)) {
                *free = network;
            }
            tally.own.cut = tally.own.cut.saturating_add(1);
        });
    }

    /// How `name` stands against the others at `server`; none unless all of its connections were cut, and
    /// since the first of them all others served.
    pub fn contrast(&self, server: Address, name: &str) -> Option<Contrast> {
        let name = self.name(name);
        let server = self.servers.get(&server)?;
        let tally = server.names.iter().find(|tally| tally.name == name)?;
        let first = tally.first?;
        let cut = server.all.cut.saturating_sub(tally.own.cut.saturating_add(first.cut));
        let served = server.all.served.saturating_sub(tally.own.served);
        let contrast = Contrast {
            cut: tally.own.cut,
            others_served: served.saturating_sub(first.served),
            between: tally.last.served.saturating_sub(first.served),
            witnessed: tally.witnessed || tally.networks.iter().all(|&network| network != 0),
        };
        (tally.own.served == 0 && cut == 0).then_some(contrast)
    }

    /// Whether any name was served at `server`.
    pub fn serves(&self, server: Address) -> bool {
        self.servers.get(&server).is_some_and(|server| server.all.served > 0)
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.servers.evicted()
    }
}

impl Server {
    /// Takes back the last answer if it may have been what this silence follows from.
    fn retract(&mut self, name: u64, opened: u64, span: u64) {
        let triggered =
            self.last.take_if(|(time, of)| *of == name && *time < opened && opened - *time <= span);
        if triggered.is_some() {
            self.all.served = self.all.served.saturating_sub(1);
            let tally = self.tally(name);
            tally.own.served = tally.own.served.saturating_sub(1);
        }
    }

    fn tally(&mut self, name: u64) -> &mut Tally {
        let known = self.names.iter().position(|tally| tally.name == name);
        let place = known.unwrap_or_else(|| {
            if self.names.len() < NAMES_MAX {
                self.names.push(Tally {
                    name,
                    own: Counts::default(),
                    first: None,
                    last: Counts::default(),
                    clients: [0; CLIENTS_MAX],
                    networks: [0; NETWORKS],
                    witnessed: false,
                });
            } else if let Some(last) = self.names.last_mut() {
                // The last is for all that found no room.
                last.name = OTHERS;
            }
            self.names.len() - 1
        });
        &mut self.names[place]
    }
}

/// A number by which clients, or their networks, are told apart, in memory only; never 0.
fn digest(number: u64) -> u32 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 | 1
}

const fn number(client: Address) -> u64 {
    client.high ^ client.low
}

impl Contrast {
    /// How likely it is that chance alone divides the connections so, if the name made no difference:
    /// one over the number of ways to choose the cut ones (Fisher's exact test, one side).
    pub fn chance(&self) -> f64 {
        chance(self.cut, self.others_served)
    }

    /// The same of those others that were served while the name was cut again and again.
    pub fn chance_between(&self) -> f64 {
        chance(self.cut, self.between)
    }
}

fn chance(cut: u32, served: u32) -> f64 {
    let all = f64::from(cut) + f64::from(served);
    (0..cut.min(served)).fold(1.0, |chance, k| chance * (f64::from(k) + 1.0) / (all - f64::from(k)))
}

#[cfg(test)]
mod tests {
    use probe_common::wire::Address;

    use super::{ALL_NAMES_MAX, Contrast, NAMES_MAX, Population, SERVERS_MAX, chance};

    const SERVER: Address = Address::v4(1);
    const SECOND: u64 = 1_000_000_000;

    /// What stands of `a` after these steps: name, client, second, whether it was served.
    fn contrast(steps: &[(&str, u32, u64, bool)]) -> Option<Contrast> {
        let mut names = Population::new(180 * SECOND);
        for &(name, client, second, served) in steps {
            let (client, opened) = (Address::v4(client), second * SECOND);
            if served {
                names.served(SERVER, client, name, opened);
            } else {
                names.cut(SERVER, client, name, opened);
            }
        }
        names.contrast(SERVER, "a")
    }

    fn of(cut: u32, others_served: u32, between: u32) -> Option<Contrast> {
        Some(Contrast { cut, others_served, between, witnessed: false })
    }

    #[test]
    fn chance_is_fishers() {
        assert!((chance(3, 3) - 1.0 / 20.0).abs() < 1e-12);
        assert!((chance(6, 6) - 1.0 / 924.0).abs() < 1e-12);
        assert!((chance(5, 0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn only_what_was_served_since_counts() {
        let before = [("b", 2, 0, true); 5];
        let cut = ("a", 1, 9, false);
        assert_eq!(contrast(&[&before[..], &[cut]].concat()), of(1, 0, 0));
        let more = [&before[..], &[cut, ("b", 2, 10, true), cut, ("c", 2, 11, true)]].concat();
        assert_eq!(contrast(&more), of(2, 2, 1));
        assert_eq!(contrast(&[&more[..], &[("b", 3, 12, false)]].concat()), None, "another, too");
    }

    #[test]
    fn one_answer_ends_the_contrast() {
        assert_eq!(contrast(&[("a", 1, 9, false), ("b", 2, 9, true), ("a", 3, 0, true)]), None);
        assert_eq!(contrast(&[("b", 2, 9, true)]), None, "never cut");
    }

    #[test]
    fn a_client_that_is_served_under_another_name_is_not_cut_for_who_it_is() {
        let steps = [("b", 1, 0, true), ("a", 1, 9, false), ("b", 2, 10, true)];
        assert_eq!(contrast(&steps).map(|one| one.witnessed), Some(false));
        let steps = [&steps[..], &[("b", 1, 11, true)]].concat();
        assert_eq!(contrast(&steps).map(|one| one.witnessed), Some(true));
    }

    #[test]
    fn clients_of_several_networks_are_not_cut_for_who_they_are() {
        let cut = |number: u32| ("a", number << 8, u64::from(number), false);
        let witnessed = |steps: &[_]| contrast(steps).map(|one| one.witnessed);
        assert_eq!(witnessed(&[cut(1), cut(2), cut(3), cut(3)]), Some(false));
        assert_eq!(witnessed(&[cut(1), cut(2), cut(3), cut(4)]), Some(true));
    }

    #[test]
    fn an_answer_that_was_the_trigger_does_not_count() {
        let cut = |second| ("a", 1, second, false);
        assert_eq!(contrast(&[("b", 2, 1, true), ("a", 1, 5, true), cut(60)]), of(1, 0, 0));
        assert_eq!(contrast(&[("a", 1, 5, true), ("b", 2, 20, true), cut(60)]), None);
        assert_eq!(contrast(&[("a", 1, 5, true), cut(300)]), None, "too long ago");
        let again = [("a", 1, 5, true), cut(60), ("b", 2, 300, true)];
        let again = [&again[..], &[("a", 1, 600, true), cut(700)]].concat();
        assert_eq!(contrast(&again), of(2, 1, 1));
    }

    #[test]
    fn a_front_of_many_names_is_bounded() {
        let mut names = Population::new(0);
        for name in 0..1_000 {
            names.cut(SERVER, SERVER, &format!("{name}.example"), 1);
            names.served(SERVER, SERVER, &format!("{name}.example"), 2);
        }
        let server = names.servers.get(&SERVER).expect("the address is known");
        assert_eq!(server.names.len(), NAMES_MAX);
        assert_eq!((server.all.served, server.all.cut), (1_000, 1_000));
    }

    #[test]
    fn many_fronts_of_many_names_are_bounded() {
        let mut names = Population::new(0);
        for server in 0..(2 * ALL_NAMES_MAX / NAMES_MAX) as u32 {
            for name in 0..NAMES_MAX {
                names.served(Address::v4(server), SERVER, &format!("{name}.example"), 2);
            }
        }
        let kept = (0..SERVERS_MAX as u32).filter_map(|one| names.servers.get(&Address::v4(one)));
        assert_eq!(kept.map(|server| server.names.len()).sum::<usize>(), names.names);
        assert!(names.names <= ALL_NAMES_MAX && names.names > ALL_NAMES_MAX - NAMES_MAX);
        assert_eq!(names.evicted(), (ALL_NAMES_MAX / NAMES_MAX) as u64);
    }
}
