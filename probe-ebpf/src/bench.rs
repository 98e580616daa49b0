//! Programs for measurement, in no object that is ever attached to a network: they vary the packet
//! that they are given, and go on to the engine, or not.

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX},
    macros::{map, xdp},
    maps::PerCpuArray,
    programs::XdpContext,
};
use probe_common::bench::{OFFSET_MAX, Vary};

use crate::{hook, octets::opaque};

/// How packets are varied on each CPU.
#[map]
static VARY: PerCpuArray<Vary> = PerCpuArray::with_max_entries(1, 0);

/// Varies the packet, and takes it through the engine.
#[xdp(frags)]
pub fn bench_probe(ctx: XdpContext) -> u32 {
    vary(&ctx);
    hook::ingress(&ctx);
    XDP_PASS
}

/// The zero of the scale: varies the packet, and that is all.
#[xdp(frags)]
pub fn bench_zero(ctx: XdpContext) -> u32 {
    vary(&ctx);
    XDP_PASS
}

/// Varies the packet and sends it out of the interface that it is said to have come by.
#[xdp]
pub fn bench_send(ctx: XdpContext) -> u32 {
    vary(&ctx);
    XDP_TX
}

/// Passes: the least that a program at an interface can do.
#[xdp(frags)]
pub fn bench_pass(_ctx: XdpContext) -> u32 {
    XDP_PASS
}

/// The end of the road for what was sent.
#[xdp(frags)]
pub fn bench_drop(_ctx: XdpContext) -> u32 {
    XDP_DROP
}

#[inline(always)]
fn vary(ctx: &XdpContext) {
    let Some(vary) = VARY.get_ptr_mut(0) else { return };
    // SAFETY: of this CPU alone, for as long as the program runs.
    let vary = unsafe { &mut *vary };
    let client = vary.step();
    write(ctx, vary.address_at, client.address.to_be_bytes());
    write(ctx, vary.port_at, client.port.to_be_bytes());
    if vary.number_at != 0 {
        write(ctx, vary.number_at, client.number.to_be_bytes());
    }
}

/// Writes into the packet, as far as it goes.
#[inline(always)]
fn write<const N: usize>(ctx: &XdpContext, at: u32, octets: [u8; N]) {
    let at = opaque((at & OFFSET_MAX) as usize);
    let to = opaque(ctx.data() + at);
    if to + N > ctx.data_end() {
        return;
    }
    // SAFETY: just compared with the packet's end.
    unsafe { *(to as *mut [u8; N]) = octets };
}
