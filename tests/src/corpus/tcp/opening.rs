//! Beginnings, and what is answered by a stack that has no such connection.

use bytes::Bytes;

use super::{LEAST_TIMEOUT, NEVER, REFUSED_RETRY, State, Tcp, distance};
use crate::corpus::{
    script::Step,
    segment::{Options, Segment, flag},
};

/// Least time between the handshake's end and a program's first data, in nanoseconds.
const MOMENT: u64 = 40_000;

impl Tcp {
    /// The answer of a stack that has no such connection (RFC 9293, 3.10.7.1).
    pub(super) fn stray(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
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

    pub(super) fn listen(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
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

    pub(super) fn learn(&mut self, syn: &Segment) {
        let os = self.host.os;
        self.peer_mss = syn.options.mss.unwrap_or(536);
        self.scaled = syn.options.scale.is_some() && os.scale.is_some();
        self.peer_scale = if self.scaled { syn.options.scale.unwrap_or(0) } else { 0 };
        self.stamped = syn.options.timestamps.is_some() && os.timestamps;
        self.stamp_echo = syn.options.timestamps.map_or(0, |(value, _)| value);
        self.peer_window = u32::from(syn.window);
    }

    pub(super) fn syn_ack(&mut self, now: u64) -> Segment {
        let mut answer = self.bare(now, self.iss, self.rcv, flag::SYN | flag::ACK);
        if self.host.os.syn_ack_zero {
            answer.ip_id = 0;
        }
        answer
    }

    pub(super) fn syn_sent(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
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
        self.ack_now(now, out);
        // The program needs a moment to learn of it.
        let moment = MOMENT + u64::from(self.iss & 0x3_ffff);
        self.script.push_front(Step::Pause(moment));
        self.run(now, out);
    }

    pub(super) fn established(&mut self, now: u64) {
        self.state = State::Open;
        self.tries = 0;
        self.retransmit_at = if self.una == self.nxt { NEVER } else { now + self.rto };
    }

    pub(super) fn measure(&mut self, now: u64) {
        if self.tries == 0 && self.sent_at != 0 {
            let rtt = now.saturating_sub(self.sent_at);
            self.rto = (2 * rtt).max(LEAST_TIMEOUT);
            self.usual_rto = self.rto;
        }
    }
}
