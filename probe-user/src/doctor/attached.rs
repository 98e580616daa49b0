//! Programs that are attached already, at ingress and egress.

use std::io;

use aya::programs::ProgramError;
use aya::programs::tc::{SchedClassifier, TcAttachType};
use nix::sys::socket::SockProtocol;

use super::holder::{Holder, is_ours, is_ours_by_id};
use super::link::{self, Link};
use super::netlink::{Netlink, attribute, text, u32_at};
use super::report::{Cause, Check};

/// How the kernel numbers modes (`XDP_ATTACHED_` in `linux/if_link.h`).
const MODES: [&str; 5] = ["none", "native", "generic", "offloaded", "several"];

/// `TC_H_CLSACT` with `TC_H_MIN_EGRESS` (`linux/pkt_sched.h`).
const CLSACT_EGRESS: u32 = 0xffff_fff3;

/// `TCA_KIND`, `TCA_OPTIONS` (`linux/rtnetlink.h`), `TCA_BPF_NAME`, `TCA_BPF_ID` (`linux/pkt_cls.h`).
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_ID: u16 = 11;

/// Length of `struct tcmsg` in bytes.
const TC_HEADER: usize = 20;

/// XDP takes one program.
pub(super) fn xdp(link: &Link) -> Check {
    let holders: Vec<_> = link.xdp_programs.iter().map(|id| (*id, Holder::of(*id))).collect();
    judge_xdp(link, &holders)
}

fn judge_xdp(link: &Link, holders: &[(u32, Holder)]) -> Check {
    if link.xdp_mode == 0 {
        return Check::ok("xdp", "no program attached");
    }
    let mode = MODES.get(usize::from(link.xdp_mode)).unwrap_or(&"unknown");
    if let [(_, Holder { ours: true, .. })] = holders {
        return own(link, mode, &holders[0].1);
    }
    let programs: Vec<String> = holders.iter().map(|(id, holder)| program(*id, holder)).collect();
    let seen = format!("taken by {} ({mode} mode)", programs.join(", "));
    let off = format!("`ip link set {} xdp off`", link.name);
    let holder = holders.first().map(|(_, holder)| holder);
    let advice = match holder.map(|holder| (holder.link, holder.known, holder.process())) {
        Some((true, _, Some(process))) => format!("end the process that holds it ({process})"),
        Some((true, _, None)) => {
            "remove the pin that holds its link (`bpftool link show` has it)".to_owned()
        }
        Some((false, true, Some(process))) => {
            format!("stop what attached it ({process}), or {off}")
        }
        Some((false, true, None)) => format!("stop what attached it, or {off}"),
        _ => format!("stop what attached it, or {off} if it is no link; root is told which"),
    };
    Check::fail("xdp", Cause::Interface, seen)
        .advise(format!("{advice}; only one XDP program fits"))
}

/// An agent's own program is as it should be.
fn own(link: &Link, mode: &str, holder: &Holder) -> Check {
    if let Some(process) = holder.process() {
        let seen = format!("watched by an agent of Forgewatch ({process}; {mode} mode)");
        return Check::ok("xdp", seen).advise("for another agent, end that one first");
    }
    let name = &link.name;
    Check::warn("xdp", format!("taken by a program of Forgewatch ({mode} mode), which no agent holds"))
        .advise(format!(
            "`forgewatch run --pin --iface {name}` takes over what an agent has left, `forgewatch detach --iface \
             {name}` takes it off"
        ))
}

/// The id of a program, and its name if it may be known.
fn program(id: u32, holder: &Holder) -> String {
    match &holder.name {
        Some(name) => format!("program {id} \"{name}\""),
        None => format!("program {id}"),
    }
}

/// At egress several fit, but those before may take packets away.
pub(super) fn egress(link: &Link) -> Check {
    judge_egress(tcx(&link.name), filters(link.index))
}

fn judge_egress(tcx: io::Result<Vec<String>>, filters: io::Result<Vec<String>>) -> Check {
    // Kernels before 6.6 have no tcx, and an interface without clsact no filters.
    let known = |result: io::Result<Vec<String>>| match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT)) => {
            Ok(Vec::new())
        }
        other => other,
    };
    match (known(tcx), known(filters)) {
        (Ok(tcx), Ok(filters)) if tcx.is_empty() && filters.is_empty() => {
            Check::ok("egress", "no other tcx program or tc filter")
        }
        (Ok(tcx), Ok(filters)) => {
            let programs = tcx.iter().map(|name| format!("tcx {name}"));
            let filters = filters.iter().map(|name| format!("tc {name}"));
            let all: Vec<String> = programs.chain(filters).collect();
            Check::warn("egress", format!("shared with {}", all.join(", ")))
                .advise("what these drop or redirect first is not seen; find out whose they are")
        }
        (Err(error), _) | (_, Err(error)) => {
            Check::unknown("egress", format!("cannot list tcx programs and tc filters: {error}"))
                .advise("run as root to know")
        }
    }
}

/// What an agent sees of another one, or of somebody else, in whose place it wants its XDP program; nothing if there is
/// none, or that cannot be known.
pub(crate) fn at_ingress(index: u32) -> Option<Holder> {
    let links = link::all().ok()?;
    let id = links.iter().find(|link| link.index == index)?.xdp_programs.first().copied()?;
    Some(Holder::of(id))
}

/// Whether the interface of this number, in this network namespace, has the program of that one at either end; nothing
/// if that cannot be known.
pub(crate) fn has_program(index: u32, id: u32) -> Option<bool> {
    let links = link::all().ok()?;
    let Some(link) = links.iter().find(|link| link.index == index) else { return Some(false) };
    if link.xdp_programs.contains(&id) {
        return Some(true);
    }
    match SchedClassifier::query_tcx(&link.name, TcAttachType::Egress) {
        Ok((_, programs)) => Some(programs.iter().any(|program| program.id() == id)),
        // Before Linux 6.6 there is none.
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::EINVAL) =>
        {
            Some(false)
        }
        Err(_) => None,
    }
}

/// The tcx programs at egress, without our own.
fn tcx(iface: &str) -> io::Result<Vec<String>> {
    match SchedClassifier::query_tcx(iface, TcAttachType::Egress) {
        Ok((_, programs)) => Ok(programs
            .iter()
            .filter(|program| !is_ours(program))
            .map(|program| match program.name_as_str() {
                Some(name) if !name.is_empty() => format!("\"{name}\""),
                _ => format!("program {}", program.id()),
            })
            .collect()),
        Err(ProgramError::SyscallError(error)) => Err(error.io_error),
        Err(other) => Err(io::Error::other(other)),
    }
}

/// The filters of clsact at egress, without our own.
fn filters(index: u32) -> io::Result<Vec<String>> {
    let answers = dump_filters(index)?;
    let others = answers.iter().filter(|body| !filter_program(body).is_some_and(is_ours_by_id));
    let mut names: Vec<String> = others.filter_map(|body| filter(body)).collect();
    names.dedup();
    Ok(names)
}

/// Priority and handle of the BPF filter of clsact at egress that has this name.
pub(crate) fn egress_filter(index: u32, name: &str) -> io::Result<Option<(u16, u32)>> {
    let wanted = format!("bpf \"{name}\"");
    let found = dump_filters(index)?.into_iter().find_map(|body| {
        // The upper half of `tcm_info` is the priority.
        let (handle, info) = (u32_at(&body, 8)?, u32_at(&body, 16)?);
        (filter(&body)? == wanted && handle != 0).then_some(((info >> 16) as u16, handle))
    });
    Ok(found)
}

fn dump_filters(index: u32) -> io::Result<Vec<Vec<u8>>> {
    let mut body = vec![0; TC_HEADER];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[12..16].copy_from_slice(&CLSACT_EGRESS.to_ne_bytes());
    let netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    netlink.dump(libc::RTM_GETTFILTER, &body)
}

/// The kind of a filter, and the name of its program.
fn filter(body: &[u8]) -> Option<String> {
    let attributes = body.get(TC_HEADER..)?;
    let kind = attribute(attributes, TCA_KIND).map(text)?;
    let name = attribute(attributes, TCA_OPTIONS)
        .and_then(|options| attribute(options, TCA_BPF_NAME))
        .map(text);
    Some(match name {
        Some(name) => format!("{kind} \"{name}\""),
        None => kind,
    })
}

/// The number of a filter's program.
fn filter_program(body: &[u8]) -> Option<u32> {
    let options = attribute(body.get(TC_HEADER..)?, TCA_OPTIONS)?;
    u32_at(attribute(options, TCA_BPF_ID)?, 0)
}

#[cfg(test)]
mod tests {
    use super::super::netlink::push_attribute;
    use super::super::report::Status;
    use super::*;

    #[test]
    fn xdp_that_is_taken_fails() {
        let mut link = Link { name: "wan0".to_owned(), ..Link::default() };
        assert_eq!(xdp(&link).status, Status::Ok);
        link.xdp_mode = 1;
        link.xdp_programs = vec![u32::MAX];
        let check = xdp(&link);
        assert_eq!(check.cause, Some(Cause::Interface));
        assert_eq!(check.seen, "taken by program 4294967295 (native mode)");
    }

    #[test]
    fn what_is_advised_goes_by_what_holds_it() {
        let link = Link { name: "wan0".to_owned(), xdp_mode: 1, ..Link::default() };
        let judge = |holder: Holder| {
            let check = judge_xdp(&link, &[(7, Holder { known: true, ..holder })]);
            (check.status, check.seen, check.advice.unwrap_or_default())
        };
        let process = Some((12, "cilium".to_owned()));
        let held = Holder { link: true, process: process.clone(), ..Holder::default() };
        let (status, _, advice) = judge(held.clone());
        assert_eq!(status, Status::Fail);
        assert!(
            advice.starts_with("end the process that holds it (process 12, `cilium`)"),
            "{advice}"
        );
        assert!(!advice.contains("xdp off"), "{advice}");
        let (_, _, advice) = judge(Holder { process: None, ..held.clone() });
        assert!(advice.contains("pin") && !advice.contains("xdp off"), "{advice}");
        let (_, _, advice) = judge(Holder { link: false, ..held.clone() });
        assert!(advice.contains("`ip link set wan0 xdp off`"), "{advice}");
        let (status, seen, _) = judge(Holder { ours: true, ..held.clone() });
        assert_eq!(status, Status::Ok);
        assert!(seen.contains("an agent of Forgewatch (process 12"), "{seen}");
        let (status, _, advice) = judge(Holder { ours: true, process: None, ..held });
        assert_eq!(status, Status::Warn);
        assert!(advice.contains("forgewatch detach --iface wan0"), "{advice}");
    }

    #[test]
    fn filters_are_named() {
        let mut options = Vec::new();
        push_attribute(&mut options, TCA_BPF_NAME, b"shaper.o:[tc]\0");
        push_attribute(&mut options, TCA_BPF_ID, &7_u32.to_ne_bytes());
        let mut body = vec![0; TC_HEADER];
        push_attribute(&mut body, TCA_KIND, b"bpf\0");
        push_attribute(&mut body, TCA_OPTIONS, &options);
        assert_eq!(filter(&body).as_deref(), Some("bpf \"shaper.o:[tc]\""));
        assert_eq!(filter_program(&body), Some(7));
        for length in 0..body.len() {
            filter(&body[..length]);
            filter_program(&body[..length]);
        }
    }

    #[test]
    fn what_shares_egress_is_a_drawback() {
        let errno = |number| Err(io::Error::from_raw_os_error(number));
        assert_eq!(judge_egress(Ok(vec![]), Ok(vec![])).status, Status::Ok);
        assert_eq!(judge_egress(errno(libc::EINVAL), Ok(vec![])).status, Status::Ok);
        assert_eq!(judge_egress(errno(libc::EPERM), Ok(vec![])).status, Status::Unknown);
        let check = judge_egress(Ok(vec!["\"cil_to\"".into()]), Ok(vec!["flower".into()]));
        assert_eq!(check.seen, "shared with tcx \"cil_to\", tc flower");
        assert_eq!(check.status, Status::Warn);
    }
}
