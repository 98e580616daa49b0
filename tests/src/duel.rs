//! The engine in userspace against the BPF object: the same packets must give the same events and
//! the same counts.

use std::fmt::Debug;

use probe_common::{
    config::Config,
    counter::{COUNTERS, Counter},
    event::{DnsEvent, QuicEvent, TcpEvent},
    names::Names,
    resolver::ResolverRecord,
};
use probe_user::source::{
    capture::Frame,
    event::Event,
    kernel::{
        object::{self, ObjectError},
        replay::{KernelReplay, XDP_PASS},
    },
    local::Local,
};

/// An event that outlives its packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Of a TCP connection.
    Tcp(Box<TcpEvent>, Vec<u8>),
    /// Of a DNS exchange.
    Dns(Box<DnsEvent>, Vec<u8>),
    /// Of a QUIC connection.
    Quic(Box<QuicEvent>, Vec<u8>),
}

impl Told {
    /// Keeps `event`.
    pub fn of(event: &Event<'_>) -> Self {
        match event {
            Event::Tcp(event, payload) => Self::Tcp(Box::new(**event), payload.to_vec()),
            Event::Dns(event, payload) => Self::Dns(Box::new(**event), payload.to_vec()),
            Event::Quic(event, payload) => Self::Quic(Box::new(**event), payload.to_vec()),
        }
    }

    /// As the judge takes it.
    pub fn event(&self) -> Event<'_> {
        match self {
            Self::Tcp(event, payload) => Event::Tcp(event, payload),
            Self::Dns(event, payload) => Event::Dns(event, payload),
            Self::Quic(event, payload) => Event::Quic(event, payload),
        }
    }
}

/// The counters of an engine.
pub type Counts = [u64; COUNTERS as usize];

/// Both engines under the same settings.
pub struct Duel {
    local: Local,
    kernel: KernelReplay,
    counts: Counts,
    packets: u64,
    events: u64,
}

impl Duel {
    /// Both engines, with empty tables.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the object.
    pub fn new(config: Config) -> Result<Self, ObjectError> {
        Self::by(config, object::ingress())
    }

    /// As [`Self::new`], with one of the XDP programs.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the object.
    pub fn by(config: Config, program: &'static str) -> Result<Self, ObjectError> {
        Ok(Self {
            kernel: KernelReplay::by(&config, program)?,
            local: Local::new(config),
            counts: [0; COUNTERS as usize],
            packets: 0,
            events: 0,
        })
    }

    /// Sends one packet through both and returns what both say of it.
    ///
    /// # Panics
    ///
    /// If the packet did not come out as it went in, if events or counters differ, or if the packet
    /// did not end in exactly one outcome. `what` names the packet; it is shown in hex, and so is
    /// the first field that differs.
    pub fn packet(&mut self, what: &str, frame: &Frame<'_>) -> Vec<Told> {
        let mut local = Vec::new();
        self.local.packet(frame, |event| local.push(Told::of(&event)));
        let mut kernel = Vec::new();
        let passage = self
            .kernel
            .packet(frame, |event| kernel.push(Told::of(&event)))
            .unwrap_or_else(|error| panic!("{error}\n{}", describe(what, frame)));
        assert_eq!(passage.verdict, XDP_PASS, "not passed\n{}", describe(what, frame));
        assert!(passage.unchanged, "changed\n{}", describe(what, frame));
        if local != kernel {
            panic!("{}\n{}", difference(ENGINES, &local, &kernel), describe(what, frame));
        }
        self.count(what, frame);
        self.packets += 1;
        self.events += local.len() as u64;
        local
    }

    fn count(&mut self, what: &str, frame: &Frame<'_>) {
        let kernel = self.kernel.counts().expect("the counters can be read");
        let local = self.local.counts();
        for &counter in Counter::ALL {
            let slot = counter as usize;
            assert_eq!(
                local[slot] - self.counts[slot],
                kernel[slot] - self.counts[slot],
                "{}: userspace (left) and kernel (right) count differently\n{}",
                counter.name(),
                describe(what, frame)
            );
        }
        let ended: Vec<Counter> = Counter::OUTCOMES
            .iter()
            .copied()
            .filter(|&counter| local[counter as usize] != self.counts[counter as usize])
            .collect();
        let total: u64 = Counter::OUTCOMES
            .iter()
            .map(|&counter| local[counter as usize] - self.counts[counter as usize])
            .sum();
        assert_eq!(total, 1, "a packet ended as {ended:?}\n{}", describe(what, frame));
        assert_eq!(local[Counter::Internal as usize], 0, "{}", describe(what, frame));
        self.counts = *local;
    }

    /// Compares what the engines remember: each place of the tables of flows and of resolvers.
    ///
    /// # Panics
    ///
    /// If they differ.
    pub fn compare_tables(&self) {
        let mut kernel = Vec::new();
        self.kernel.scan(|place, record| kernel.push((place, *record)));
        let local: Vec<_> = self.local.flows().collect();
        assert_eq!(local.len(), kernel.len(), "connections on record");
        for (local, kernel) in local.iter().zip(&kernel) {
            assert!(local == kernel, "the flow tables: {}", difference(ENGINES, local, kernel));
        }
        self.resolvers();
    }

    /// Has both watch these names and no others.
    pub fn watch_names(&mut self, names: &Names) {
        self.kernel.watch_names(names);
        self.local.watch_names(names);
    }

    /// The resolvers on record.
    ///
    /// # Panics
    ///
    /// If both have not the same.
    pub fn resolvers(&self) -> Vec<ResolverRecord> {
        let [mut kernel, mut local] = [const { Vec::new() }; 2];
        self.kernel.resolvers(|record| kernel.push(*record));
        self.local.resolvers(|record| local.push(*record));
        assert!(local == kernel, "the resolvers: {}", difference(ENGINES, &local, &kernel));
        local
    }

    /// Packets so far.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Events so far.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What has been counted of `counter`, by both.
    pub const fn counted(&self, counter: Counter) -> u64 {
        self.counts[counter as usize]
    }
}

/// A packet for people: what it is, its number, its octets.
pub fn describe(what: &str, frame: &Frame<'_>) -> String {
    let mut hex = String::new();
    let mut last: &[u8] = &[];
    for (place, line) in frame.data.chunks(16).enumerate() {
        // Lines that repeat the one before are left out, as `hexdump` does.
        if line == last {
            if !hex.ends_with("*\n") {
                hex.push_str("  *\n");
            }
            continue;
        }
        last = line;
        let octets: Vec<String> = line.iter().map(|octet| format!("{octet:02x}")).collect();
        hex.push_str(&format!("  {:04x}  {}\n", place * 16, octets.join(" ")));
    }
    format!(
        "{what}, frame {}, time {}, {} octets of {}:\n{hex}",
        frame.number,
        frame.time,
        frame.data.len(),
        frame.wire_len
    )
}

/// Where two values come from, for [`difference`].
pub const ENGINES: [&str; 2] = ["in userspace", "in the kernel"];

/// The first field in which two values differ, with the names that lead to it; `from` says where
/// each comes from.
pub fn difference<T: Debug>(from: [&str; 2], one: &T, other: &T) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let mut path: Vec<&str> = Vec::new();
    for (left, right) in one.lines().zip(other.lines()) {
        let depth = (left.len() - left.trim_start().len()) / 4;
        path.truncate(depth);
        if left != right {
            let (left, right) = (left.trim(), right.trim());
            let path = path.join(" ");
            return format!("first difference at {path}: {left} {}, {right} {}", from[0], from[1]);
        }
        path.push(left.trim());
    }
    format!("one tells more than the other: {} or {}", from[0], from[1])
}

#[cfg(test)]
mod tests {
    use super::{ENGINES, TcpEvent, Told, difference};

    #[test]
    fn the_differing_field_is_named() {
        let event = TcpEvent::default();
        let mut other = event;
        other.flow.halves[1].end = 5;
        let both = [event, other].map(|event| vec![Told::Tcp(Box::new(event), vec![1])]);
        let words = difference(ENGINES, &both[0], &both[1]);
        assert!(words.contains("halves: [ Half {: end: 0, in userspace, end: 5,"), "{words}");
    }
}
