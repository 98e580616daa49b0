//! Names at one address over QUIC: which get no answer while others do.

use probe_common::wire::Address;

use super::RESIDUE;
use crate::judge::{Contrast, bounded::Bounded};

/// Server addresses that are remembered.
const SERVERS_MAX: usize = 16_384;

/// Names remembered of one address; those beyond are not told apart, and counted under an empty name.
const NAMES_MAX: usize = 32;

/// What became of the attempts for each name at each address.
///
/// Stricter than what is kept of TCP: a server that stops to speak QUIC is nothing rare, and a name
/// that was first asked for afterwards would stand against all those that were answered before. So of
/// others only those count that were answered since this name was left without an answer first.
///
/// An answer that came just before the silence may have been the trigger: in China it takes a tenth of a
/// second until anything is dropped. It does not count for its name if nobody was answered since.
#[derive(Debug)]
pub struct QuicNames {
    servers: Bounded<Address, Server>,
}

#[derive(Debug, Default)]
struct Server {
    names: Vec<Tally>,
    /// Attempts answered and not answered, of all names.
    answered: u32,
    unanswered: u32,
    /// The attempt that was answered last: when it began, and for what.
    last: Option<(u64, Box<str>)>,
}

#[derive(Debug)]
struct Tally {
    name: Box<str>,
    answered: u32,
    unanswered: u32,
    /// Those of other names, by the time this one was left without an answer first.
    before: Option<(u32, u32)>,
}

impl Default for QuicNames {
    fn default() -> Self {
        Self { servers: Bounded::new(SERVERS_MAX) }
    }
}

impl QuicNames {
    /// An attempt for `name` that began at `opened` was answered.
    pub(super) fn answered(&mut self, server: Address, name: &str, opened: u64) {
        let server = self.servers.entry(server, Server::default).0;
        server.last = Some((opened, name.into()));
        server.answered = server.answered.saturating_add(1);
        let tally = server.tally(name);
        tally.answered = tally.answered.saturating_add(1);
    }

    /// An attempt for `name` that began at `opened` got no answer.
    pub(super) fn unanswered(&mut self, server: Address, name: &str, opened: u64) {
        let server = self.servers.entry(server, Server::default).0;
        server.retract(name, opened);
        let all = (server.answered, server.unanswered);
        server.unanswered = server.unanswered.saturating_add(1);
        let tally = server.tally(name);
        let others = (all.0 - tally.answered.min(all.0), all.1 - tally.unanswered.min(all.1));
        tally.before.get_or_insert(others);
        tally.unanswered = tally.unanswered.saturating_add(1);
    }

    /// How `name` stands against the others at `server`; none unless none of its attempts was answered,
    /// and since the first of them all those for others.
    pub fn contrast(&self, server: Address, name: &str) -> Option<Contrast> {
        let server = self.servers.get(&server)?;
        let tally = server.names.iter().find(|tally| *tally.name == *name)?;
        let (answered, unanswered) = tally.before?;
        let others_unanswered = server.unanswered.saturating_sub(tally.unanswered + unanswered);
        let contrast = Contrast {
            cut: tally.unanswered,
            others_served: server.answered.saturating_sub(tally.answered + answered),
        };
        (tally.answered == 0 && others_unanswered == 0).then_some(contrast)
    }

    /// Entries given up.
    pub(in crate::judge) const fn evicted(&self) -> u64 {
        self.servers.evicted()
    }
}

impl Server {
    /// Takes back the last answer if it may have been what this silence follows from.
    fn retract(&mut self, name: &str, opened: u64) {
        let triggered = self
            .last
            .take_if(|(time, of)| **of == *name && *time < opened && opened - *time <= RESIDUE);
        if triggered.is_some() {
            self.answered = self.answered.saturating_sub(1);
            let tally = self.tally(name);
            tally.answered = tally.answered.saturating_sub(1);
        }
    }

    fn tally(&mut self, name: &str) -> &mut Tally {
        let known = self.names.iter().position(|tally| *tally.name == *name);
        let place = known.unwrap_or_else(|| {
            if self.names.len() < NAMES_MAX {
                let tally = Tally { name: name.into(), answered: 0, unanswered: 0, before: None };
                self.names.push(tally);
            } else if let Some(last) = self.names.last_mut() {
                // The last is for all that found no room.
                last.name = "".into();
            }
            self.names.len() - 1
        });
        &mut self.names[place]
    }
}

#[cfg(test)]
mod tests {
    use probe_common::wire::Address;

    use super::{NAMES_MAX, QuicNames};
    use crate::judge::Contrast;

    const SERVER: Address = Address::v4(1);

    #[test]
    fn only_what_was_answered_since_counts() {
        let mut names = QuicNames::default();
        for _ in 0..5 {
            names.answered(SERVER, "b.example", 0);
        }
        names.unanswered(SERVER, "a.example", 9);
        let contrast = |names: &QuicNames| names.contrast(SERVER, "a.example");
        assert_eq!(contrast(&names), Some(Contrast { cut: 1, others_served: 0 }));
        names.answered(SERVER, "b.example", 0);
        names.unanswered(SERVER, "a.example", 9);
        names.answered(SERVER, "c.example", 0);
        assert_eq!(contrast(&names), Some(Contrast { cut: 2, others_served: 2 }));
        names.unanswered(SERVER, "b.example", 9);
        assert_eq!(contrast(&names), None, "another name got no answer, either");
        assert_eq!(names.contrast(SERVER, "c.example"), None, "never left without an answer");
    }

    #[test]
    fn one_answer_ends_the_contrast() {
        let mut names = QuicNames::default();
        names.unanswered(SERVER, "a.example", 9);
        names.answered(SERVER, "b.example", 0);
        names.answered(SERVER, "a.example", 0);
        assert_eq!(names.contrast(SERVER, "a.example"), None);
    }

    #[test]
    fn an_answer_that_was_the_trigger_does_not_count() {
        let contrast = |steps: &[(&str, u64, bool)]| {
            let mut names = QuicNames::default();
            for &(name, second, answered) in steps {
                let opened = second * 1_000_000_000;
                if answered {
                    names.answered(SERVER, name, opened);
                } else {
                    names.unanswered(SERVER, name, opened);
                }
            }
            names.contrast(SERVER, "a")
        };
        let one = Some(Contrast { cut: 1, others_served: 0 });
        assert_eq!(contrast(&[("b", 1, true), ("a", 5, true), ("a", 60, false)]), one);
        assert_eq!(contrast(&[("a", 5, true), ("b", 20, true), ("a", 60, false)]), None);
        assert_eq!(contrast(&[("a", 5, true), ("a", 300, false)]), None, "too long ago");
        let two = Some(Contrast { cut: 2, others_served: 1 });
        let again = [("a", 5, true), ("a", 60, false), ("b", 300, true)];
        let again = [&again[..], &[("a", 600, true), ("a", 700, false)]].concat();
        assert_eq!(contrast(&again), two);
    }

    #[test]
    fn a_front_of_many_names_is_bounded() {
        let mut names = QuicNames::default();
        for name in 0..1_000 {
            names.unanswered(SERVER, &format!("{name}.example"), 1);
            names.answered(SERVER, &format!("{name}.example"), 2);
        }
        let server = names.servers.get(&SERVER).expect("the address is known");
        assert_eq!(server.names.len(), NAMES_MAX);
        assert_eq!((server.answered, server.unanswered), (1_000, 1_000));
    }
}
