//! From a hook's context to the engine.

use aya_ebpf::{
    helpers::bpf_ktime_get_boot_ns,
    programs::{TcContext, XdpContext},
};
use probe_common::{
    config::{Config, FLAG_SKIP_FORWARDED, FLAG_STAMPED},
    counter::Counter,
    engine::{Branch, Engine, Stamp},
    event::{Metadata, Scratch, hook},
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
    let branch = if config.flags & FLAG_STAMPED != 0 {
        let Some(metadata) = metadata(ctx) else { return };
        sort(config, &replayed::<SEVERAL>(ctx, &metadata), SCRATCH_INGRESS)
    } else {
        sort(config, &XdpOctets::<SEVERAL>::new(ctx, None), SCRATCH_INGRESS)
    };
    if let Some(branch) = branch {
        maps::ingress_goes_on(ctx, branch);
        count(Counter::NotFollowed);
    }
}

/// A packet that entered is followed.
#[inline(always)]
pub(crate) fn ingress_follow<const SEVERAL: bool>(ctx: &XdpContext, branch: Branch) {
    let config = maps::config();
    if config.flags & FLAG_STAMPED != 0 {
        let Some(metadata) = metadata(ctx) else { return };
        let stamp = Stamp {
            time: metadata.time,
            frame: metadata.frame,
            interface: 0,
            vlan: 0,
            hook: hook::CAPTURE,
        };
        follow(config, &replayed::<SEVERAL>(ctx, &metadata), SCRATCH_INGRESS, branch, stamp);
        return;
    }
    let stamp = Stamp {
        time: now(),
        frame: 0,
        interface: ctx.ingress_ifindex() as u32,
        vlan: 0,
        hook: hook::INGRESS,
    };
    follow(config, &XdpOctets::<SEVERAL>::new(ctx, None), SCRATCH_INGRESS, branch, stamp);
}

/// A packet of a capture.
#[inline(always)]
fn replayed<'a, const SEVERAL: bool>(
    ctx: &'a XdpContext,
    metadata: &Metadata,
) -> XdpOctets<'a, SEVERAL> {
    XdpOctets::new(ctx, Some(metadata.wire_len as usize))
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
    // Forwarded packets often have little more than their headers in the linear part of the skb,
    // and to make them linear would be to touch them. So the beginning is copied.
    let Some(octets) = maps::copy(0).and_then(|copy| CopiedOctets::new(ctx, copy)) else {
        if let Some(counts) = maps::counts(0) {
            counts[Counter::Packets as usize] += 1;
            counts[Counter::Octets as usize] += u64::from(skb.len);
            counts[Counter::Truncated as usize] += 1;
        }
        return;
    };
    if let Some(branch) = sort(config, &octets, SCRATCH_EGRESS) {
        maps::egress_goes_on(ctx, branch);
        count(Counter::NotFollowed);
    }
}

/// A packet that leaves is followed.
#[inline(always)]
pub(crate) fn egress_follow(ctx: &TcContext, branch: Branch) {
    // SAFETY: the kernel gives a valid context.
    let skb = unsafe { &*ctx.skb.skb };
    let stamp = Stamp {
        time: now(),
        frame: 0,
        interface: skb.ifindex,
        vlan: if skb.vlan_present != 0 { skb.vlan_tci as u16 & 0x0fff } else { 0 },
        hook: hook::EGRESS,
    };
    let Some(copy) = maps::copy(0) else { return };
    follow(maps::config(), &CopiedOctets::copied(ctx, copy), SCRATCH_EGRESS, branch, stamp);
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper takes nothing and always succeeds.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// What a replay put in front of the packet.
#[inline(always)]
fn metadata(ctx: &XdpContext) -> Option<Metadata> {
    // SAFETY: the kernel gives a valid context.
    let md = unsafe { &*ctx.ctx };
    Window::new(md.data_meta, md.data).read(0)
}

/// Counts for this CPU.
#[inline(always)]
fn count(counter: Counter) {
    if let Some(counts) = maps::counts(0) {
        counts[counter as usize] += 1;
    }
}

#[inline(always)]
fn sort<O: Capture>(config: &Config, octets: &O, scratch: u32) -> Option<Branch> {
    let (mut output, scratch) = (Output::new(config)?, maps::scratch(scratch)?);
    engine(config, &mut output, scratch, |engine| engine.sort(octets))
}

#[inline(always)]
fn follow<O: Capture>(config: &Config, octets: &O, scratch: u32, branch: Branch, stamp: Stamp) {
    let (Some(mut output), Some(scratch)) = (Output::new(config), maps::scratch(scratch)) else {
        return;
    };
    engine(config, &mut output, scratch, |engine| engine.follow(branch, octets, stamp));
}

/// The engine over the maps.
type Live<'a, 'o> = Engine<'a, Flows, Questions, Resolvers, Quics, Output<'o>>;

#[inline(always)]
fn engine<'o, T>(
    config: &Config,
    output: &mut Output<'o>,
    scratch: &mut Scratch,
    act: impl FnOnce(&mut Live<'_, 'o>) -> T,
) -> T {
    act(&mut Engine {
        config,
        flows: &mut Flows,
        questions: &mut Questions,
        resolvers: &mut Resolvers,
        quics: &mut Quics,
        output,
        scratch,
    })
}
