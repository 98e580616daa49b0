//! An interface whose egress is full: one more program cannot be attached.

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::Context as _;
use nix::net::if_::if_nametoindex;

use super::namespace::Namespace;

/// How many programs fit: one less than `BPF_MPROG_MAX`, `linux/bpf_mprog.h`.
const ROOM: usize = 63;

/// `BPF_PROG_LOAD`, `BPF_LINK_CREATE`, `BPF_PROG_TYPE_SCHED_CLS`, `BPF_TCX_EGRESS`, `linux/bpf.h`.
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;
const SCHED_CLS: u64 = 3;
const TCX_EGRESS: u64 = 47;

/// `r0 = -1` ("no opinion") and `exit`.
const PASS: [u64; 2] = [0xffff_ffff_0000_00b7, 0x95];

/// The programs: dropped, they make room.
#[derive(Debug)]
pub struct Full {
    _links: Vec<OwnedFd>,
}

impl Full {
    /// Fills the egress of `iface`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses one of the programs: before Linux 6.6 there is no such limit.
    pub fn start(namespace: &Namespace, iface: &str) -> anyhow::Result<Self> {
        let fill = || -> anyhow::Result<Vec<OwnedFd>> {
            let index = u64::from(if_nametoindex(iface)?);
            let links = (0..ROOM).map(|_| attach(load()?, index)).collect::<io::Result<_>>();
            links.with_context(|| format!("filling the egress of {iface}"))
        };
        Ok(Self { _links: namespace.enter(fill)?? })
    }
}

fn load() -> io::Result<OwnedFd> {
    let mut attributes = [0; 9];
    attributes[0] = SCHED_CLS | (PASS.len() as u64) << 32;
    attributes[1] = PASS.as_ptr() as u64;
    attributes[2] = c"GPL".as_ptr() as u64;
    bpf(PROG_LOAD, &attributes)
}

/// The link holds the program.
fn attach(program: OwnedFd, index: u64) -> io::Result<OwnedFd> {
    let number = u64::from(program.as_raw_fd().cast_unsigned());
    let mut attributes = [0; 9];
    (attributes[0], attributes[1]) = (number | index << 32, TCX_EGRESS);
    let link = bpf(LINK_CREATE, &attributes);
    drop(program);
    link
}

/// The fields of `union bpf_attr`, two of 32 bits each in a word of a little-endian machine.
fn bpf(command: libc::c_int, attributes: &[u64; 9]) -> io::Result<OwnedFd> {
    let size = size_of_val(attributes) as libc::c_uint;
    // SAFETY: the kernel reads `size` octets there, and what pointers in it lead to, which callers keep.
    let made = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(made as libc::c_int) })
}
