//! What passes beside the conversations, as fast as this machine makes it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use probe_common::wire::tcp_flag;

use crate::bench::{
    live::send::pin,
    packets::{self, Below::V4, From, UNWATCHED, Varied, WATCHED},
    watched::{Sender, Watched},
};

/// Packets of one kind that are sent in one go. Each go waits some 10 ms at its beginning and its end, until
/// the kernel has put the sending program into its path and taken it out; so they are long.
const PART: u32 = 1 << 14;

/// Kinds of packets, with how many parts each has of a round: the mix of `cargo xtask bench`, as a
/// network of subscribers has it.
fn mix() -> Vec<(Varied, u32)> {
    let [query, _] = packets::lookup(V4, "www.example.org");
    vec![
        (packets::bulk(V4, From::Client, UNWATCHED), 18),
        (packets::ack(V4, UNWATCHED), 6),
        (packets::other(V4), 5),
        (packets::bulk(V4, From::Client, WATCHED), 1),
        (packets::flood(V4, UNWATCHED, tcp_flag::SYN), 1),
        (query, 1),
    ]
}

/// Sends the mix on the last CPU until it is `over`, at most `rate` packets a second; counts in `sent`.
///
/// # Errors
///
/// If the kernel refuses.
pub fn flood(
    watched: &Watched,
    rate: Option<f64>,
    sent: &AtomicU64,
    over: &AtomicBool,
) -> anyhow::Result<()> {
    pin(thread::available_parallelism()?.get() - 1)?;
    let mut sender = Sender::new()?;
    let (mix, start, mut round) = (mix(), Instant::now(), 0_u64);
    while !over.load(Ordering::Relaxed) {
        for (packet, parts) in &mix {
            let count = PART * parts;
            watched.send(&mut sender, packet, round * u64::from(count), count)?;
            sent.fetch_add(count.into(), Ordering::Relaxed);
        }
        round += 1;
        if let Some(rate) = rate {
            let due = Duration::from_secs_f64(sent.load(Ordering::Relaxed) as f64 / rate);
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
    Ok(())
}
