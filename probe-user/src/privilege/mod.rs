//! What the agent gives up once it is ready, and in which order.
//!
//! A router's agent reads what strangers send, for a year. So it takes what it needs from the system first
//! (sockets, files, BPF programs, their attachment) and then goes down this list, before it reads the first
//! event:
//!
//! 1. [`owner`]: the state directory is handed over to the user that it will run as.
//! 2. No new privileges: nothing it could execute gains any.
//! 3. [`capability`]: the bounding and the ambient set are emptied.
//! 4. [`account`]: groups, group and user are switched.
//! 5. [`capability`]: what is left is what the running loop needs; of most kernels, nothing.
//! 6. [`files`]: Landlock leaves the state directory, and what is read anew on a signal.
//! 7. [`calls`]: system calls are filtered.
//!
//! All of it concerns the calling thread, and threads that are started by it later. So it has to happen before
//! there is another. What a kernel lacks is told, and is no error unless it is asked for.

pub mod account;
pub mod calls;
pub mod capability;
pub mod files;
pub mod owner;
pub mod report;

use caps::CapsHashSet;
use thiserror::Error;

pub use self::{
    account::{Account, UserChoice},
    files::Places,
    report::{Confinement, Layer},
};

/// What is to be left.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Whom to run as.
    pub account: Option<Account>,
    /// Capabilities that are needed from now on: [`capability::needed`] finds out which.
    pub capabilities: CapsHashSet,
    /// Files and directories.
    pub places: Places,
    /// Whether, and how strictly, files and system calls are restricted.
    pub sandbox: Sandbox,
}

/// Whether files (Landlock) and system calls (seccomp) are restricted. User, capabilities and new privileges are
/// given up in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Sandbox {
    /// As far as the kernel can; what it lacks is told.
    #[default]
    Auto,
    /// Wholly: otherwise the agent does not run.
    Required,
    /// Not: to find out whether a fault comes from it.
    Off,
}

/// Why privileges could not be given up.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error(
        "there is no user `{name}` to run as: make it with `useradd --system --no-create-home {name}`, \
         or name another one"
    )]
    NoUser {
        /// As asked for.
        name: String,
    },
    /// Switching users takes root.
    #[error("cannot run as user {user}: only root can switch to another user")]
    NotRoot {
        /// As asked for.
        user: String,
    },
    /// A step failed that can fail for want of privileges or memory only.
    #[error("cannot {step}: {reason}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// It is asked for, and is not to be had.
    #[error(
        "the sandbox is not complete, and is required: {lacking}; with `--sandbox auto` the agent runs with what \
         there is"
    )]
    Incomplete {
        /// What is lacking, and why.
        lacking: String,
    },
}

impl PrivilegeError {
    pub(crate) fn step(step: &'static str, reason: &impl ToString) -> Self {
        Self::Step { step, reason: reason.to_string() }
    }
}

/// Goes down the list. To be called while the process has one thread.
///
/// # Errors
///
/// See [`PrivilegeError`]. The process may have given up a part by then, and should end.
pub fn confine(wanted: &Wanted) -> Result<Confinement, PrivilegeError> {
    let mut done = Confinement::default();
    no_new_privileges()?;
    done.push(Layer::done("no new privileges", ""));
    done.push(capability::empty_bounds()?);
    if let Some(account) = &wanted.account {
        done.push(account.become_it(!wanted.capabilities.is_empty())?);
    }
    done.push(capability::keep(&wanted.capabilities)?);
    no_core_dumps()?;
    if wanted.sandbox == Sandbox::Off {
        done.push(Layer::lacking("files, system calls", "switched off"));
        return Ok(done);
    }
    done.push(files::restrict(&wanted.places)?);
    done.push(calls::filter(match wanted.places.port {
        None => calls::Purpose::Agent,
        Some(_) => calls::Purpose::AgentWithoutItsPort,
    })?);
    if wanted.sandbox == Sandbox::Required && !done.is_complete() {
        return Err(PrivilegeError::Incomplete { lacking: done.lacking() });
    }
    Ok(done)
}

/// Gives up what a command never needs that reads foreign data: privileges by execution, files other than
/// `places`, and the network. What cannot be given up stays; nobody is told, since nobody asked.
pub fn confine_reader(places: &Places) {
    confine_command(places, calls::Purpose::Reader);
}

/// The same for a command that shows on a terminal what an agent says, the one that it has started or another.
pub fn confine_onlooker(agent: Option<u32>) {
    // Where standard input is no terminal, this is where keys come from.
    let own = vec!["/dev/tty".into()];
    let places = Places { own, signals: agent.is_some(), ..Places::default() };
    confine_command(&places, calls::Purpose::Onlooker { agent });
}

fn confine_command(places: &Places, purpose: calls::Purpose) {
    let wanted = || -> Result<(), PrivilegeError> {
        no_new_privileges()?;
        files::restrict(places)?;
        calls::filter(purpose)?;
        Ok(())
    };
    if let Err(error) = wanted() {
        tracing::debug!("not confined: {error}");
    }
}

/// Nothing that is executed from now on has more privileges than this process.
fn no_new_privileges() -> Result<(), PrivilegeError> {
    nix::sys::prctl::set_no_new_privs()
        .map_err(|error| PrivilegeError::step("rule out new privileges", &error))
}

/// Memory has addresses of clients: it is neither dumped nor shown to other processes of the same user.
fn no_core_dumps() -> Result<(), PrivilegeError> {
    nix::sys::prctl::set_dumpable(false)
        .map_err(|error| PrivilegeError::step("rule out core dumps", &error))
}
