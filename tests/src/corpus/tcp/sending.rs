//! What is sent, when, and with which header fields.

use bytes::Bytes;

use super::{INITIAL_WINDOW, NEVER, State, Tcp, distance};
use crate::corpus::{
    script::{MS, SECOND},
    segment::{Options, Segment, flag},
};

/// Least time between acknowledgments of what should not have come: Linux's
/// `tcp_invalid_ratelimit`.
const CHALLENGE_LIMIT: u64 = 500 * MS;

impl Tcp {
    /// Sends what window and congestion window allow.
    pub(super) fn transmit(&mut self, now: u64, out: &mut Vec<Segment>) {
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

    pub(super) fn send(&mut self, now: u64, segment: Segment, out: &mut Vec<Segment>) {
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
    pub(super) fn piece(&mut self, now: u64, at: u32, most: u32) -> Option<Segment> {
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

    pub(super) fn timed_out(&mut self, now: u64, out: &mut Vec<Segment>) {
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
    pub(super) fn resend(&mut self, now: u64, out: &mut Vec<Segment>, all: bool) {
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

    pub(super) fn probe(&mut self, now: u64, out: &mut Vec<Segment>) {
        let Some((idle, rubbish)) = self.keep_alive else { return };
        let mut probe = self.bare(now, self.nxt.wrapping_sub(1), self.rcv, flag::ACK);
        if rubbish {
            probe.payload = Bytes::from_static(&[0]);
        }
        out.push(probe);
        self.keep_alive_at = now + idle;
    }

    pub(super) fn ack_now(&mut self, now: u64, out: &mut Vec<Segment>) {
        let mut ack = self.bare(now, self.high, self.rcv, flag::ACK);
        ack.options.sack = self.early.first().copied().filter(|_| self.stamped);
        out.push(ack);
        self.ack_at = NEVER;
        self.unacked = 0;
    }

    /// Acknowledges something that should not have come, seldom: two ends that answer each other so
    /// would never stop.
    pub(super) fn challenge(&mut self, now: u64, out: &mut Vec<Segment>) {
        if now >= self.challenged_at {
            self.challenged_at = now + CHALLENGE_LIMIT;
            self.ack_now(now, out);
        }
    }

    pub(super) fn mss(&self) -> u16 {
        self.knobs.mss.min(self.peer_mss) - if self.stamped { 12 } else { 0 }
    }

    /// A segment as this stack makes them, without payload.
    pub(super) fn bare(&mut self, now: u64, seq: u32, ack: u32, flags: u16) -> Segment {
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

    pub(super) fn window(&self) -> u16 {
        let room = if self.reading { 65_535 } else { (2 * 65_535_u32).saturating_sub(self.unread) };
        let scale = if self.scaled { self.host.os.scale.unwrap_or(0) } else { 0 };
        // What programs have not read stays well below the buffer on a path as slow as these.
        if room == 0 { 0 } else { ((room.max(1) >> scale) as u16).max(1) }
    }
}
