//! What comes in for a connection that stands: acknowledgments, data, FIN, resets.

use super::{ACK_DELAY, BUFFER, NEVER, State, Tcp, distance};
use crate::corpus::segment::{Segment, flag};

impl Tcp {
    pub(super) fn open(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if segment.has(flag::RST) {
            self.reset_by(now, segment, out);
            return;
        }
        if let (true, Some((value, _))) = (self.stamped, segment.options.timestamps) {
            if distance(value, self.stamp_echo) < -1 && !segment.has(flag::SYN) {
                // RFC 7323: too old to be of this connection.
                self.challenge(now, out);
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

    pub(super) fn finish(&mut self, state: State) {
        self.state = state;
        self.retransmit_at = NEVER;
        self.wait_until = NEVER;
        self.keep_alive_at = NEVER;
        self.ack_at = NEVER;
    }

    pub(super) fn reset_by(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        let offset = distance(segment.seq, self.rcv);
        let window = BUFFER.cast_signed();
        if offset == 0 || (!self.host.os.challenges && (0..window).contains(&offset)) {
            self.die(State::Closed);
        } else if (0..window).contains(&offset) {
            self.challenge(now, out);
        }
    }

    pub(super) fn die(&mut self, state: State) {
        self.finish(state);
        self.script.clear();
        self.queue.clear();
    }

    pub(super) fn take_ack(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if distance(segment.ack, self.high) > 0 {
            self.challenge(now, out);
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
            if self.knobs.recovers {
                self.rto = self.usual_rto;
            }
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

    pub(super) fn take_data(&mut self, now: u64, segment: &Segment, out: &mut Vec<Segment>) {
        if segment.length() == 0 {
            // A probe below the window asks for an answer.
            if distance(segment.seq, self.rcv) < 0 {
                self.challenge(now, out);
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
}
