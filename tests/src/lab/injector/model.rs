//! How known devices reset connections.

/// One reset of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// How far beyond the number that the receiver expects.
    pub offset: u32,
    /// Initial TTL or hop limit.
    pub ttl: u8,
    /// Window.
    pub window: u16,
    /// IP-ID, in IPv4.
    pub ip_id: u16,
    /// "Don't fragment", in IPv4.
    pub df: bool,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// The Great Firewall's second type, as measured from 2019 on: three identical resets with
    /// ACK, "don't fragment" set, a TTL that no stack begins with.
    TypeTwo,
    /// Resets that climb ahead of the data, in case the first comes too late: at the number
    /// expected, one segment further, three segments further. The older devices of the same wall,
    /// and `tcpkill`.
    Ladder,
}

const TYPE_TWO: Reset = Reset { offset: 0, ttl: 115, window: 2_074, ip_id: 0x6a3f, df: true };

const LADDER: [Reset; 3] = [
    Reset { offset: 0, ttl: 64, window: 5_320, ip_id: 0x1c01, df: false },
    Reset { offset: 1_460, ttl: 64, window: 5_320, ip_id: 0x8e77, df: false },
    Reset { offset: 4_380, ttl: 64, window: 5_320, ip_id: 0x2bd2, df: false },
];

impl Model {
    /// What it sends to each end.
    pub const fn burst(self) -> [Reset; 3] {
        match self {
            Self::TypeTwo => [TYPE_TWO; 3],
            Self::Ladder => LADDER,
        }
    }
}
