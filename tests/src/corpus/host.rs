//! How operating systems send, and how they reset.
//!
//! What is here was read in their sources or is the common knowledge of fingerprinting tools
//! (p0f, nmap): initial TTL, DF, IP-ID, window, options. How a stack resets differs from how it
//! sends: a reset of a socket goes the way of all its packets, one without a socket is made from
//! the packet that it answers.

use super::rng::Rng;

/// Where IP-IDs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Always 0, with DF: FreeBSD, macOS, many load balancers.
    Zero,
    /// A counter for each connection, from a random start: Linux.
    PerFlow,
    /// One counter for the host, so that other connections take numbers in between: Windows.
    Global,
    /// Random: OpenBSD, some appliances.
    Random,
}

/// An operating system's habits.
#[derive(Debug)]
pub struct Os {
    /// Its name.
    pub name: &'static str,
    /// Initial TTL.
    pub ttl: u8,
    /// IP-IDs.
    pub ids: Ids,
    /// Don't fragment.
    pub df: bool,
    /// Window of the SYN or SYN+ACK.
    pub window: u16,
    /// Window scale offered.
    pub scale: Option<u8>,
    /// Whether it asks for timestamps.
    pub timestamps: bool,
    /// Whether a SYN+ACK has IP-ID 0 (Linux: `ip_build_and_send_pkt` with DF).
    pub syn_ack_zero: bool,
    /// Initial TTL of resets without a socket.
    pub stray_ttl: u8,
    /// Initial TTL of resets of a socket; another one where another machine makes them.
    pub abort_ttl: u8,
    /// Whether those have IP-ID 0.
    pub abort_zero: bool,
    /// Whether those have DF.
    pub abort_df: bool,
    /// IP-ID of resets without a socket: 0 on Linux, as others elsewhere.
    pub stray_zero: bool,
    /// Whether the reset of an aborted socket has window 0 (Windows) or the current one (Linux).
    pub abort_window_zero: bool,
    /// Whether the reset of an aborted socket has an ACK. All common stacks; some appliances not.
    pub abort_ack: bool,
    /// Whether resets of a socket carry timestamps where they were negotiated.
    pub abort_timestamps: bool,
    /// Whether a reset must have exactly the next number, and others are answered by an ACK
    /// (RFC 5961); if not, any within the window will do.
    pub challenges: bool,
    /// How often a refused SYN is sent again (Windows).
    pub refused_retries: u8,
}

/// Linux 5 and 6.
pub static LINUX: Os = Os {
    name: "linux",
    ttl: 64,
    ids: Ids::PerFlow,
    df: true,
    window: 64240,
    scale: Some(7),
    timestamps: true,
    syn_ack_zero: true,
    stray_ttl: 64,
    abort_ttl: 64,
    abort_zero: false,
    abort_df: true,
    stray_zero: true,
    abort_window_zero: false,
    abort_ack: true,
    abort_timestamps: true,
    challenges: true,
    refused_retries: 0,
};

/// Linux with timestamps turned off.
pub static LINUX_PLAIN: Os = Os { name: "linux-no-timestamps", timestamps: false, ..LINUX_BASE };

// A constant, since a static cannot be taken apart in another's initialiser.
const LINUX_BASE: Os = Os {
    name: "linux",
    ttl: 64,
    ids: Ids::PerFlow,
    df: true,
    window: 65535,
    scale: Some(9),
    timestamps: true,
    syn_ack_zero: true,
    stray_ttl: 64,
    abort_ttl: 64,
    abort_zero: false,
    abort_df: true,
    stray_zero: true,
    abort_window_zero: false,
    abort_ack: true,
    abort_timestamps: true,
    challenges: true,
    refused_retries: 0,
};

/// Android: Linux with other windows.
pub static ANDROID: Os = Os { name: "android", scale: Some(9), ..LINUX_BASE };

/// Windows 10 and 11.
pub static WINDOWS: Os = Os {
    name: "windows",
    ttl: 128,
    ids: Ids::Global,
    df: true,
    window: 64240,
    scale: Some(8),
    timestamps: false,
    syn_ack_zero: false,
    stray_ttl: 128,
    abort_ttl: 128,
    abort_zero: false,
    abort_df: true,
    stray_zero: false,
    abort_window_zero: true,
    abort_ack: true,
    abort_timestamps: false,
    challenges: true,
    refused_retries: 2,
};

/// macOS and iOS.
pub static MACOS: Os = Os {
    name: "macos",
    ttl: 64,
    ids: Ids::Zero,
    df: true,
    window: 65535,
    scale: Some(6),
    timestamps: true,
    syn_ack_zero: false,
    stray_ttl: 64,
    abort_ttl: 64,
    abort_zero: true,
    abort_df: true,
    stray_zero: true,
    abort_window_zero: false,
    abort_ack: true,
    abort_timestamps: false,
    challenges: true,
    refused_retries: 0,
};

/// FreeBSD, as served by large content networks.
pub static FREEBSD: Os = Os {
    name: "freebsd",
    ttl: 64,
    ids: Ids::Zero,
    df: true,
    window: 65535,
    scale: Some(9),
    timestamps: true,
    syn_ack_zero: false,
    stray_ttl: 64,
    abort_ttl: 64,
    abort_zero: true,
    abort_df: true,
    stray_zero: true,
    abort_window_zero: false,
    abort_ack: true,
    abort_timestamps: true,
    challenges: true,
    refused_retries: 0,
};

/// A load balancer whose data comes from it and whose resets come from its other half: TTL 255,
/// IP-ID of their own, no DF.
pub static BALANCER: Os = Os {
    name: "balancer",
    ttl: 64,
    ids: Ids::Random,
    df: true,
    window: 4380,
    scale: None,
    timestamps: false,
    syn_ack_zero: false,
    stray_ttl: 255,
    abort_ttl: 255,
    abort_zero: false,
    abort_df: false,
    stray_zero: false,
    abort_window_zero: true,
    abort_ack: true,
    abort_timestamps: false,
    challenges: false,
    refused_retries: 0,
};

/// A front of a large provider whose resets are made by another layer: another TTL, IP-ID 0, no
/// acknowledgment.
pub static FRONT: Os = Os {
    name: "front",
    abort_ttl: 128,
    abort_zero: true,
    abort_ack: false,
    abort_window_zero: true,
    abort_timestamps: false,
    stray_ttl: 128,
    ..LINUX_BASE
};

/// A small embedded stack.
pub static EMBEDDED: Os = Os {
    name: "embedded",
    ttl: 255,
    ids: Ids::Global,
    df: false,
    window: 5840,
    scale: None,
    timestamps: false,
    syn_ack_zero: false,
    stray_ttl: 255,
    abort_ttl: 255,
    abort_zero: false,
    abort_df: false,
    stray_zero: false,
    abort_window_zero: true,
    abort_ack: false,
    abort_timestamps: false,
    challenges: false,
    refused_retries: 0,
};

/// What clients run, by how common it is behind a home router.
pub fn client(rng: &mut Rng) -> &'static Os {
    match rng.below(100) {
        0..30 => &ANDROID,
        30..55 => &WINDOWS,
        55..80 => &MACOS,
        80..96 => &LINUX,
        _ => &EMBEDDED,
    }
}

/// What servers run.
pub fn server(rng: &mut Rng) -> &'static Os {
    match rng.below(100) {
        0..60 => &LINUX,
        60..70 => &LINUX_PLAIN,
        70..82 => &FREEBSD,
        82..90 => &WINDOWS,
        90..98 => &BALANCER,
        _ => &EMBEDDED,
    }
}

/// A host's state that outlives its packets: IP-ID counters.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its habits.
    pub os: &'static Os,
    counter: u16,
    rng: Rng,
}

impl Host {
    /// A host that has been up for a while.
    pub fn new(os: &'static Os, rng: &mut Rng) -> Self {
        let mut own = Rng::new(rng.bits());
        Self { os, counter: own.u16(), rng: own }
    }

    /// The next IP-ID of a socket's packet.
    pub fn next_id(&mut self) -> u16 {
        match self.os.ids {
            Ids::Zero => 0,
            Ids::PerFlow => {
                self.counter = self.counter.wrapping_add(1);
                self.counter
            }
            Ids::Global => {
                let others = if self.rng.chance(0.3) { self.rng.below(6) as u16 } else { 0 };
                self.counter = self.counter.wrapping_add(1 + others);
                self.counter
            }
            Ids::Random => self.rng.u16(),
        }
    }
}
