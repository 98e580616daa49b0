//! Programs for measurement, in no object that is ever attached to a network: they vary the packet
//! that they are given, and go on to the engine, or not.

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX},
    helpers::bpf_ktime_get_boot_ns,
    macros::{classifier, map, xdp},
    maps::PerCpuArray,
    programs::{TcContext, XdpContext},
};
use probe_common::{
    bench::{OFFSET_MAX, Vary},
    engine::Branch,
    flow::FlowStore as _,
};

use crate::{
    hook,
    maps::{self, Flows},
    octets::opaque,
};

/// The golden ratio in 64 bits: odd, and of no pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// How packets are varied on each CPU.
#[map]
static VARY: PerCpuArray<Vary> = PerCpuArray::with_max_entries(1, 0);

/// Takes the packet through the engine, and varies it for the next run.
///
/// In this order: what has only just been written cannot be read in words of another size without a
/// wait, and a packet that comes from a network card does not have that.
#[xdp(frags)]
#[inline(always)]
pub fn bench_probe(ctx: XdpContext) -> u32 {
    hook::ingress::<true>(&ctx);
    vary(&ctx);
    XDP_PASS
}

/// Declares what [`bench_probe`] goes on to with the packets of one branch, varied there.
macro_rules! follow {
    ($branch:ident: $name:ident) => {
        #[xdp(frags)]
        #[inline(always)]
        pub fn $name(ctx: XdpContext) -> u32 {
            hook::ingress_follow::<true>(&ctx, Branch::$branch);
            vary(&ctx);
            XDP_PASS
        }
    };
}

follow!(Tcp: bench_probe_tcp);
follow!(Dns: bench_probe_dns);
follow!(Quic: bench_probe_quic);
follow!(Icmp: bench_probe_icmp);

/// The zero of the scale: varies the packet, and that is all.
#[xdp(frags)]
#[inline(always)]
pub fn bench_zero(ctx: XdpContext) -> u32 {
    vary(&ctx);
    XDP_PASS
}

/// What bounds a packet of one flow among a million: varies the packet and reads one word of the flow
/// table, any.
#[xdp(frags)]
#[inline(always)]
pub fn bench_touch(ctx: XdpContext) -> u32 {
    touch();
    vary(&ctx);
    XDP_PASS
}

/// What bounds a packet that is timed: varies the packet and reads the clock.
#[xdp(frags)]
#[inline(always)]
pub fn bench_clock(ctx: XdpContext) -> u32 {
    // SAFETY: the helper takes nothing and always succeeds.
    opaque(unsafe { bpf_ktime_get_boot_ns() } as usize);
    vary(&ctx);
    XDP_PASS
}

#[inline(always)]
fn touch() {
    let Some(vary) = VARY.get_ptr_mut(0) else { return };
    // SAFETY: of this CPU alone, for as long as the program runs.
    let vary = unsafe { &mut *vary };
    // Twice, or all steps would be equally long, and what fetches ahead would see them coming.
    let spread = (vary.sequence ^ vary.read).wrapping_mul(FACTOR);
    let spread = (spread ^ spread >> 29).wrapping_mul(FACTOR);
    let (mut flows, index) = (Flows, (spread >> 32) as u32 & maps::config().flow_mask);
    let Some(block) = flows.flow_block(index) else { return };
    vary.read = block.tags[0];
}

/// Varies the packet and sends it out of the interface that it is said to have come by.
#[xdp]
#[inline(always)]
pub fn bench_send(ctx: XdpContext) -> u32 {
    vary(&ctx);
    mend(&ctx);
    XDP_TX
}

/// Passes: the least that a program at an interface can do.
#[xdp(frags)]
#[inline(always)]
pub fn bench_pass(_ctx: XdpContext) -> u32 {
    XDP_PASS
}

/// The end of the road for what was sent.
#[xdp(frags)]
#[inline(always)]
pub fn bench_drop(_ctx: XdpContext) -> u32 {
    XDP_DROP
}

/// Passes: the least that a program at egress can do.
#[classifier]
#[inline(always)]
pub fn bench_next(_ctx: TcContext) -> i32 {
    crate::TC_PASS
}

#[inline(always)]
fn vary(ctx: &XdpContext) {
    let Some(vary) = VARY.get_ptr_mut(0) else { return };
    // SAFETY: of this CPU alone, for as long as the program runs.
    let vary = unsafe { &mut *vary };
    let client = vary.step();
    write(ctx, vary.address_at, client.address.to_be());
    write(ctx, vary.port_at, client.port.to_be());
    if vary.number_at != 0 {
        write(ctx, vary.number_at, client.number.to_be());
    }
}

/// Writes into the packet, if it is that long.
#[inline(always)]
fn write<T: Copy>(ctx: &XdpContext, at: u32, value: T) {
    let at = opaque((at & OFFSET_MAX) as usize);
    let to = opaque(ctx.data() + at);
    if to + size_of::<T>() > ctx.data_end() {
        return;
    }
    // SAFETY: just compared with the packet's end; as to alignment, see `Window::read`.
    unsafe { *(to as *mut T) = value };
}

/// TTL or hop limit of what is sent.
const HOPS: u8 = 64;

/// Gives an IP header behind Ethernet what its last way took: hops and checksum. A live frame's memory
/// is used again as it comes back, after a router has written to it.
#[inline(always)]
fn mend(ctx: &XdpContext) {
    const ETHERTYPE: usize = 12;
    const HOP_LIMIT: usize = 14 + 7;
    const TTL: usize = 14 + 8;
    const CHECKSUM: usize = 14 + 10;
    const END: usize = 14 + 20;
    let start = opaque(ctx.data());
    if start + END > ctx.data_end() {
        return;
    }
    let word = |at: usize| (start + at) as *mut u16;
    // SAFETY: all of it lies before the end, just compared; as to alignment, see `Window::read`.
    unsafe {
        match u16::from_be(*word(ETHERTYPE)) {
            0x0800 => {
                *((start + TTL) as *mut u8) = HOPS;
                *word(CHECKSUM) = 0;
                let mut sum = 0_u32;
                let mut at = 14;
                while at < END {
                    sum += u32::from(*word(at));
                    at += 2;
                }
                sum = (sum & 0xffff) + (sum >> 16);
                sum = (sum & 0xffff) + (sum >> 16);
                *word(CHECKSUM) = !sum as u16;
            }
            0x86dd => *((start + HOP_LIMIT) as *mut u8) = HOPS,
            _ => {}
        }
    }
}
