//! One capture, the truth about it, and how both are written.

use std::{
    borrow::Cow,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
};

use super::{
    segment::Truth,
    tape::{Tape, View},
};

/// The truth about one connection.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The end that asked.
    pub client: SocketAddr,
    /// The end that was asked.
    pub server: SocketAddr,
    /// `tcp` or `dns`.
    pub protocol: &'static str,
    /// Name asked for.
    pub name: Cow<'static, str>,
    /// `injected`, `altered`, `lied`, `dropped` or `innocent`.
    pub truth: &'static str,
    /// The model or behaviour.
    pub model: Cow<'static, str>,
    /// Where the device stands; `none` without one.
    pub position: &'static str,
    /// How far the connection had come; `none` without a device.
    pub stage: &'static str,
    /// Whether the router's port saw anything of it.
    pub evidence: bool,
}

/// A capture and the truth about it.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What it shows, in a line.
    pub what: String,
    /// Seed of the servers in it.
    pub world: u64,
    /// Its frames, in the order of their time.
    pub tape: Tape,
    /// Its connections.
    pub flows: Vec<Flow>,
}

/// Length of the beginning of a frame that a capture keeps: as tcpdump and the engine, all of it.
const SNAPLEN: u32 = 262_144;

/// Unix time of the beginning of all captures: 2026-01-01 00:00:00 UTC, in nanoseconds.
pub const EPOCH: u64 = 1_767_225_600_000_000_000;

/// Writes frames as a pcap file with nanoseconds.
///
/// # Errors
///
/// Those of `out`.
pub fn write_pcap(tape: &Tape, epoch: u64, mut out: impl io::Write) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(24 + tape.octets.len() + tape.records.len() * 16);
    // Magic number of nanoseconds, version 2.4, no time zone, snap length, Ethernet.
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, SNAPLEN, 1] {
        buffer.extend_from_slice(&word.to_le_bytes());
    }
    for record in &tape.records {
        let time = epoch + record.time;
        let seconds = (time / 1_000_000_000) as u32;
        let nanos = (time % 1_000_000_000) as u32;
        for word in [seconds, nanos, record.len as u32, record.wire as u32] {
            buffer.extend_from_slice(&word.to_le_bytes());
        }
        buffer.extend_from_slice(tape.frame(record));
    }
    out.write_all(&buffer)
}

impl Case {
    /// Writes `NAME.router.pcap`, `NAME.labels.csv` and `NAME.flows.csv` into `directory`.
    ///
    /// # Errors
    ///
    /// If one of them cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let path = |end: &str| directory.join(format!("{}.{end}", self.name));
        write_pcap(&self.tape, EPOCH, fs::File::create(path("router.pcap"))?)?;
        fs::write(path("labels.csv"), self.labels())?;
        fs::File::create(path("flows.csv"))?.write_all(self.flow_table().as_bytes())
    }

    /// How many packets are whose.
    pub fn count(&self, truth: Truth) -> usize {
        self.tape.records.iter().filter(|record| record.truth == truth).count()
    }

    /// The label file.
    pub fn labels(&self) -> String {
        let mut out = "vantage,frame,time,src,sport,dst,dport,what,label\n".to_owned();
        for (index, record) in self.tape.records.iter().enumerate() {
            let view = View(self.tape.frame(record));
            let (from, to) = view.ends();
            let time = EPOCH + record.time;
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "router,{},{}.{:06},{},{},{},{},{},{}",
                index + 1,
                time / 1_000_000_000,
                time % 1_000_000_000 / 1_000,
                from.ip(),
                from.port(),
                to.ip(),
                to.port(),
                view.words(),
                record.truth.word(),
            );
        }
        out.push_str("#summary");
        for truth in [Truth::Genuine, Truth::Forged, Truth::Lied, Truth::Spoofed] {
            let count = self.count(truth);
            if count > 0 {
                let _ = write!(out, " router/{}={count}", truth.word());
            }
        }
        out.push('\n');
        out
    }

    /// The table of connections.
    pub fn flow_table(&self) -> String {
        let mut out =
            "src,sport,dst,dport,protocol,sni,truth,injector,position,stage,evidence\n".to_owned();
        for flow in &self.flows {
            let _ = writeln!(
                out,
                "{},{},{},{},{},{},{},{},{},{},{}",
                flow.client.ip(),
                flow.client.port(),
                flow.server.ip(),
                flow.server.port(),
                flow.protocol,
                flow.name,
                flow.truth,
                flow.model,
                flow.position,
                flow.stage,
                if flow.evidence { "yes" } else { "no" },
            );
        }
        out
    }
}
