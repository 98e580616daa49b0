//! The programs on real interfaces.

use aya::util::KernelVersion;
use aya::{
    Ebpf,
    programs::{
        Link as _, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        tc::{SchedClassifierLink, SchedClassifierLinkId, qdisc_add_clsact, qdisc_detach_program},
        xdp::{XdpLink, XdpLinkId},
    },
};
use thiserror::Error;

use super::{
    object::{self, EGRESS, ObjectError},
    pins::PinError,
};
use crate::doctor;

/// How the programs ended up on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Name of the interface.
    pub interface: String,
    /// Its index.
    pub index: u32,
    /// Whether XDP runs in the driver; otherwise the stack runs it, more slowly.
    pub native: bool,
    /// Whether egress is a tcx link; otherwise a clsact filter.
    pub tcx: bool,
}

/// What holds the programs on one interface: dropped, they are taken off.
#[derive(Debug)]
pub struct Links {
    xdp: XdpLink,
    tc: SchedClassifierLink,
}

impl Links {
    /// Takes the programs off, and tells if that fails.
    pub(super) fn take_off(self) {
        for error in [self.xdp.detach(), self.tc.detach()].into_iter().filter_map(Result::err) {
            tracing::warn!("cannot take off a program: {}", chain(&error));
        }
    }
}

/// Why the programs could not be attached.
#[derive(Debug, Error)]
pub enum AttachError {
    /// No such interface.
    #[error("there is no interface `{name}`; there are: {known}")]
    NoInterface {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The kernel refused.
    #[error("cannot attach the {program} program to `{interface}`: {reason}{advice}")]
    Refused {
        /// "XDP" or "tc".
        program: &'static str,
        /// The interface.
        interface: String,
        /// Why.
        reason: String,
        /// What to do, if that is known.
        advice: String,
    },
    /// More interfaces than the programs can tell apart.
    #[error(
        "{asked} interfaces are more than the {most} that one agent can watch; start a second one"
    )]
    TooMany {
        /// How many were given.
        asked: usize,
        /// How many there may be.
        most: usize,
    },
    /// The object itself.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// What is pinned, or was to be.
    #[error(transparent)]
    Pin(#[from] PinError),
}

/// The index of an interface.
///
/// # Errors
///
/// [`AttachError::NoInterface`], with those that exist.
pub fn interface_index(name: &str) -> Result<u32, AttachError> {
    let interfaces = pnet::datalink::interfaces();
    interfaces.iter().find(|interface| interface.name == name).map(|i| i.index).ok_or_else(|| {
        let mut known: Vec<&str> = interfaces.iter().map(|i| i.name.as_str()).collect();
        known.sort_unstable();
        AttachError::NoInterface { name: name.into(), known: known.join(", ") }
    })
}

/// Attaches both programs to `interface`, or neither.
///
/// Links belong to the process: when it ends, however it ends, the kernel takes them off. Only the
/// clsact filter of kernels below 6.6 survives a kill, so a stale one is removed first. They are not left to the
/// programs, which would hold those of an interface that was removed as well.
///
/// # Errors
///
/// See [`AttachError`].
pub fn attach(bpf: &mut Ebpf, interface: &str) -> Result<(Attached, Links), AttachError> {
    let refused = |program| {
        move |error: ProgramError| AttachError::Refused {
            program,
            interface: interface.into(),
            reason: chain(&error),
            advice: String::new(),
        }
    };
    let index = interface_index(interface)?;
    let program = object::xdp(bpf, object::ingress())?;
    let (id, native) = attach_xdp(program, interface, index)?;
    let xdp = program.take_link(id).map_err(refused("XDP"))?;
    let program = object::tc(bpf)?;
    let (id, tcx) = attach_tc(program, interface)?;
    let tc = program.take_link(id).map_err(refused("tc"))?;
    Ok((Attached { interface: interface.into(), index, native, tcx }, Links { xdp, tc }))
}

/// Says as well whether it runs in the driver.
pub(super) fn attach_xdp(
    program: &mut Xdp,
    interface: &str,
    index: u32,
) -> Result<(XdpLinkId, bool), AttachError> {
    let native = match program.attach_to_if_index(index, XdpMode::Driver) {
        Ok(id) => return Ok((id, true)),
        Err(error) => error,
    };
    if is_busy(&native) {
        return Err(AttachError::Refused {
            program: "XDP",
            interface: interface.into(),
            reason: chain(&native),
            advice: taken(index),
        });
    }
    match program.attach_to_if_index(index, XdpMode::Skb) {
        Ok(id) => {
            tracing::warn!(
                interface,
                "the driver does not run XDP ({}); the network stack does it instead, which costs \
                 more for each packet but sees the same",
                chain(&native)
            );
            Ok((id, false))
        }
        Err(error) => Err(AttachError::Refused {
            program: "XDP",
            interface: interface.into(),
            reason: chain(&error),
            advice: "; `forgewatch doctor --iface IF` says what stands in the way".into(),
        }),
    }
}

/// What to do where the place of the XDP program is taken.
fn taken(index: u32) -> String {
    let holder = doctor::at_ingress(index);
    let ours = holder.as_ref().is_some_and(|holder| holder.ours);
    let process = holder.and_then(|holder| holder.process());
    match (ours, process) {
        (true, Some(process)) => format!(
            "; an agent of Forgewatch is there already ({process}): end it first, or watch something else. What one \
             with --pin leaves is taken over by `forgewatch run --pin` and taken off by `forgewatch detach`"
        ),
        (true, None) => "; a program of Forgewatch is there already: what an agent with --pin has left is taken over \
                         by `forgewatch run --pin` and taken off by `forgewatch detach`"
            .into(),
        (false, Some(process)) => format!(
            "; another XDP program is attached there ({process}): `forgewatch doctor --iface IF` says how to take it off"
        ),
        (false, None) => "; another XDP program is attached there: `forgewatch doctor --iface IF`, as root, says whose \
                          it is and how to take it off"
            .into(),
    }
}

/// Whether this kernel has tcx, by which egress is a link; otherwise it is a filter of clsact.
pub(super) fn has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|kernel| kernel >= KernelVersion::new(6, 6, 0))
}

/// Says as well whether it is a tcx link.
pub(super) fn attach_tc(
    program: &mut SchedClassifier,
    interface: &str,
) -> Result<(SchedClassifierLinkId, bool), AttachError> {
    let tcx = has_tcx();
    if !tcx {
        // It may be there already; and whatever else is wrong with it, attaching will tell.
        let _ = qdisc_add_clsact(interface);
        if qdisc_detach_program(interface, TcAttachType::Egress, EGRESS).is_ok() {
            tracing::warn!(interface, "took off the filter of an agent that was killed");
        }
    }
    let id =
        program.attach(interface, TcAttachType::Egress).map_err(|error| AttachError::Refused {
            program: "tc",
            interface: interface.into(),
            reason: chain(&error),
            advice: String::new(),
        })?;
    Ok((id, tcx))
}

/// Takes off the egress filters that killed agents have left, on these interfaces, or on all if none is given: below
/// Linux 6.6 they are no links, and stay. Returns on which there was one.
///
/// One that has an XDP program beside it is of an agent at work.
pub fn stale_filters(interfaces: &[String]) -> Vec<String> {
    if has_tcx() {
        return Vec::new();
    }
    let known = pnet::datalink::interfaces().into_iter();
    let asked = known.filter(|at| interfaces.is_empty() || interfaces.contains(&at.name));
    let stale = asked.filter(|at| {
        let left = doctor::egress_filter(at.index, EGRESS).ok().flatten();
        left.is_some() && !doctor::has_xdp(at.index)
    });
    stale
        .filter(|at| qdisc_detach_program(&at.name, TcAttachType::Egress, EGRESS).is_ok())
        .map(|at| at.name)
        .collect()
}

fn is_busy(error: &ProgramError) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return matches!(io.raw_os_error(), Some(libc::EBUSY | libc::EEXIST));
        }
        source = error.source();
    }
    false
}

/// An error with what caused it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
