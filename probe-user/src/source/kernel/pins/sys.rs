//! Three commands of the `bpf` system call on links, which aya keeps to itself. Layouts are of `union bpf_attr` and
//! `struct bpf_link_info` in `linux/bpf.h`.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

/// `BPF_OBJ_GET`, `BPF_OBJ_GET_INFO_BY_FD`, `BPF_LINK_DETACH`.
const OBJ_GET: libc::c_int = 7;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const LINK_DETACH: libc::c_int = 34;

/// Of `union bpf_attr`, as far as it is used here: all that is behind counts as zero.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Attributes {
    words: [u64; 8],
}

/// The beginning of `struct bpf_link_info`: what is behind depends on the type of link. Both of XDP and of tcx begin
/// with the index of the interface.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    padding: u32,
    interface: u32,
    more: [u32; 11],
}

fn bpf(command: libc::c_int, attributes: &mut Attributes) -> io::Result<libc::c_long> {
    let size = size_of::<Attributes>();
    // SAFETY: the kernel reads and writes `size` octets there, and what pointers in it lead to, which callers keep.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size as libc::c_uint)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Two halves of a word, as they lie in memory.
const fn word(first: u32, second: u32) -> u64 {
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f, g, h] = second.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// Opens what is pinned at `path`.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = Attributes::default();
    attributes.words[0] = path.as_ptr() as u64;
    let descriptor = bpf(OBJ_GET, &mut attributes)?;
    // SAFETY: a new descriptor, which nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor as libc::c_int) })
}

/// Where a link is.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The number of its interface; 0: that is gone.
    pub(super) interface: u32,
    /// The number of its program.
    pub(super) program: u32,
}

/// Says where a link is.
pub(super) fn at(link: &impl AsFd) -> io::Result<At> {
    let mut info = LinkInfo::default();
    let mut attributes = Attributes::default();
    let descriptor = link.as_fd().as_raw_fd().cast_unsigned();
    attributes.words[0] = word(descriptor, size_of::<LinkInfo>() as u32);
    attributes.words[1] = &raw mut info as u64;
    bpf(OBJ_GET_INFO_BY_FD, &mut attributes)?;
    Ok(At { interface: info.interface, program: info.program })
}

/// Takes a link's program off, whoever else holds the link.
pub(super) fn detach(link: &impl AsFd) -> io::Result<()> {
    let mut attributes = Attributes::default();
    attributes.words[0] = word(link.as_fd().as_raw_fd().cast_unsigned(), 0);
    bpf(LINK_DETACH, &mut attributes).map(drop)
}
