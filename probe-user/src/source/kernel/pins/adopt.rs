//! How programs take the place of others on an interface, or a place of their own, and are pinned there.

use aya::{
    Ebpf,
    programs::{
        SchedClassifier, TcAttachType, Xdp,
        links::{FdLink, PinnedLink},
        tc::{SchedClassifierLink, TcHandle},
        xdp::XdpLink,
    },
};

use super::{
    EGRESS, PinError, Pins,
    names::{GENERIC, Kind, NATIVE, TCX, kind, link},
    place::Set,
    sys,
};
use crate::{
    doctor,
    source::kernel::{
        attach::{AttachError, Attached, attach_tc, attach_xdp, chain, interface_index},
        object,
    },
};

/// Attaches both programs to `interface`, in the place of those that are pinned there. With `again`, the interface is
/// another one of that name, and what was pinned is of none.
///
/// # Errors
///
/// See [`AttachError`].
pub(in super::super) fn attach(
    bpf: &mut Ebpf,
    pins: &Pins,
    interface: &str,
    again: bool,
) -> Result<Attached, AttachError> {
    let index = interface_index(interface)?;
    if again {
        for kind in [NATIVE, GENERIC, TCX] {
            pins.set.remove(&link(kind, interface))?;
        }
    }
    let native = ingress(object::xdp(bpf, object::ingress())?, pins, interface, index)?;
    let tcx = egress(object::tc(bpf)?, pins, interface, index)?;
    Ok(Attached { interface: interface.into(), index, native, tcx })
}

fn ingress(
    program: &mut Xdp,
    pins: &Pins,
    interface: &str,
    index: u32,
) -> Result<bool, AttachError> {
    let refused = |reason: &dyn std::error::Error| refused("XDP", interface, reason);
    for (kind, native) in [(NATIVE, true), (GENERIC, false)] {
        if let Some(held) = pinned(pins, kind, interface, index)? {
            let held = XdpLink::try_from(held).map_err(|error| refused(&error))?;
            let id = program.attach_to_link(held).map_err(|error| refused(&error))?;
            // The pin holds it.
            drop(program.take_link(id).map_err(|error| refused(&error))?);
            return Ok(native);
        }
    }
    let (id, native) = attach_xdp(program, interface, index)?;
    let held = program.take_link(id).map_err(|error| refused(&error))?;
    let held = FdLink::try_from(held).map_err(|error| refused(&error))?;
    let kind = if native { NATIVE } else { GENERIC };
    held.pin(pins.set.pin(&link(kind, interface))).map_err(|error| refused(&error))?;
    Ok(native)
}

fn egress(
    program: &mut SchedClassifier,
    pins: &Pins,
    interface: &str,
    index: u32,
) -> Result<bool, AttachError> {
    let refused = |reason: &dyn std::error::Error| refused("tc", interface, reason);
    if let Some(held) = pinned(pins, TCX, interface, index)? {
        let held = SchedClassifierLink::try_from(held).map_err(|error| refused(&error))?;
        let id = program.attach_to_link(held).map_err(|error| refused(&error))?;
        drop(program.take_link(id).map_err(|error| refused(&error))?);
        return Ok(true);
    }
    // A filter of clsact is no link, cannot be pinned, and stays by itself. Its program is replaced in its place.
    let left = doctor::egress_filter(index, EGRESS).ok().flatten();
    let (id, tcx) = match left {
        Some((priority, handle)) => {
            let handle = TcHandle::from(handle);
            let link = SchedClassifierLink::attached(
                interface,
                TcAttachType::Egress,
                priority,
                handle,
                None,
            );
            let link = link.map_err(|error| refused(&error))?;
            (program.attach_to_link(link).map_err(|error| refused(&error))?, false)
        }
        None => attach_tc(program, interface)?,
    };
    let held = program.take_link(id).map_err(|error| refused(&error))?;
    if tcx {
        let held = FdLink::try_from(held).map_err(|error| refused(&error))?;
        held.pin(pins.set.pin(&link(TCX, interface))).map_err(|error| refused(&error))?;
    } else {
        // Dropped, it would be taken off.
        std::mem::forget(held);
    }
    Ok(tcx)
}

/// The link that is pinned, if it is one on this interface. One that is not is taken away: its interface was removed,
/// or has another name by now.
fn pinned(
    pins: &Pins,
    kind: &str,
    interface: &str,
    index: u32,
) -> Result<Option<FdLink>, AttachError> {
    let name = link(kind, interface);
    let path = pins.set.pin(&name);
    if !path.exists() {
        return Ok(None);
    }
    let shown = || pins.path().join(&name);
    let at = sys::open(&path).and_then(|link| sys::at(&link));
    if at.is_ok_and(|at| at.interface == index) {
        let link = PinnedLink::from_pin(&path).map_err(|error| {
            PinError::io("open the pin", &shown(), std::io::Error::other(chain(&error)))
        })?;
        return Ok(Some(link.into()));
    }
    tracing::warn!(
        "{} is not of this {interface}, but of one that was removed or renamed: it is taken off",
        shown().display()
    );
    if let Ok(link) = sys::open(&path) {
        let _ = sys::detach(&link);
    }
    pins.set.remove(&name)?;
    Ok(None)
}

/// Whether a link of a set is on an interface of another network namespace. Numbers of interfaces mean nothing beyond
/// their own; so it is looked whether the one of that number has the link's program.
pub(super) fn is_elsewhere(set: &Set) -> bool {
    let names = set.names().unwrap_or_default();
    names.iter().filter(|name| matches!(kind(name), Some(Kind::Link(_)))).any(|name| {
        let at = sys::open(&set.pin(name)).and_then(|link| sys::at(&link));
        // Of one that is gone, or is no link, the pin is all that there is.
        let Ok(at) = at else { return false };
        at.interface != 0 && doctor::has_program(at.interface, at.program) == Some(false)
    })
}

fn refused(program: &'static str, interface: &str, reason: &dyn std::error::Error) -> AttachError {
    AttachError::Refused {
        program,
        interface: interface.into(),
        reason: chain(reason),
        advice:
            "; `forgewatch detach` takes off what is pinned there, and without --pin nothing is"
                .into(),
    }
}
