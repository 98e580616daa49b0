//! The BPF programs: XDP at ingress, tc at egress.
//!
//! They look and always pass. Every exit is `XDP_PASS` or "go on to the next tc program", whatever
//! happened before; no octet of a packet is ever written. All that they do with a packet is in
//! `probe-common`; here is only what ties that to the kernel.
#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![expect(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "the functions that aya's attributes make around the entry points want them so"
)]

#[cfg(feature = "bench")]
mod bench;
mod hook;
mod maps;
mod octets;
mod output;

use aya_ebpf::{
    bindings::xdp_action::XDP_PASS,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use probe_common::engine::Branch;

/// "No opinion": `TCX_NEXT`, and `TC_ACT_UNSPEC` where tc has no links.
const TC_PASS: i32 = -1;

/// A packet enters by an interface.
#[xdp(frags)]
#[inline(always)]
pub fn ingress(ctx: XdpContext) -> u32 {
    hook::ingress::<true>(&ctx);
    XDP_PASS
}

/// The same for kernels that know no packets of several buffers, before Linux 5.18: they refuse the
/// program above.
#[xdp]
#[inline(always)]
pub fn ingress_linear(ctx: XdpContext) -> u32 {
    hook::ingress::<false>(&ctx);
    XDP_PASS
}

/// A packet leaves by an interface.
#[classifier]
#[inline(always)]
pub fn egress(ctx: TcContext) -> i32 {
    hook::egress(&ctx);
    TC_PASS
}

/// Declares the programs that those above go on to with the packets of one branch.
macro_rules! follow {
    ($branch:ident: $ingress:ident, $ingress_linear:ident, $egress:ident) => {
        #[xdp(frags)]
        #[inline(always)]
        pub fn $ingress(ctx: XdpContext) -> u32 {
            hook::ingress_follow::<true>(&ctx, Branch::$branch);
            XDP_PASS
        }

        #[xdp]
        #[inline(always)]
        pub fn $ingress_linear(ctx: XdpContext) -> u32 {
            hook::ingress_follow::<false>(&ctx, Branch::$branch);
            XDP_PASS
        }

        #[classifier]
        #[inline(always)]
        pub fn $egress(ctx: TcContext) -> i32 {
            hook::egress_follow(&ctx, Branch::$branch);
            TC_PASS
        }
    };
}

follow!(Tcp: ingress_tcp, ingress_linear_tcp, egress_tcp);
follow!(Dns: ingress_dns, ingress_linear_dns, egress_dns);
follow!(Quic: ingress_quic, ingress_linear_quic, egress_quic);
follow!(Icmp: ingress_icmp, ingress_linear_icmp, egress_icmp);

/// The kernel lends its helpers to GPL programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Never reached: a panic that the optimiser could not rule out is an endless loop, which the
/// verifier refuses at load.
#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
