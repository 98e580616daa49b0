//! From a hook's context to the engine.

use aya_ebpf::{
    helpers::bpf_ktime_get_ns,
    programs::{TcContext, XdpContext},
};
use probe_common::{
    config::{Config, FLAG_SKIP_FORWARDED, FLAG_STAMPED},
    counter::Counter,
    engine::{Engine, Stamp},
    event::{Metadata, hook},
};

use crate::{
    maps::{self, Flows, Questions, Quics, Resolvers},
    octets::{Capture, CopiedOctets, Window, XdpOctets},
    output::Output,
};

/// Index of each hook's scratch.
const SCRATCH_INGRESS: u32 = 0;
const SCRATCH_EGRESS: u32 = 1;

/// A packet enters; `SEVERAL`: it may be in several buffers.
#[inline(always)]
pub(crate) fn ingress<const SEVERAL: bool>(ctx: &XdpContext) {
    let config = maps::config();
    if config.flags & FLAG_STAMPED != 0 {
        let Some(metadata) = metadata(ctx) else { return };
        let octets = XdpOctets::<SEVERAL>::new(ctx, Some(metadata.wire_len as usize));
        let stamp = || Stamp {
            time: metadata.time,
            frame: metadata.frame,
            interface: 0,
            vlan: 0,
            hook: hook::CAPTURE,
        };
        run(config, &octets, SCRATCH_INGRESS, stamp);
        return;
    }
    let stamp = || Stamp {
        time: now(),
        frame: 0,
        interface: ctx.ingress_ifindex() as u32,
        vlan: 0,
        hook: hook::INGRESS,
    };
    run(config, &XdpOctets::<SEVERAL>::new(ctx, None), SCRATCH_INGRESS, stamp);
}

/// A packet leaves.
#[inline(always)]
pub(crate) fn egress(ctx: &TcContext) {
    let config = maps::config();
    // SAFETY: the kernel gives a valid context.
    let skb = unsafe { &*ctx.skb.skb };
    if config.flags & FLAG_SKIP_FORWARDED != 0
        && skb.ingress_ifindex != 0
        && maps::is_watched(skb.ingress_ifindex)
    {
        if let Some(counts) = maps::counts(0) {
            counts[Counter::Packets as usize] += 1;
            counts[Counter::Octets as usize] += u64::from(skb.len);
            counts[Counter::SeenAtIngress as usize] += 1;
        }
        return;
    }
    let stamp = || Stamp {
        time: now(),
        frame: 0,
        interface: skb.ifindex,
        vlan: if skb.vlan_present != 0 { skb.vlan_tci as u16 & 0x0fff } else { 0 },
        hook: hook::EGRESS,
    };
    // Forwarded packets often have little more than their headers in the linear part of the skb,
    // and to make them linear would be to touch them. So the beginning is copied.
    match maps::copy(0).and_then(|copy| CopiedOctets::new(ctx, copy)) {
        Some(octets) => run(config, &octets, SCRATCH_EGRESS, stamp),
        None => {
            if let Some(counts) = maps::counts(0) {
                counts[Counter::Packets as usize] += 1;
                counts[Counter::Octets as usize] += u64::from(skb.len);
                counts[Counter::Truncated as usize] += 1;
            }
        }
    }
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper takes nothing and always succeeds.
    unsafe { bpf_ktime_get_ns() }
}

/// What a replay put in front of the packet.
#[inline(always)]
fn metadata(ctx: &XdpContext) -> Option<Metadata> {
    // SAFETY: the kernel gives a valid context.
    let md = unsafe { &*ctx.ctx };
    Window::new(md.data_meta, md.data).read(0)
}

#[inline(always)]
fn run<O: Capture>(config: &Config, octets: &O, scratch: u32, stamp: impl FnOnce() -> Stamp) {
    let (Some(mut output), Some(scratch)) = (Output::new(config), maps::scratch(scratch)) else {
        return;
    };
    let mut engine = Engine {
        config,
        flows: &mut Flows,
        questions: &mut Questions,
        resolvers: &mut Resolvers,
        quics: &mut Quics,
        output: &mut output,
        scratch,
    };
    engine.packet(octets, stamp);
}
