//! A TCP endpoint: enough of a stack to say what a real one would put on the wire.
//!
//! Handshake, retransmission with back-off, fast retransmission, delayed acknowledgments, windows,
//! keep-alive, FIN from both sides, and above all what it does when it is reset, when it resets,
//! and when something comes in for a connection that it no longer has (RFC 9293, 3.10.7; RFC 5961).
//! Left out is what changes when packets are sent rather than what is in them: congestion control
//! is slow start and no more.

mod opening;
mod program;
mod receiving;
mod sending;

use bytes::Bytes;

use super::{
    host::Host,
    rng::Rng,
    script::{MS, SECOND, Script, Step},
    segment::{End, Segment, flag},
};

/// Never.
pub const NEVER: u64 = u64::MAX;

/// First retransmission time of SYNs.
const SYN_TIMEOUT: u64 = SECOND;

/// Least retransmission time of data: Linux's 200 ms.
const LEAST_TIMEOUT: u64 = 200 * MS;

/// Delay of acknowledgments that nothing hurries.
const ACK_DELAY: u64 = 40 * MS;

/// Time between a refused SYN and its repetition (Windows).
const REFUSED_RETRY: u64 = 500 * MS;

/// Octets of receive buffer.
const BUFFER: u32 = 1 << 20;

/// Initial congestion window in segments.
const INITIAL_WINDOW: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for a SYN.
    Listen,
    /// The port is closed, or the connection is gone: resets answer.
    Closed,
    /// The machine is gone.
    Gone,
    SynSent,
    SynReceived,
    Open,
    /// Both FINs acknowledged, and this side's was first.
    TimeWait,
}

/// Settings of an end beyond its operating system.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// Largest segment it announces.
    pub mss: u16,
    /// Answers SYNs with a cookie: no options but the MSS survive.
    pub cookies: bool,
    /// Data in the SYN (TCP Fast Open), and whether the server takes it.
    pub fast_open: bool,
    /// Further options of the SYN and SYN+ACK.
    pub syn_extra: &'static [u8],
    /// Further options of all later segments.
    pub extra: &'static [u8],
    /// How often a SYN, SYN+ACK or segment is sent again before it gives up.
    pub patience: u8,
    /// Payload of its resets.
    pub reset_payload: &'static [u8],
    /// Copies IP-ID and window of what it answers into the answer: a mirroring proxy.
    pub mirrors: bool,
    /// Sends the first retransmission as one segment of all that is not acknowledged, up to the
    /// largest segment.
    pub repacks: bool,
    /// Sends data in segments of at most this: interactive programs write little at a time.
    pub chunk: u16,
    /// How many largest segments it hands to the network card at once (segmentation offload).
    pub bundle: u16,
    /// When a closed port begins to listen, in nanoseconds.
    pub opens_at: u64,
    /// When it gives up a connection that it has, or has only asked for, in nanoseconds.
    pub leaves_at: u64,
    /// Initial sequence number, if it must not be random.
    pub isn: Option<u32>,
    /// What is acknowledged ends the backing off of the timer (RFC 6298, section 5.7): needed where much is
    /// lost and the connection is to go on all the same.
    pub recovers: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            mss: 1460,
            cookies: false,
            fast_open: false,
            syn_extra: &[],
            extra: &[],
            patience: 6,
            reset_payload: &[],
            mirrors: false,
            repacks: false,
            chunk: u16::MAX,
            bundle: 1,
            opens_at: NEVER,
            leaves_at: NEVER,
            isn: None,
            recovers: false,
        }
    }
}

/// An endpoint.
#[derive(Debug)]
pub struct Tcp {
    end: End,
    /// The machine.
    pub host: Host,
    /// Settings.
    pub knobs: Knobs,
    script: Script,
    state: State,
    iss: u32,
    una: u32,
    nxt: u32,
    /// Highest number ever sent, which `nxt` is set back from.
    high: u32,
    rcv: u32,
    /// Written and not yet acknowledged: where it begins, and what.
    queue: Vec<(u32, Bytes)>,
    written: u32,
    /// Out-of-order ranges received.
    early: Vec<(u32, u32)>,
    received: u32,
    unread: u32,
    reading: bool,
    read_closed: bool,
    fin_wanted: bool,
    fin_sent: bool,
    peer_fin: bool,
    fin_first: bool,
    /// FIN received ahead of missing data.
    early_fin: Option<u32>,
    peer_window: u32,
    peer_scale: u8,
    scaled: bool,
    stamped: bool,
    peer_mss: u16,
    stamp_base: u32,
    stamp_echo: u32,
    congestion: u32,
    duplicates: u8,
    recover: u32,
    rto: u64,
    /// Before it was backed off.
    usual_rto: u64,
    tries: u8,
    retransmit_at: u64,
    ack_at: u64,
    wait_until: u64,
    keep_alive: Option<(u64, bool)>,
    keep_alive_at: u64,
    refused: u8,
    unacked: u8,
    quick: u8,
    sent_at: u64,
    challenged_at: u64,
    port_shift: u16,
    ttl_shift: i8,
    label: u32,
    mirror: (u16, u16),
}

/// `a - b` on the circle of sequence numbers.
pub const fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

impl Tcp {
    /// An end that has done nothing yet; the client's first step is to connect.
    pub fn new(end: End, host: Host, script: Script, rng: &mut Rng) -> Self {
        Self {
            end,
            host,
            knobs: Knobs::default(),
            script,
            state: State::Listen,
            iss: rng.u32(),
            una: 0,
            nxt: 0,
            high: 0,
            rcv: 0,
            queue: Vec::new(),
            written: 0,
            early: Vec::new(),
            received: 0,
            unread: 0,
            reading: true,
            read_closed: false,
            fin_wanted: false,
            fin_sent: false,
            peer_fin: false,
            fin_first: false,
            early_fin: None,
            peer_window: 65_535,
            peer_scale: 0,
            scaled: false,
            stamped: false,
            peer_mss: 536,
            stamp_base: rng.u32(),
            stamp_echo: 0,
            congestion: INITIAL_WINDOW,
            duplicates: 0,
            recover: 0,
            rto: SYN_TIMEOUT,
            usual_rto: SYN_TIMEOUT,
            tries: 0,
            retransmit_at: NEVER,
            ack_at: NEVER,
            wait_until: NEVER,
            keep_alive: None,
            keep_alive_at: NEVER,
            refused: 0,
            unacked: 0,
            quick: 8,
            sent_at: 0,
            challenged_at: 0,
            port_shift: 0,
            ttl_shift: 0,
            label: rng.u32() & 0xf_ffff,
            mirror: (0, 0),
        }
    }

    /// Makes it an end that has no such connection.
    pub fn close_port(&mut self) {
        self.state = State::Closed;
    }

    /// Makes it a machine that is not there.
    pub fn leave(&mut self) {
        self.state = State::Gone;
    }

    /// The initial sequence number.
    pub const fn isn(&self) -> u32 {
        self.iss
    }

    /// Sends the SYN.
    pub fn connect(&mut self, now: u64, out: &mut Vec<Segment>) {
        self.begin();
        self.state = State::SynSent;
        let mut syn = self.bare(now, self.iss, 0, flag::SYN);
        if self.knobs.fast_open
            && let Some(Step::Send(data)) = self.script.front().cloned()
        {
            self.script.pop_front();
            self.queue.push((self.nxt, data.clone()));
            self.nxt = self.nxt.wrapping_add(data.len() as u32);
            self.high = self.nxt;
            self.written = self.nxt;
            syn.payload = data;
        }
        self.sent_at = now;
        out.push(syn);
        self.retransmit_at = now + self.rto;
    }

    fn begin(&mut self) {
        if let Some(isn) = self.knobs.isn {
            self.iss = isn;
        }
        self.una = self.iss;
        self.nxt = self.iss.wrapping_add(1);
        self.high = self.nxt;
        self.written = self.nxt;
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> u64 {
        self.retransmit_at
            .min(self.ack_at)
            .min(self.wait_until)
            .min(self.keep_alive_at)
            .min(self.knobs.leaves_at)
    }

    /// Does what is due.
    pub fn wake(&mut self, now: u64, out: &mut Vec<Segment>) {
        if self.knobs.leaves_at <= now {
            self.knobs.leaves_at = NEVER;
            self.die(State::Closed);
        }
        if self.retransmit_at <= now {
            self.timed_out(now, out);
        }
        if self.wait_until <= now {
            self.wait_until = NEVER;
            self.script.pop_front();
            self.run(now, out);
        }
        if self.ack_at <= now {
            self.ack_now(now, out);
        }
        if self.keep_alive_at <= now {
            self.probe(now, out);
        }
    }

    /// Takes a segment.
    pub fn receive(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        self.mirror = (segment.ip_id, segment.window);
        if self.state == State::Closed && self.knobs.opens_at <= now && segment.has(flag::SYN) {
            self.state = State::Listen;
        }
        match self.state {
            State::Gone => {}
            State::Closed => self.stray(now, segment, out),
            State::Listen => self.listen(now, segment, out),
            State::SynSent => self.syn_sent(now, segment, out),
            State::TimeWait => {
                if segment.has(flag::RST) {
                    return;
                }
                if segment.length() > 0 && !segment.has(flag::SYN) {
                    self.ack_now(now, out);
                }
            }
            State::SynReceived | State::Open => self.open(now, segment, out),
        }
    }
}
