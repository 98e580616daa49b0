//! What fits into memory: octets of a flow, the kernel's maps, and what the agent takes besides.
//!
//! The agent's own memory is what of its pages is resident (`Rss` in `/proc/PID/smaps`) except in
//! mappings of the maps, which are the kernel's and counted there (`memlock` in `/proc/PID/fdinfo`).

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use probe_common::{
    dns::DnsSet,
    flow::{FlowBlock, FlowSet},
    quic::QuicSet,
    set::WAYS,
    wire::tcp_flag,
};

use super::{
    events::kinds,
    group::Request,
    packets::{self, Below, UNWATCHED, Varied, WATCHED},
    sample::Sample,
    table::{Budget, Row, Table},
    watched::{Sender, Watched},
};

/// What the agent may take besides the maps, in MiB.
const AGENT: f64 = 64.0;

/// A mebibyte.
pub const MIB: f64 = 1_048_576.0;

/// Connections that there are to be: a million.
const CONNECTIONS: u64 = 1 << 20;

/// Packets between two looks at the memory.
const PART: u32 = 1 << 14;

/// Measures the group.
///
/// # Errors
///
/// If the agent cannot be started, or its memory not be read.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    records(table);
    let lasting = Duration::from_secs(if request.quick { 4 } else { 60 });
    let watched = Watched::new(|_| {})?;
    let pid = watched.agent.process.pid().as_raw();
    let maps = Sample::new(vec![maps(pid)? / MIB]);
    table.add(Row::new("memory", "kernel's maps in all", &maps, "MiB"));
    let mut sender = Sender::new()?;
    let mut next = 0;
    told(table, "nothing to do yet", &[resident(pid)?]);
    let kinds = kinds::all();
    let opened = packets::handshake(Below::V4, WATCHED);
    let flood = |host, flags| vec![packets::flood(Below::V4, host, flags)];
    let cases: [(&str, Vec<Varied>, Option<u64>); 6] = [
        ("a million connections", anew(&opened), Some(CONNECTIONS)),
        ("a flood of SYNs", flood(UNWATCHED, tcp_flag::SYN), None),
        ("a flood of resets", flood(WATCHED, tcp_flag::RST), None),
        ("a flood of ClientHellos", kinds[0].packets.clone(), None),
        ("a flood of forged resets with findings", kinds[2].packets.clone(), None),
        ("a flood of DNS replies, watched name", kinds[3].packets.clone(), None),
    ];
    for (name, packets, most) in cases.into_iter().filter(|(name, ..)| request.wants(name)) {
        let start = Instant::now();
        let (mut seen, mut connections) = (Vec::new(), 0);
        while most.map_or(start.elapsed() < lasting, |most| connections < most) {
            for packet in &packets {
                watched.send(&mut sender, packet, next, PART)?;
            }
            next += u64::from(PART);
            connections += u64::from(PART);
            seen.push(resident(pid)?);
        }
        told(table, name, &seen);
    }
    let report = watched.agent.stop()?;
    ensure!(report.figure("packets") > CONNECTIONS, "the agent has not seen what was sent");
    Ok(())
}

/// Each a connection of its own.
fn anew(packets: &[Varied]) -> Vec<Varied> {
    let mut packets = packets.to_vec();
    for Varied { vary, .. } in &mut packets {
        vary.mask = u64::MAX;
    }
    packets
}

fn told(table: &mut Table, name: &str, seen: &[f64]) {
    let most = seen.iter().copied().fold(0.0, f64::max);
    let (half, rest) = seen.split_at(seen.len() / 2);
    let highest = |part: &[f64]| part.iter().copied().fold(0.0, f64::max) / MIB;
    let row = Row::new(
        "memory",
        format!("agent besides the maps: {name}"),
        &Sample::new(vec![most / MIB]),
        "MiB",
    );
    let row = row.budget(Budget::AtMost(AGENT));
    table.add(if half.is_empty() {
        row
    } else {
        row.note(format!(
            "{:.1} in the first half, {:.1} in the second",
            highest(half),
            highest(rest)
        ))
    });
}

/// What one record takes in the kernel's tables, with its part of its set's tags.
fn records(table: &mut Table) {
    let each = |name, octets: usize, table: &mut Table| {
        let octets = Sample::new(vec![octets as f64 / WAYS as f64]);
        table.add(Row::new("memory", name, &octets, "octets"));
    };
    let flows = size_of::<FlowSet>() + size_of::<FlowBlock>();
    each("a connection's record", flows, table);
    each("a DNS question's record", size_of::<DnsSet>(), table);
    each("a QUIC connection's record", size_of::<QuicSet>(), table);
}

/// Octets that the agent's pages take, except those of maps.
///
/// # Errors
///
/// If there is no such process.
pub fn resident(pid: i32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/smaps");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let (mut sum, mut is_map) = (0.0, false);
    for line in text.lines() {
        match line.split_once(':') {
            Some(("Rss", rest)) if !is_map => {
                let kib = rest.trim().strip_suffix(" kB").context("Rss is not in kB")?;
                sum += kib.trim().parse::<f64>()? * 1_024.0;
            }
            // The first line of a mapping begins with its addresses.
            Some((first, _)) if first.contains('-') => is_map = line.contains("anon_inode:bpf-map"),
            None => is_map = line.contains("anon_inode:bpf-map"),
            _ => {}
        }
    }
    Ok(sum)
}

/// Octets that the kernel has set apart for the agent's maps.
fn maps(pid: i32) -> anyhow::Result<f64> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut maps = std::collections::BTreeMap::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<u64>().ok()
        };
        if let (Some(id), Some(octets)) = (field("map_id:"), field("memlock:")) {
            maps.insert(id, octets);
        }
    }
    ensure!(!maps.is_empty(), "the agent has no maps");
    Ok(maps.values().sum::<u64>() as f64)
}
