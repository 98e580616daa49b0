//! Names at one address: which are cut off after their first data, and which are served.

use probe_common::wire::Address;

use super::bounded::Bounded;

/// Server addresses that are remembered.
const SERVERS_MAX: usize = 16_384;

/// Names remembered of one address; those of a front beyond it are not told apart, and counted under
/// an empty name.
const NAMES_MAX: usize = 32;

/// What became of the connections to each name of each address.
#[derive(Debug)]
pub struct Population {
    servers: Bounded<Address, Vec<Tally>>,
}

#[derive(Debug)]
struct Tally {
    name: Box<str>,
    cut: u32,
    served: u32,
}

/// One name against the others at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// Connections for this name that were cut; none was served.
    pub cut: u32,
    /// Connections for other names that were served; none was cut.
    pub others_served: u32,
}

impl Default for Population {
    fn default() -> Self {
        Self { servers: Bounded::new(SERVERS_MAX) }
    }
}

impl Population {
    /// A connection for `name` got an answer.
    pub(super) fn served(&mut self, server: Address, name: &str) {
        self.tally(server, name, |tally| tally.served += 1);
    }

    /// A connection for `name` was cut before it got one.
    pub(super) fn cut(&mut self, server: Address, name: &str) {
        self.tally(server, name, |tally| tally.cut += 1);
    }

    fn tally(&mut self, server: Address, name: &str, count: impl FnOnce(&mut Tally)) {
        let (names, _) = self.servers.entry(server, Vec::new);
        let known = names.iter().position(|tally| *tally.name == *name);
        let place = known.unwrap_or_else(|| {
            if names.len() >= NAMES_MAX {
                // The last is for all that found no room.
                let last = names.len() - 1;
                names[last].name = "".into();
                return last;
            }
            names.push(Tally { name: name.into(), cut: 0, served: 0 });
            names.len() - 1
        });
        count(&mut names[place]);
    }

    /// How `name` stands against the others at `server`; none unless all of its connections were cut
    /// and all others served.
    pub fn contrast(&self, server: Address, name: &str) -> Option<Contrast> {
        let names = self.servers.get(&server)?;
        let mut contrast = Contrast { cut: 0, others_served: 0 };
        for tally in names {
            if *tally.name == *name {
                contrast.cut += tally.cut;
                if tally.served > 0 {
                    return None;
                }
            } else {
                contrast.others_served += tally.served;
                if tally.cut > 0 {
                    return None;
                }
            }
        }
        (contrast.cut > 0).then_some(contrast)
    }

    /// Whether any name was served at `server`.
    pub fn serves(&self, server: Address) -> bool {
        let names = self.servers.get(&server);
        names.is_some_and(|names| names.iter().any(|tally| tally.served > 0))
    }

    /// Entries given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.servers.evicted()
    }
}

impl Contrast {
    /// How likely it is that chance alone divides the connections so, if the name made no difference:
    /// one over the number of ways to choose the cut ones (Fisher's exact test, one side).
    pub fn chance(&self) -> f64 {
        let all = f64::from(self.cut) + f64::from(self.others_served);
        (0..self.cut.min(self.others_served))
            .fold(1.0, |chance, k| chance * (f64::from(k) + 1.0) / (all - f64::from(k)))
    }
}

#[cfg(test)]
mod tests {
    use probe_common::wire::Address;

    use super::{Contrast, NAMES_MAX, Population};

    #[test]
    fn chance_is_fishers() {
        let chance = |cut, others_served| Contrast { cut, others_served }.chance();
        assert!((chance(3, 3) - 1.0 / 20.0).abs() < 1e-12);
        assert!((chance(6, 6) - 1.0 / 924.0).abs() < 1e-12);
        assert!((chance(5, 0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_exception_ends_the_contrast() {
        let server = Address::v4(1);
        let mut population = Population::default();
        population.cut(server, "a.example");
        population.served(server, "b.example");
        let contrast = population.contrast(server, "a.example");
        assert_eq!(contrast, Some(Contrast { cut: 1, others_served: 1 }));
        assert_eq!(population.contrast(server, "b.example"), None);
        population.served(server, "a.example");
        assert_eq!(population.contrast(server, "a.example"), None);
    }

    #[test]
    fn a_front_of_many_names_is_bounded() {
        let mut population = Population::default();
        for name in 0..1_000 {
            population.served(Address::v4(1), &format!("{name}.example"));
        }
        let names = population.servers.get(&Address::v4(1)).expect("the address is known");
        assert_eq!(names.len(), NAMES_MAX);
    }
}
