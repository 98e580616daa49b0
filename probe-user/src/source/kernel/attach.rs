//! The programs on real interfaces.

use aya::util::KernelVersion;
use aya::{
    Ebpf,
    programs::{
        ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        tc::{qdisc_add_clsact, qdisc_detach_program},
    },
};
use thiserror::Error;

use super::object::{self, EGRESS, ObjectError};

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
        advice: &'static str,
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

/// Attaches both programs to `interface`.
///
/// Links belong to the process: when it ends, however it ends, the kernel takes them off. Only the
/// clsact filter of kernels below 6.6 survives a kill, so a stale one is removed first.
///
/// # Errors
///
/// See [`AttachError`].
pub fn attach(bpf: &mut Ebpf, interface: &str) -> Result<Attached, AttachError> {
    let index = interface_index(interface)?;
    let native = attach_xdp(object::xdp(bpf, object::ingress())?, interface, index)?;
    let tcx = attach_tc(object::tc(bpf)?, interface)?;
    Ok(Attached { interface: interface.into(), index, native, tcx })
}

fn attach_xdp(program: &mut Xdp, interface: &str, index: u32) -> Result<bool, AttachError> {
    let Err(native) = program.attach_to_if_index(index, XdpMode::Driver) else { return Ok(true) };
    if is_busy(&native) {
        return Err(AttachError::Refused {
            program: "XDP",
            interface: interface.into(),
            reason: chain(&native),
            advice: "; another XDP program is attached there: see `forgewatch doctor`, take it \
                     off with `ip link set dev IF xdp off`, or watch another interface",
        });
    }
    match program.attach_to_if_index(index, XdpMode::Skb) {
        Ok(_) => {
            tracing::warn!(
                interface,
                "the driver does not run XDP ({}); the network stack does it instead, which costs \
                 more for each packet but sees the same",
                chain(&native)
            );
            Ok(false)
        }
        Err(error) => Err(AttachError::Refused {
            program: "XDP",
            interface: interface.into(),
            reason: chain(&error),
            advice: "; `forgewatch doctor --iface IF` says what stands in the way",
        }),
    }
}

fn attach_tc(program: &mut SchedClassifier, interface: &str) -> Result<bool, AttachError> {
    let tcx = KernelVersion::current().is_ok_and(|kernel| kernel >= KernelVersion::new(6, 6, 0));
    if !tcx {
        // It may be there already; and whatever else is wrong with it, attaching will tell.
        let _ = qdisc_add_clsact(interface);
        if qdisc_detach_program(interface, TcAttachType::Egress, EGRESS).is_ok() {
            tracing::warn!(interface, "took off the filter of an agent that was killed");
        }
    }
    program.attach(interface, TcAttachType::Egress).map_err(|error| AttachError::Refused {
        program: "tc",
        interface: interface.into(),
        reason: chain(&error),
        advice: "",
    })?;
    Ok(tcx)
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
fn chain(error: &dyn std::error::Error) -> String {
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
