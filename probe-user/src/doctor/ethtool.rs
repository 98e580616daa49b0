//! Questions to a driver over the ethtool ioctl, which needs no privileges to read.
//!
//! Structures from `linux/ethtool.h`, held as bytes because most end in an array.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::netlink::{text, u32_at};

const GDRVINFO: u32 = 0x03;
const GSTRINGS: u32 = 0x1b;
const GRXRINGS: u32 = 0x2d;
const GSSET_INFO: u32 = 0x37;
const GFEATURES: u32 = 0x3a;
const GCHANNELS: u32 = 0x3c;

/// The set of feature names (`ETH_SS_FEATURES`), and the length of each.
const FEATURE_NAMES: u32 = 4;
const STRING: usize = 32;

/// The most features believed; kernels have about 60.
const MAX_FEATURES: usize = 1024;

pub(super) struct Ethtool {
    socket: OwnedFd,
    name: CString,
}

impl Ethtool {
    pub(super) fn open(iface: &str) -> io::Result<Self> {
        let name = CString::new(iface)?;
        if name.as_bytes().len() >= libc::IFNAMSIZ {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Ethtool { socket, name })
    }

    /// The name of the driver.
    pub(super) fn driver(&self) -> io::Result<String> {
        let mut info = request(GDRVINFO, 196);
        self.ask(&mut info)?;
        Ok(text(&info[4..4 + STRING]))
    }

    /// The names of the features that are on, as `ethtool -k` knows them in the kernel, such as
    /// `rx-lro`.
    pub(super) fn features(&self) -> io::Result<Vec<String>> {
        let mut count = request(GSSET_INFO, 20);
        count[8..16].copy_from_slice(&(1u64 << FEATURE_NAMES).to_ne_bytes());
        self.ask(&mut count)?;
        let count = (u32_at(&count, 16).unwrap_or(0) as usize).min(MAX_FEATURES);

        let mut names = request(GSTRINGS, 12 + count * STRING);
        names[4..8].copy_from_slice(&FEATURE_NAMES.to_ne_bytes());
        names[8..12].copy_from_slice(&(count as u32).to_ne_bytes());
        self.ask(&mut names)?;

        // Blocks of four words (available, requested, active, never changed) for 32 features each.
        let blocks = count.div_ceil(32);
        let mut bits = request(GFEATURES, 8 + blocks * 16);
        bits[4..8].copy_from_slice(&(blocks as u32).to_ne_bytes());
        self.ask(&mut bits)?;

        let active = |feature: usize| {
            let word = u32_at(&bits, 8 + feature / 32 * 16 + 8).unwrap_or(0);
            word >> (feature % 32) & 1 == 1
        };
        let names = names[12..].chunks_exact(STRING).enumerate();
        Ok(names.filter(|(feature, _)| active(*feature)).map(|(_, name)| text(name)).collect())
    }

    /// How many queues receive packets.
    pub(super) fn receive_queues(&self) -> io::Result<u32> {
        let mut channels = request(GCHANNELS, 36);
        if self.ask(&mut channels).is_ok() {
            // Fields: maxima of rx, tx, other and combined, then the counts in the same order.
            let word = |index: usize| u32_at(&channels, 4 + index * 4).unwrap_or(0);
            return Ok(word(4) + word(7));
        }
        let mut rings = request(GRXRINGS, 192);
        self.ask(&mut rings)?;
        // `struct ethtool_rxnfc`: cmd, flow_type, and data of eight bytes.
        Ok(u32_at(&rings, 8).unwrap_or(0))
    }

    /// Has the kernel fill in `data`, which begins with the command.
    fn ask(&self, data: &mut [u8]) -> io::Result<()> {
        // SAFETY: `ifreq` is plain data, for which all zeroes are a value.
        let mut ifreq: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in ifreq.ifr_name.iter_mut().zip(self.name.as_bytes()) {
            // Signed or not, by the machine.
            *to = libc::c_char::from_ne_bytes([*from]);
        }
        ifreq.ifr_ifru.ifru_data = data.as_mut_ptr().cast();
        // SAFETY: the descriptor is open; `ifreq` and `data` outlive the call, and `data` is as
        // long as the command that it begins with says, for each of the commands above.
        let result =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut ifreq) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A zeroed structure that begins with its command.
fn request(command: u32, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    data[..4].copy_from_slice(&command.to_ne_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_a_loopback_with_features() {
        let loopback = Ethtool::open("lo").expect("a socket");
        let features = loopback.features().expect("features of the loopback");
        // `NETIF_F_LLTX` and this one are set by the loopback driver and cannot be turned off.
        assert!(features.iter().any(|name| name == "loopback"), "{features:?}");
    }

    #[test]
    fn what_does_not_exist_is_an_error() {
        let missing = Ethtool::open("no-such-iface").expect("a socket");
        assert_eq!(missing.driver().expect_err("no driver").raw_os_error(), Some(libc::ENODEV));
        assert!(Ethtool::open("a-name-that-is-too-long-for-linux").is_err());
        assert!(Ethtool::open("nul\0byte").is_err());
    }
}
