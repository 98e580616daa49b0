//! Packets without number, made by the kernel itself.

use std::{sync::Barrier, thread, time::Duration};

use anyhow::Context as _;
use aya::{TestRun as _, TestRunAttrs, TestRunOptions, programs::Xdp};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use probe_user::source::kernel::replay::XdpMd;
use zerocopy::IntoBytes as _;

/// Frames that are made before they are received: fewer than a device takes at once (64), so that it
/// has taken all of them before the next.
const BATCH: u32 = 48;

/// Frames to be sent.
#[derive(Clone, Debug)]
pub struct Load {
    /// The frame that is varied.
    pub frame: Vec<u8>,
    /// How often.
    pub count: u32,
}

/// Has the calling thread run on `cpu` alone.
///
/// # Errors
///
/// If there is no such CPU.
pub fn pin(cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .with_context(|| format!("cannot run on CPU {cpu}"))
}

/// Sends `load` out of device `index` of the calling thread's namespace, as `program` varies it, which
/// says `XDP_TX`. What receives it at the other end of the pair does so on the same CPU, between two
/// batches: so nothing is lost, and the time is that of both. Returns it as the kernel measured it,
/// without what other processes of this machine took meanwhile.
///
/// # Errors
///
/// If the kernel refuses.
pub fn send(program: &Xdp, index: u32, load: &Load) -> anyhow::Result<Duration> {
    let Load { frame, count } = load;
    let data_end = frame.len() as u32;
    let context = XdpMd { data_end, ingress_ifindex: index, ..XdpMd::default() };
    let options = TestRunOptions {
        data_in: Some(frame),
        ctx_in: Some(context.as_bytes()),
        repeat: *count,
        attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
        ..TestRunOptions::new()
    };
    let result = program.test_run(options).context("the kernel sends no live frames")?;
    Ok(result.duration * *count)
}

/// Has each of `cpus` do `work` at the same time, in the calling thread's namespace. Returns what each
/// has to say.
///
/// # Errors
///
/// If one of them fails.
pub fn at_once<T: Send>(
    cpus: &[usize],
    work: impl Fn(usize) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let ready = Barrier::new(cpus.len());
    thread::scope(|scope| {
        let (ready, work) = (&ready, &work);
        let threads = cpus.iter().map(|&cpu| {
            scope.spawn(move || {
                let pinned = pin(cpu);
                ready.wait();
                pinned.and_then(|()| work(cpu))
            })
        });
        let threads = threads.collect::<Vec<_>>().into_iter();
        threads
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
