//! Interfaces that go away and come back.
//!
//! Programs stay on an interface that is taken down, or renamed. One that is removed takes them with it; when there
//! is one of that name again, it is another interface.

use std::time::{Duration, Instant};

use nix::net::if_::{if_indextoname, if_nametoindex};

use super::attach::Attached;
use crate::again::Backoff;

/// How long to wait before programs are put on again that could not be.
const WAIT: Duration = Duration::from_secs(1);

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What is to be done about an interface.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    None,
    /// It is there again: programs are to be put on.
    Back,
}

/// Looks whether an interface is still there, under which name, or again; `away` has when to look at one that
/// was removed.
pub(super) fn look(at: &mut Attached, away: &mut Option<Backoff>, now: Instant) -> Turn {
    if let Some(away) = away {
        let back = away.is_due(now) && if_nametoindex(at.interface.as_str()).is_ok();
        return if back { Turn::Back } else { Turn::None };
    }
    // Where there is none of that number, some versions of the library give an empty name.
    let name = if_indextoname(at.index).map(|name| name.to_string_lossy().into_owned());
    match name.as_deref() {
        Ok("") | Err(nix::Error::ENXIO | nix::Error::ENODEV) => {
            tracing::warn!(
                "{} was removed: it is watched again when it is there again",
                at.interface
            );
            *away = Some(Backoff::new(WAIT, WAIT_MAX, now));
        }
        Ok(name) if name != at.interface => {
            tracing::warn!("{} is called {name} now, and is watched still", at.interface);
            at.interface = name.to_owned();
        }
        // As before, or not to be known at the moment.
        Ok(_) | Err(_) => {}
    }
    Turn::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_what_is_there_is_left_alone() {
        let now = Instant::now();
        let mut away = Backoff::new(WAIT, WAIT_MAX, now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(away.put_off(now).as_secs());
            assert!(!away.is_due(now));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        let index = if_nametoindex("lo").expect("loopback");
        let mut at = Attached { interface: "lo".into(), index, native: false, tcx: true };
        let mut away = None;
        assert_eq!(look(&mut at, &mut away, now), Turn::None);
        assert!(away.is_none());
        at.index = u32::MAX >> 1;
        assert_eq!(look(&mut at, &mut away, now), Turn::None);
        assert!(away.is_some(), "there is no such interface");
        assert_eq!(look(&mut at, &mut away, now), Turn::Back, "there is one of that name");
    }
}
