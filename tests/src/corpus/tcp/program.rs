//! The program's steps.

use bytes::Bytes;

use super::{NEVER, State, Tcp};
use crate::corpus::{
    script::Step,
    segment::{Options, Segment, flag},
};

impl Tcp {
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
    pub(super) fn run(&mut self, now: u64, out: &mut Vec<Segment>) {
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

    pub(super) fn step(&mut self, now: u64, step: Step, out: &mut Vec<Segment>) {
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

    pub(super) fn abort(&mut self, now: u64, out: &mut Vec<Segment>) {
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
}
