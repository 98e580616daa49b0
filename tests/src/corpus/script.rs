//! What an application does with its socket, step by step.

use std::collections::VecDeque;

use bytes::Bytes;

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;

/// A second in nanoseconds.
pub const SECOND: u64 = 1_000 * MS;

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write.
    Send(Bytes),
    /// Wait until so many octets have come in, all together.
    Await(u32),
    /// Wait until the peer has sent FIN.
    AwaitFin,
    /// Do nothing for so long, in nanoseconds.
    Pause(u64),
    /// Close: FIN behind what has been written. What comes in afterwards is answered by a reset.
    Close,
    /// Send FIN, but go on reading.
    Shutdown,
    /// Close with something unread, or with a linger time of 0: reset at once.
    Abort,
    /// Stop reading: the window closes.
    StopReading,
    /// Read again.
    StartReading,
    /// The program is killed with the machine's memory of it: what comes in afterwards is answered
    /// by a reset, but nothing is sent of its own.
    Forget,
    /// Power off: nothing is ever sent again.
    Vanish,
    /// From now on a probe each time nothing has come in for so long, in nanoseconds; with an
    /// octet of rubbish as payload or without.
    KeepAlive(u64, bool),
    /// From here on the client's port is another one: its NAT has forgotten it.
    Rebind(u16),
    /// Answer the next segments from another path, whose TTL differs by so much.
    Reroute(i8),
}

/// The steps of one end.
pub type Script = VecDeque<Step>;

/// A script of steps.
#[macro_export]
macro_rules! script {
    ($($step:expr),* $(,)?) => {
        std::collections::VecDeque::from([$($step),*])
    };
}
