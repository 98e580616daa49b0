//! Questions to the kernel over netlink, without any tool.
//!
//! Message and attribute layouts from `linux/netlink.h` and RFC 3549 section 2.2.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::TimeVal;

/// How long the kernel may take to answer, in seconds. It answers at once; this bounds a fault.
const TIMEOUT: i64 = 2;

/// Bytes read at once; the kernel makes no larger parts of a dump.
const BUFFER: usize = 1 << 16;

/// The most messages taken from one dump: bounds memory on hosts with absurd numbers of devices.
const MAX_MESSAGES: usize = 1 << 16;

/// Length of `struct nlmsghdr` and of `struct nlattr`, in bytes.
const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// The bits of an attribute's type that are its type (`NLA_TYPE_MASK`).
const TYPE_MASK: u16 = 0x3fff;

pub(super) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    pub(super) fn open(protocol: SockProtocol) -> io::Result<Self> {
        let socket =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(TIMEOUT, 0))?;
        Ok(Netlink { socket })
    }

    /// Sends a question about one thing and returns the bodies of the answers.
    ///
    /// # Errors
    /// What the kernel answers, or `TimedOut`.
    pub(super) fn ask(&self, kind: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.exchange(kind, libc::NLM_F_ACK, body)
    }

    /// Asks for everything of a kind.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(super) fn dump(&self, kind: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.exchange(kind, libc::NLM_F_DUMP, body)
    }

    fn exchange(&self, kind: u16, flags: i32, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        let mut request = Vec::with_capacity(MESSAGE_HEADER + body.len());
        request.extend(((MESSAGE_HEADER + body.len()) as u32).to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend(flags.to_ne_bytes());
        request.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        request.extend(body);
        let fd = self.socket.as_raw_fd();
        send(fd, &request, MsgFlags::empty())?;

        let mut answers = Vec::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = match recv(fd, &mut buffer, MsgFlags::empty()) {
                Err(nix::Error::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                other => other?,
            };
            for (kind, body) in messages(&buffer[..length]) {
                match i32::from(kind) {
                    libc::NLMSG_ERROR | libc::NLMSG_DONE => {
                        return match i32_at(body, 0).unwrap_or(0) {
                            0 => Ok(answers),
                            error => Err(io::Error::from_raw_os_error(-error)),
                        };
                    }
                    libc::NLMSG_NOOP => {}
                    _ if answers.len() == MAX_MESSAGES => {
                        return Err(io::Error::other("more answers than can be kept"));
                    }
                    _ => answers.push(body.to_vec()),
                }
            }
        }
    }
}

/// The messages in what was received: type and body.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let kind = u16_at(bytes, 4)?;
        let body = bytes.get(MESSAGE_HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

/// The attributes in a body or in a nesting attribute: type and value.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of a type.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Appends an attribute to a body.
pub(super) fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(((ATTRIBUTE_HEADER + value.len()) as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// A string value, without what ends it.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    u32_at(bytes, at).map(u32::cast_signed)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_a_round_trip() {
        let mut body = Vec::new();
        push_attribute(&mut body, 3, b"eth0\0");
        push_attribute(&mut body, 4 | 0x8000, &1500u32.to_ne_bytes());
        assert_eq!(attribute(&body, 3).map(text).as_deref(), Some("eth0"));
        assert_eq!(attribute(&body, 4).and_then(|value| u32_at(value, 0)), Some(1500));
        assert_eq!(attribute(&body, 5), None);
    }

    #[test]
    fn damaged_bodies_end_the_walk() {
        let mut body = Vec::new();
        push_attribute(&mut body, 1, &[1; 9]);
        push_attribute(&mut body, 2, &[2; 4]);
        for length in 0..body.len() {
            let found = attributes(&body[..length]).count();
            assert_eq!(found, usize::from(length >= 13), "cut at {length}");
            assert!(messages(&body[..length]).count() <= 1);
        }
        // A length below that of its own header must not loop.
        for length in 0..4u16 {
            let looping = [&length.to_ne_bytes()[..], &[1, 0, 0, 0, 0, 0]].concat();
            assert_eq!(attributes(&looping).count(), 0);
        }
        assert_eq!(messages(&[0; 64]).count(), 0);
    }
}
