//! The summary of a run, from counters and judge.

use probe_common::counter::{COUNTERS, Counter, Kind};

use crate::{
    fingerprint::Label,
    judge::Judge,
    report::{
        Summary,
        summary::{Clock, Device, Quantiles, StageCounts, TargetsUsed, VERSION},
    },
    targets::TargetSet,
};

/// Adds what one engine counted and one judge kept to `summary`.
pub(crate) fn add(summary: &mut Summary, counts: &[u64; COUNTERS as usize], judge: &Judge) {
    count(summary, counts, judge);
    devices(summary, judge);
}

/// The same without the devices, which take longer.
pub(crate) fn count(summary: &mut Summary, counts: &[u64; COUNTERS as usize], judge: &Judge) {
    let of = |counter: Counter| counts[counter as usize];
    summary.packets += of(Counter::Packets);
    summary.tcp_flows += of(Counter::TcpFlows) + of(Counter::TcpMidstream);
    summary.resets += of(Counter::Resets);
    summary.dns_queries += of(Counter::DnsQueries);
    summary.dns_replies += of(Counter::DnsReplies);
    let questions = of(Counter::DnsQueries).saturating_sub(of(Counter::DnsQueriesRepeated));
    summary.flows += of(Counter::TcpFlows) + of(Counter::TcpMidstream) + questions;
    for &counter in Counter::ALL {
        let list = match counter.kind() {
            Kind::Lost => &mut summary.lost,
            Kind::Seen | Kind::Other => &mut summary.counters,
        };
        *list.entry(counter.name().into()).or_default() += of(counter);
    }
    for (name, count) in judge.signatures().counters() {
        *summary.counters.entry(name).or_default() += count;
    }
    for (name, count) in judge.losses() {
        *summary.lost.entry(name).or_default() += count;
    }
    let stages = &mut summary.stages;
    plus(&mut stages.from_server, &resets(counts, Counter::ResetFromResponderPostSyn));
    plus(&mut stages.from_client, &resets(counts, Counter::ResetFromInitiatorPostSyn));
    plus(&mut stages.silent, &judge.silence().counts());
}

/// The five counters of resets that begin with `first`.
fn resets(counts: &[u64; COUNTERS as usize], first: Counter) -> StageCounts {
    let at = |offset| counts[first as usize + offset];
    StageCounts {
        post_syn: at(0),
        post_ack: at(1),
        post_psh: at(2),
        later_in_flow: at(3),
        no_match: at(4),
    }
}

fn plus(sum: &mut StageCounts, more: &StageCounts) {
    sum.post_syn += more.post_syn;
    sum.post_ack += more.post_ack;
    sum.post_psh += more.post_psh;
    sum.later_in_flow += more.later_in_flow;
    sum.no_match += more.no_match;
}

/// A summary that has counted nothing yet.
pub(crate) fn begin(targets: &TargetSet, clock: Clock, kernel: Option<String>) -> Summary {
    Summary {
        targets: Some(TargetsUsed::from(targets)),
        clock: Some(clock),
        kernel,
        version: VERSION.into(),
        ..Summary::default()
    }
}

/// Adds the devices that one judge met.
pub(crate) fn devices(summary: &mut Summary, judge: &Judge) {
    for cluster in judge.clusters().iter() {
        let known = summary.fingerprints.iter_mut().find(|device| device.id == cluster.id);
        if let Some(device) = known {
            device.count += cluster.count;
            device.servers = device.servers.max(cluster.servers.len());
            device.first = device.first.min(cluster.first);
            device.last = device.last.max(cluster.last);
            continue;
        }
        let labels = judge.labels(&cluster.sample, cluster.last);
        summary.fingerprints.push(Device {
            id: cluster.id,
            count: cluster.count,
            servers: cluster.servers.len(),
            first: cluster.first,
            last: cluster.last,
            names: labels.iter().map(Label::describe).collect(),
        });
    }
    summary.fingerprints.sort_by_key(|device| std::cmp::Reverse(device.count));
}

/// The distributions that the judge keeps.
pub(crate) fn histograms(summary: &mut Summary, judge: &Judge) {
    let handshakes = Quantiles::of(judge.handshakes(), "us");
    summary.histograms.insert("handshake_rtt".into(), handshakes);
}

/// Release of the running kernel.
pub(crate) fn kernel() -> Option<String> {
    nix::sys::utsname::uname().ok().map(|name| name.release().to_string_lossy().into_owned())
}
