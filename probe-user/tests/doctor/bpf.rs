//! The smallest programs there are, loaded and attached with the system call itself: the doctor
//! must find programs that another tool has attached.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Program and attach types (`linux/bpf.h`).
pub(crate) const SCHED_CLS: u32 = 3;
pub(crate) const XDP: u32 = 6;
pub(crate) const ATTACH_XDP: u32 = 37;
pub(crate) const ATTACH_TCX_EGRESS: u32 = 47;

const BPF_PROG_LOAD: u32 = 5;
const BPF_LINK_CREATE: u32 = 28;

/// `r0 = 2` (XDP_PASS), or -1 (TCX_NEXT); `exit`.
const fn program(kind: u32) -> [u64; 2] {
    let result: u64 = if kind == XDP { 2 } else { 0xffff_ffff };
    [0xb7 | result << 32, 0x95]
}

/// Loads a program that lets every packet pass.
pub(crate) fn load(name: &str, kind: u32) -> OwnedFd {
    let instructions = program(kind);
    let licence = c"Dual MIT/GPL";
    let mut attribute = [0u8; 72];
    attribute[0..4].copy_from_slice(&kind.to_ne_bytes());
    attribute[4..8].copy_from_slice(&(instructions.len() as u32).to_ne_bytes());
    attribute[8..16].copy_from_slice(&(instructions.as_ptr() as u64).to_ne_bytes());
    attribute[16..24].copy_from_slice(&(licence.as_ptr() as u64).to_ne_bytes());
    attribute[48..48 + name.len()].copy_from_slice(name.as_bytes());
    bpf(BPF_PROG_LOAD, &attribute)
}

/// Attaches it until the result is dropped.
pub(crate) fn attach(program: &OwnedFd, iface: &str, attach_type: u32) -> OwnedFd {
    let index = nix::net::if_::if_nametoindex(iface).expect("the interface exists");
    let mut attribute = [0u8; 32];
    attribute[0..4].copy_from_slice(&program.as_raw_fd().to_ne_bytes());
    attribute[4..8].copy_from_slice(&index.to_ne_bytes());
    attribute[8..12].copy_from_slice(&attach_type.to_ne_bytes());
    bpf(BPF_LINK_CREATE, &attribute)
}

fn bpf(command: u32, attribute: &[u8]) -> OwnedFd {
    // SAFETY: the attribute, and what it points to, live through the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_ptr(), attribute.len()) };
    assert!(fd >= 0, "bpf({command}): {}", io::Error::last_os_error());
    // SAFETY: the kernel has just made this descriptor for nobody else.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}
