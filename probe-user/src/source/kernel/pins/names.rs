//! What pins are called. By that alone an agent's are told from what others have pinned beside them.

use super::super::object::{FROM_EGRESS, FROM_INGRESS};

pub(super) const HANDOVER: &str = "HANDOVER";

/// All maps that outlive a program: tables and lists, what was counted, what waits to be read, what is handed over.
/// What is not here holds nothing beyond a packet, or a second.
pub(super) const MAPS: [&str; 11] = [
    "COUNTS",
    "EVENTS",
    "FLOWS",
    "FLOW_SETS",
    "FLOW_TURNS",
    HANDOVER,
    "NAMES",
    "QUESTIONS",
    "QUICS",
    "RESOLVERS",
    "WATCHED",
];

/// The tables of programs, of which each agent pins its own.
const TABLES: [&str; 2] = [FROM_EGRESS, FROM_INGRESS];

/// Beginnings of the names of links, as iproute2 calls the two ways to run XDP.
pub(super) const NATIVE: &str = "xdp-";
pub(super) const GENERIC: &str = "xdpgeneric-";
pub(super) const TCX: &str = "tcx-";

/// The longest name of an interface: `IFNAMSIZ`, `linux/if.h`, with the zero behind it.
const INTERFACE_MAX: usize = 15;

/// What an agent's pin is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A link; in words, for people.
    Link(String),
    /// A map.
    Map,
}

/// What a pin of this name is; nothing if no agent calls one so.
pub(super) fn kind(name: &str) -> Option<Kind> {
    let table = |name: &str| name.split_once(':').is_some_and(|(table, _)| TABLES.contains(&table));
    if MAPS.contains(&name) || table(name) && generation_of(name).is_some() {
        return Some(Kind::Map);
    }
    [(NATIVE, "XDP"), (GENERIC, "XDP"), (TCX, "tcx")].iter().find_map(|(kind, words)| {
        let interfaces = decoded(name.strip_prefix(kind)?);
        let [interface] = interfaces.as_slice() else { return None };
        let called =
            (1..=INTERFACE_MAX).contains(&interface.len()) && link(kind, interface) == name;
        called.then(|| Kind::Link(format!("the {words} program of {interface}")))
    })
}

/// A table of programs belongs to those that go on by it, and the kernel empties it when nobody has it open and it is
/// pinned nowhere. So each agent pins its own, beside that of the one before until the last link is replaced.
pub(super) fn of_generation(name: &str, generation: u64) -> String {
    format!("{name}:{generation}")
}

pub(super) fn generation_of(name: &str) -> Option<u64> {
    name.rsplit_once(':')?.1.parse().ok()
}

/// What the pin of a link of one kind on an interface is called.
pub(super) fn link(kind: &str, interface: &str) -> String {
    format!("{kind}{}", encoded(std::slice::from_ref(&interface)))
}

/// Names of interfaces in one name of a file. There are no dots in a BPF file system, and no colons in names of
/// interfaces.
pub(super) fn encoded(interfaces: &[impl AsRef<str>]) -> String {
    let names: Vec<_> = interfaces.iter().map(|name| name.as_ref().replace('.', ":d")).collect();
    names.join(":+")
}

pub(super) fn decoded(name: &str) -> Vec<String> {
    name.split(":+").map(|name| name.replace(":d", ".")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        for names in [vec!["eth0"], vec!["eth0.7", "wan+0"], vec!["a.", ".b"]] {
            let name = encoded(&names);
            assert!(!name.contains('.'), "{name}");
            assert_eq!(decoded(&name), names);
        }
    }

    #[test]
    fn an_agents_pins_are_told_from_those_of_others() {
        let link = |words: &str| Some(Kind::Link(words.to_owned()));
        assert_eq!(kind("xdp-eth0:d7"), link("the XDP program of eth0.7"));
        assert_eq!(kind("xdpgeneric-lo"), link("the XDP program of lo"));
        assert_eq!(kind("tcx-lo"), link("the tcx program of lo"));
        for name in MAPS {
            assert_eq!(kind(name), Some(Kind::Map), "{name}");
        }
        for table in TABLES {
            assert_eq!(kind(&of_generation(table, 12)), Some(Kind::Map), "{table}");
            assert_eq!(kind(table), None, "{table}");
        }
        let others = [
            "cilium",
            "flows",
            "MINE:7",
            "FROM_INGRESS:x",
            "xdp-",
            "xdp-a:+b",
            "tcx-0123456789abcdef",
        ];
        for name in others {
            assert_eq!(kind(name), None, "{name}");
        }
    }

    #[test]
    fn tables_of_programs_are_told_apart_from_all_else() {
        let name = of_generation("FROM_INGRESS", 12);
        assert_eq!(generation_of(&name), Some(12));
        for other in ["FLOWS", "xdp-eth0:d7", "tcx-eth0"] {
            assert_eq!(generation_of(other), None);
        }
    }
}
