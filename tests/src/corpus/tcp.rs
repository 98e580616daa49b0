//! A TCP endpoint: enough of a stack to say what a real one would put on the wire.
//!
//! Handshake, retransmission with back-off, fast retransmission, delayed acknowledgments, windows,
//! keep-alive, FIN from both sides, and above all what it does when it is reset, when it resets,
//! and when something comes in for a connection that it no longer has (RFC 9293, 3.10.7; RFC 5961).
//! Left out is what changes when packets are sent rather than what is in them: congestion control
//! is slow start and no more.

use bytes::Bytes;

use super::{
    host::Host,
    rng::Rng,
    script::{MS, SECOND, Script, Step},
    segment::{End, Options, Segment, flag},
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

    // -- without a connection

    /// The answer of a stack that has no such connection (RFC 9293, 3.10.7.1).
    fn stray(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if segment.has(flag::RST) {
            return;
        }
        let mut reset = if segment.has(flag::ACK) {
            self.bare(now, segment.ack, 0, flag::RST)
        } else {
            self.bare(now, 0, segment.end(), flag::RST | flag::ACK)
        };
        let os = self.host.os;
        reset.window = 0;
        reset.options = Options::default();
        reset.ttl = os.stray_ttl;
        if os.stray_zero {
            reset.ip_id = 0;
        }
        reset.payload = Bytes::from_static(self.knobs.reset_payload);
        out.push(reset);
    }

    fn listen(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if segment.has(flag::RST) || !segment.has(flag::SYN) {
            if !segment.has(flag::RST) {
                self.stray(now, segment, out);
            }
            return;
        }
        self.begin();
        self.learn(segment);
        self.state = State::SynReceived;
        if self.knobs.cookies {
            self.stamped = false;
            self.scaled = false;
        }
        self.rcv = segment.seq.wrapping_add(1);
        if self.knobs.fast_open && !segment.payload.is_empty() {
            self.rcv = segment.end();
            self.received = segment.payload.len() as u32;
        }
        let answer = self.syn_ack(now);
        self.sent_at = now;
        out.push(answer);
        self.retransmit_at = now + self.rto;
        if self.received != 0 {
            self.run(now, out);
        }
    }

    fn learn(&mut self, syn: &Segment) {
        let os = self.host.os;
        self.peer_mss = syn.options.mss.unwrap_or(536);
        self.scaled = syn.options.scale.is_some() && os.scale.is_some();
        self.peer_scale = if self.scaled { syn.options.scale.unwrap_or(0) } else { 0 };
        self.stamped = syn.options.timestamps.is_some() && os.timestamps;
        self.stamp_echo = syn.options.timestamps.map_or(0, |(value, _)| value);
        self.peer_window = u32::from(syn.window);
    }

    fn syn_ack(&mut self, now: u64) -> Segment {
        let mut answer = self.bare(now, self.iss, self.rcv, flag::SYN | flag::ACK);
        if self.host.os.syn_ack_zero {
            answer.ip_id = 0;
        }
        answer
    }

    fn syn_sent(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        let acks = segment.has(flag::ACK);
        let acceptable =
            acks && distance(segment.ack, self.iss) > 0 && distance(segment.ack, self.nxt) <= 0;
        if segment.has(flag::RST) {
            if acceptable {
                self.refused += 1;
                if self.refused <= self.host.os.refused_retries {
                    self.retransmit_at = now + REFUSED_RETRY;
                    self.tries = 0;
                } else {
                    self.die(State::Closed);
                }
            }
            return;
        }
        if acks && !acceptable {
            self.stray(now, segment, out);
            return;
        }
        if !segment.has(flag::SYN) {
            return;
        }
        self.learn(segment);
        self.rcv = segment.seq.wrapping_add(1);
        if !acks {
            // Both have called at once.
            self.state = State::SynReceived;
            let answer = self.syn_ack(now);
            out.push(answer);
            return;
        }
        self.measure(now);
        self.una = segment.ack;
        if distance(segment.ack, self.nxt) < 0 {
            // The data in the SYN was not taken.
            self.nxt = segment.ack;
        }
        self.established(now);
        self.ack_at = now;
        self.run(now, out);
        if self.ack_at != NEVER {
            self.ack_now(now, out);
        }
    }

    fn established(&mut self, now: u64) {
        self.state = State::Open;
        self.tries = 0;
        self.retransmit_at = if self.una == self.nxt { NEVER } else { now + self.rto };
    }

    fn measure(&mut self, now: u64) {
        if self.tries == 0 && self.sent_at != 0 {
            let rtt = now.saturating_sub(self.sent_at);
            self.rto = (2 * rtt).max(LEAST_TIMEOUT);
        }
    }

    // -- with a connection

    fn open(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if segment.has(flag::RST) {
            self.reset_by(now, segment, out);
            return;
        }
        if let (true, Some((value, _))) = (self.stamped, segment.options.timestamps) {
            if distance(value, self.stamp_echo) < -1 && !segment.has(flag::SYN) {
                // RFC 7323: too old to be of this connection.
                self.ack_now(now, out);
                return;
            }
            if distance(value, self.stamp_echo) > 0 {
                self.stamp_echo = value;
            }
        }
        if segment.has(flag::SYN) {
            if self.state == State::SynReceived && segment.has(flag::ACK) {
                // The other half of a simultaneous opening.
                self.una = segment.ack;
                self.established(now);
                self.ack_now(now, out);
                self.run(now, out);
            } else if self.state == State::SynReceived {
                let answer = self.syn_ack(now);
                out.push(answer);
            } else {
                self.ack_now(now, out);
            }
            return;
        }
        if !segment.has(flag::ACK) {
            return;
        }
        if self.state == State::SynReceived {
            if segment.ack != self.nxt {
                self.stray(now, segment, out);
                return;
            }
            self.measure(now);
            self.una = segment.ack;
            self.established(now);
        }
        self.peer_window = u32::from(segment.window) << self.peer_scale;
        if let Some((idle, _)) = self.keep_alive {
            self.keep_alive_at = now + idle;
        }
        self.take_ack(now, segment, out);
        if self.state == State::Closed || self.state == State::TimeWait {
            return;
        }
        self.take_data(now, segment, out);
        if matches!(self.state, State::Open) {
            self.run(now, out);
            self.transmit(now, out);
        }
        if self.ack_at <= now && self.state != State::Gone {
            self.ack_now(now, out);
        }
        if self.state == State::Open && self.fin_sent && self.una == self.nxt && self.peer_fin {
            let state = if self.fin_first { State::TimeWait } else { State::Closed };
            self.finish(state);
        }
    }

    fn finish(&mut self, state: State) {
        self.state = state;
        self.retransmit_at = NEVER;
        self.wait_until = NEVER;
        self.keep_alive_at = NEVER;
        self.ack_at = NEVER;
    }

    fn reset_by(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        let offset = distance(segment.seq, self.rcv);
        let window = BUFFER.cast_signed();
        if offset == 0 || (!self.host.os.challenges && (0..window).contains(&offset)) {
            self.die(State::Closed);
        } else if (0..window).contains(&offset) {
            self.ack_now(now, out);
        }
    }

    fn die(&mut self, state: State) {
        self.finish(state);
        self.script.clear();
        self.queue.clear();
    }

    fn take_ack(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if distance(segment.ack, self.high) > 0 {
            self.ack_now(now, out);
            return;
        }
        let fresh = distance(segment.ack, self.una);
        if fresh > 0 {
            if self.tries == 0 && self.duplicates < 3 {
                self.congestion = (self.congestion + 1).min(64);
            }
            self.una = segment.ack;
            if distance(self.nxt, self.una) < 0 {
                self.nxt = self.una;
            }
            if self.fin_wanted && self.una == self.written.wrapping_add(1) {
                self.fin_sent = true;
            }
            let una = self.una;
            self.queue.retain(|(at, data)| distance(at.wrapping_add(data.len() as u32), una) > 0);
            self.tries = 0;
            let recovering = self.duplicates >= 3 && distance(self.una, self.recover) < 0;
            if recovering {
                self.resend(now, out, false);
            } else {
                self.duplicates = 0;
            }
            self.retransmit_at = if self.una == self.high { NEVER } else { now + self.rto };
        } else if fresh == 0 && self.una != self.high && segment.length() == 0 {
            self.duplicates = self.duplicates.saturating_add(1);
            if self.duplicates == 3 {
                self.recover = self.high;
                self.resend(now, out, false);
            }
        }
    }

    fn take_data(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if segment.length() == 0 {
            // A probe below the window asks for an answer.
            if distance(segment.seq, self.rcv) < 0 {
                self.ack_now(now, out);
            }
            return;
        }
        let end = segment.seq.wrapping_add(segment.payload.len() as u32);
        if distance(segment.end(), self.rcv) <= 0 {
            self.ack_now(now, out);
            return;
        }
        if self.read_closed && !segment.payload.is_empty() {
            // The program has closed and will never read this.
            self.stray(now, segment, out);
            self.die(State::Closed);
            return;
        }
        if segment.has(flag::FIN) {
            self.early_fin = Some(end);
        }
        if distance(segment.seq, self.rcv) > 0 {
            self.early.push((segment.seq, end));
            self.ack_now(now, out);
            return;
        }
        if !self.reading && self.unread >= 2 * 65_535 {
            // A probe into a closed window.
            self.ack_now(now, out);
            return;
        }
        let filled = !self.early.is_empty();
        let before = self.rcv;
        if distance(end, self.rcv) > 0 {
            self.rcv = end;
        }
        while let Some(place) = self
            .early
            .iter()
            .position(|(from, to)| distance(*from, self.rcv) <= 0 && distance(*to, self.rcv) > 0)
        {
            self.rcv = self.early.swap_remove(place).1;
        }
        let rcv = self.rcv;
        self.early.retain(|(_, to)| distance(*to, rcv) > 0);
        let fresh = rcv.wrapping_sub(before);
        self.received += fresh;
        if !self.reading {
            self.unread += fresh;
        }
        let fin = self.early_fin == Some(self.rcv) && !self.peer_fin;
        if fin {
            self.peer_fin = true;
            self.rcv = self.rcv.wrapping_add(1);
        }
        self.unacked += 1;
        let hurry = fin || filled || self.unacked >= 2 || self.quick > 0;
        self.quick = self.quick.saturating_sub(1);
        self.ack_at = if hurry { now } else { self.ack_at.min(now + ACK_DELAY) };
    }

    // -- the program

    /// The answer of the far end to a client that its NAT has given another port.
    pub fn unknown(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        self.stray(now, segment, out);
        if let Some(answer) = out.last_mut() {
            answer.port_shift = segment.port_shift;
        }
    }

    /// By how much the client's port is shifted at present.
    pub const fn port_shift(&self) -> u16 {
        self.port_shift
    }

    /// Goes on with the script as far as it gets.
    fn run(&mut self, now: u64, out: &mut Vec<Segment>) {
        if self.wait_until != NEVER {
            return;
        }
        while let Some(step) = self.script.front() {
            match step {
                Step::Await(octets) if self.received < *octets => return,
                Step::AwaitFin if !self.peer_fin => return,
                Step::Pause(time) => {
                    self.wait_until = now + time;
                    return;
                }
                _ => {}
            }
            let Some(step) = self.script.pop_front() else { return };
            self.step(now, step, out);
        }
    }

    fn step(&mut self, now: u64, step: Step, out: &mut Vec<Segment>) {
        match step {
            Step::Await(_) | Step::AwaitFin | Step::Pause(_) => {}
            Step::Send(data) => {
                let at = self.written;
                self.written = at.wrapping_add(data.len() as u32);
                self.queue.push((at, data));
                self.transmit(now, out);
            }
            Step::Close | Step::Shutdown => {
                self.read_closed = matches!(step, Step::Close);
                self.fin_wanted = true;
                self.fin_first = !self.peer_fin;
                self.transmit(now, out);
            }
            Step::Abort => self.abort(now, out),
            Step::StopReading => self.reading = false,
            Step::StartReading => {
                self.reading = true;
                self.unread = 0;
                self.ack_now(now, out);
            }
            Step::Forget => self.die(State::Closed),
            Step::Vanish => self.die(State::Gone),
            Step::KeepAlive(idle, rubbish) => {
                self.keep_alive = Some((idle, rubbish));
                self.keep_alive_at = now + idle;
            }
            Step::Rebind(shift) => self.port_shift = shift,
            Step::Reroute(shift) => self.ttl_shift = shift,
        }
    }

    fn abort(&mut self, now: u64, out: &mut Vec<Segment>) {
        let os = self.host.os;
        let flags = if os.abort_ack { flag::RST | flag::ACK } else { flag::RST };
        let ack = if os.abort_ack { self.rcv } else { 0 };
        // What was sent, not where a retransmission has come to (Linux: `tcp_acceptable_seq`; BSD:
        // `snd_max`).
        let mut reset = self.bare(now, self.high, ack, flags);
        if os.abort_window_zero {
            reset.window = 0;
        }
        if !os.abort_timestamps {
            reset.options = Options::default();
        }
        reset.ttl = os.abort_ttl;
        reset.df = os.abort_df;
        if os.abort_zero {
            reset.ip_id = 0;
        }
        reset.payload = Bytes::from_static(self.knobs.reset_payload);
        out.push(reset);
        self.die(State::Closed);
    }

    // -- sending

    /// Sends what window and congestion window allow.
    fn transmit(&mut self, now: u64, out: &mut Vec<Segment>) {
        if self.state != State::Open {
            return;
        }
        let mss = u32::from(self.mss());
        let bundle = (mss * u32::from(self.knobs.bundle)).min(60_000);
        loop {
            let flying = self.nxt.wrapping_sub(self.una);
            let window = self.peer_window.min(self.congestion * mss);
            let left = self.written.wrapping_sub(self.nxt).cast_signed();
            if left > 0 && window > flying {
                let Some(segment) = self.piece(now, self.nxt, bundle.min(window - flying)) else {
                    return;
                };
                self.nxt = segment.end();
                self.send(now, segment, out);
            } else if left > 0 && self.peer_window == 0 && flying == 0 {
                // Asks from time to time whether the window is open again.
                if self.retransmit_at == NEVER {
                    self.retransmit_at = now + self.rto;
                }
                return;
            } else if left == 0 && self.fin_wanted && !self.fin_sent {
                self.fin_sent = true;
                let fin = self.bare(now, self.nxt, self.rcv, flag::FIN | flag::ACK);
                self.nxt = self.nxt.wrapping_add(1);
                self.send(now, fin, out);
                return;
            } else {
                return;
            }
        }
    }

    fn send(&mut self, now: u64, segment: Segment, out: &mut Vec<Segment>) {
        if distance(self.nxt, self.high) > 0 {
            self.high = self.nxt;
        }
        if self.retransmit_at == NEVER {
            self.retransmit_at = now + self.rto;
        }
        self.ack_at = NEVER;
        self.unacked = 0;
        out.push(segment);
    }

    /// Up to `most` octets of what was written, from `at` on.
    fn piece(&mut self, now: u64, at: u32, most: u32) -> Option<Segment> {
        let (start, data) = self.queue.iter().find(|(start, data)| {
            distance(at, *start) >= 0 && distance(at, start.wrapping_add(data.len() as u32)) < 0
        })?;
        let from = at.wrapping_sub(*start) as usize;
        let length = (data.len() - from).min(most.min(u32::from(self.knobs.chunk)) as usize);
        let last = from + length == data.len();
        let payload = data.slice(from..from + length);
        let flags = if last { flag::PSH | flag::ACK } else { flag::ACK };
        let mut segment = self.bare(now, at, self.rcv, flags);
        segment.payload = payload;
        Some(segment)
    }

    fn timed_out(&mut self, now: u64, out: &mut Vec<Segment>) {
        let refused = self.state == State::SynSent && self.refused > 0;
        if self.tries >= self.knobs.patience {
            self.die(State::Closed);
            return;
        }
        self.tries += u8::from(!refused);
        match self.state {
            State::SynSent => {
                let syn = self.bare(now, self.iss, 0, flag::SYN);
                out.push(syn);
            }
            State::SynReceived => {
                let answer = self.syn_ack(now);
                out.push(answer);
            }
            State::Open => {
                self.duplicates = 0;
                self.congestion = INITIAL_WINDOW.min(4);
                if self.una == self.high {
                    // As long as the peer answers it may keep its window closed.
                    self.tries -= 1;
                    let probe = self.bare(now, self.una.wrapping_sub(1), self.rcv, flag::ACK);
                    out.push(probe);
                } else {
                    self.resend(now, out, true);
                }
            }
            _ => {
                self.retransmit_at = NEVER;
                return;
            }
        }
        self.rto = (self.rto * 2).min(60 * SECOND);
        self.retransmit_at = now + self.rto;
    }

    /// Sends the oldest again that was not acknowledged. After a time-out all behind it is thought
    /// lost as well.
    fn resend(&mut self, now: u64, out: &mut Vec<Segment>, all: bool) {
        let most = if self.knobs.repacks { 1_000 } else { u32::from(self.mss()) };
        match self.piece(now, self.una, most) {
            Some(segment) => {
                if all {
                    self.nxt = segment.end();
                    if self.fin_sent && distance(self.nxt, self.high) < 0 {
                        self.fin_sent = false;
                    }
                }
                out.push(segment);
            }
            None if self.fin_sent || (self.fin_wanted && self.una == self.written) => {
                let fin = self.bare(now, self.una, self.rcv, flag::FIN | flag::ACK);
                self.fin_sent = true;
                self.nxt = self.high;
                out.push(fin);
            }
            None => {}
        }
    }

    fn probe(&mut self, now: u64, out: &mut Vec<Segment>) {
        let Some((idle, rubbish)) = self.keep_alive else { return };
        let mut probe = self.bare(now, self.nxt.wrapping_sub(1), self.rcv, flag::ACK);
        if rubbish {
            probe.payload = Bytes::from_static(&[0]);
        }
        out.push(probe);
        self.keep_alive_at = now + idle;
    }

    fn ack_now(&mut self, now: u64, out: &mut Vec<Segment>) {
        let mut ack = self.bare(now, self.high, self.rcv, flag::ACK);
        ack.options.sack = self.early.first().copied().filter(|_| self.stamped);
        out.push(ack);
        self.ack_at = NEVER;
        self.unacked = 0;
    }

    fn mss(&self) -> u16 {
        self.knobs.mss.min(self.peer_mss) - if self.stamped { 12 } else { 0 }
    }

    /// A segment as this stack makes them, without payload.
    fn bare(&mut self, now: u64, seq: u32, ack: u32, flags: u16) -> Segment {
        let os = self.host.os;
        let syn = flags & flag::SYN != 0;
        let answers = flags & flag::ACK != 0;
        let mut segment = Segment::empty(self.end);
        segment.ttl = os.ttl.saturating_add_signed(self.ttl_shift);
        segment.ip_id = self.host.next_id();
        segment.df = os.df;
        segment.label = self.label;
        segment.seq = seq;
        segment.ack = if answers { ack } else { 0 };
        segment.flags = flags;
        segment.port_shift = self.port_shift;
        // Timestamps tick in milliseconds.
        let value = self.stamp_base.wrapping_add((now / MS) as u32);
        if syn {
            segment.window = os.window;
            let cookie = self.knobs.cookies;
            segment.options = Options {
                mss: Some(self.knobs.mss),
                sack_ok: !cookie,
                timestamps: (os.timestamps && !cookie && (!answers || self.stamped))
                    .then_some((value, self.stamp_echo)),
                scale: os.scale.filter(|_| !cookie && (!answers || self.scaled)),
                sack: None,
                extra: self.knobs.syn_extra,
            };
        } else {
            segment.window = self.window();
            if self.stamped {
                segment.options.timestamps = Some((value, self.stamp_echo));
            }
            segment.options.extra = self.knobs.extra;
        }
        if self.knobs.mirrors {
            (segment.ip_id, segment.window) = self.mirror;
        }
        segment
    }

    fn window(&self) -> u16 {
        let room = if self.reading { 65_535 } else { (2 * 65_535_u32).saturating_sub(self.unread) };
        let scale = if self.scaled { self.host.os.scale.unwrap_or(0) } else { 0 };
        // What programs have not read stays well below the buffer on a path as slow as these.
        if room == 0 { 0 } else { ((room.max(1) >> scale) as u16).max(1) }
    }
}
