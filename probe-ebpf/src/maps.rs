//! The maps, and the one read-only global.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, PerCpuArray, ProgramArray, RingBuf},
    programs::{TcContext, XdpContext},
};
use probe_common::{
    bucket::Bucket,
    config::{
        Config, DEFAULT_DNS_SETS, DEFAULT_FLOW_SETS, DEFAULT_QUIC_SETS, DEFAULT_RESOLVER_SETS,
        MARK_WORDS,
    },
    counter::COUNTERS,
    dns::{DnsSet, DnsStore},
    engine::Branch,
    event::{CLASSES, Scratch},
    flow::{FlowBlock, FlowSet, FlowStore, TURNS, Turn},
    handover::Handover,
    names::Names,
    quic::{QuicSet, QuicStore},
    resolver::{ResolverSet, ResolverStore},
};

use crate::octets::{Copied, opaque};

/// Octets of the ring buffer by default: 16 MiB hold some 28,000 events of connections, a quarter
/// of a second at the default rate of one CPU.
const RING_OCTETS: u32 = 16 << 20;

/// What the loader writes before it loads the programs.
#[unsafe(no_mangle)]
static CONFIG: Config = Config::replay();

/// The flow table; the agent maps it into its memory and reads it without a system call.
#[map]
static FLOWS: Array<FlowBlock> = Array::with_max_entries(DEFAULT_FLOW_SETS, BPF_F_MMAPABLE);

/// What is asked of its sets without their records.
#[map]
static FLOW_SETS: Array<FlowSet> = Array::with_max_entries(DEFAULT_FLOW_SETS, 0);

/// Whose turn it is to open records.
#[map]
static FLOW_TURNS: Array<Turn> = Array::with_max_entries(TURNS, 0);

/// The DNS table; the agent maps it, to count what is in it.
#[map]
static QUESTIONS: Array<DnsSet> = Array::with_max_entries(DEFAULT_DNS_SETS, BPF_F_MMAPABLE);

/// The table of resolvers; the agent maps it, as the flow table.
#[map]
static RESOLVERS: Array<ResolverSet> =
    Array::with_max_entries(DEFAULT_RESOLVER_SETS, BPF_F_MMAPABLE);

/// The QUIC table; the agent maps it, to count what is in it.
#[map]
static QUICS: Array<QuicSet> = Array::with_max_entries(DEFAULT_QUIC_SETS, BPF_F_MMAPABLE);

/// The list of watched names; written by the agent.
#[map]
static NAMES: Array<Names> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Bitmap of watched addresses; written by the agent, and by the programs after a reset.
#[map]
static WATCHED: Array<[u64; MARK_WORDS as usize]> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// What the agent tells the programs while they run, and the next agent.
#[map]
static HANDOVER: Array<Handover> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Events on their way to the agent.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(RING_OCTETS, 0);

/// All counters of a CPU in one value: one look-up a packet.
#[map]
static COUNTS: PerCpuArray<[u64; COUNTERS as usize]> = PerCpuArray::with_max_entries(1, 0);

/// What each class of events may still make on a CPU.
#[map]
static BUCKETS: PerCpuArray<[Bucket; CLASSES as usize]> = PerCpuArray::with_max_entries(1, 0);

/// Where events are made. XDP and tc can interrupt each other on one CPU, so each has its own.
#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(2, 0);

/// Where the beginning of a packet is copied that is not linear; tc does not interrupt itself.
#[map]
static COPY: PerCpuArray<Copied> = PerCpuArray::with_max_entries(1, 0);

/// The programs that a packet goes on to from the one at ingress, by [`Branch`]; the loader puts them
/// there.
#[map]
static FROM_INGRESS: ProgramArray = ProgramArray::with_max_entries(BRANCHES, 0);

/// The same for the one at egress: the kernel lets a program go on only to one of its own type.
#[map]
static FROM_EGRESS: ProgramArray = ProgramArray::with_max_entries(BRANCHES, 0);

const BRANCHES: u32 = Branch::ALL.len() as u32;

/// Goes on to the program for `branch`. Returns only if there is none.
#[inline(always)]
pub(crate) fn ingress_goes_on(ctx: &XdpContext, branch: Branch) {
    // SAFETY: nothing is held here that would have to be given back.
    unsafe { FROM_INGRESS.tail_call(ctx, branch as u32) }
}

/// Goes on to the program for `branch`. Returns only if there is none.
#[inline(always)]
pub(crate) fn egress_goes_on(ctx: &TcContext, branch: Branch) {
    // SAFETY: as above.
    unsafe { FROM_EGRESS.tail_call(ctx, branch as u32) }
}

/// The settings as loaded.
///
/// By a hidden pointer, since the loader overwrites the value after compilation: the compiler must not
/// fold the one written here. Read field by field, where needed: to copy it all costs a bulk packet
/// more than all that is done with it.
#[inline(always)]
pub(crate) fn config() -> &'static Config {
    // SAFETY: a static is valid to read; it has the same type behind the pointer as before.
    unsafe { &*(opaque(&raw const CONFIG as usize) as *const Config) }
}

/// Declares a function that borrows a map's value for as long as one packet takes.
macro_rules! borrow {
    ($(#[doc = $doc:literal])+ $name:ident, $map:ident, $value:ty) => {
        $(#[doc = $doc])+
        #[inline(always)]
        pub(crate) fn $name(index: u32) -> Option<&'static mut $value> {
            // SAFETY: the kernel keeps the element for as long as the program runs. Others may
            // write it at the same time only where the type's documentation says what then holds.
            $map.get_ptr_mut(index).map(|value| unsafe { &mut *value })
        }
    };
}

borrow!(
    /// The counters of this CPU (index 0).
    counts, COUNTS, [u64; COUNTERS as usize]
);
borrow!(
    /// The buckets of this CPU (index 0).
    buckets, BUCKETS, [Bucket; CLASSES as usize]
);
borrow!(
    /// The scratch of this CPU: 0 for XDP, 1 for tc.
    scratch, SCRATCH, Scratch
);
borrow!(
    /// Room for a copied beginning (index 0).
    copy, COPY, Copied
);
borrow!(
    /// The bitmap (index 0).
    watched, WATCHED, [u64; MARK_WORDS as usize]
);

/// The list of watched names.
#[inline(always)]
pub(crate) fn names() -> Option<&'static Names> {
    // SAFETY: as in `borrow!`; what a reader may meet is said at `Names`.
    NAMES.get_ptr(0).map(|names| unsafe { &*names })
}

/// Whether an interface of this index is watched.
#[inline(always)]
pub(crate) fn is_watched(index: u32) -> bool {
    // SAFETY: as in `borrow!`; the agent writes a word at a time.
    HANDOVER.get_ptr(0).is_some_and(|told| unsafe { &*told }.interfaces.contains(&index))
}

/// The flow table as the engine sees it.
pub(crate) struct Flows;

impl FlowStore for Flows {
    #[inline(always)]
    fn flow_set(&mut self, index: u32) -> Option<&mut FlowSet> {
        // SAFETY: as in `borrow!`; its tags are written by whose turn it is, in one word, and who writes
        // its ages is said at `FlowAges`.
        FLOW_SETS.get_ptr_mut(index).map(|set| unsafe { &mut *set })
    }

    #[inline(always)]
    fn flow_block(&mut self, index: u32) -> Option<&mut FlowBlock> {
        // SAFETY: as in `borrow!`; who writes what of a record is said at `Half`.
        FLOWS.get_ptr_mut(index).map(|block| unsafe { &mut *block })
    }

    #[inline(always)]
    fn flow_turn(&mut self, index: u32) -> Option<&mut Turn> {
        // SAFETY: as in `borrow!`; how several write it at once is said at `Turn`.
        FLOW_TURNS.get_ptr_mut(index & (TURNS - 1)).map(|turn| unsafe { &mut *turn })
    }

    #[inline(always)]
    fn add(number: &mut u64, by: u64) {
        add(number, by);
    }
}

/// The DNS table as the engine sees it.
pub(crate) struct Questions;

impl DnsStore for Questions {
    #[inline(always)]
    fn dns_set(&mut self, index: u32) -> Option<&mut DnsSet> {
        // SAFETY: as in `borrow!`. A query and its reply are a round trip apart.
        QUESTIONS.get_ptr_mut(index).map(|set| unsafe { &mut *set })
    }
}

/// The QUIC table as the engine sees it.
pub(crate) struct Quics;

impl QuicStore for Quics {
    #[inline(always)]
    fn quic_set(&mut self, index: u32) -> Option<&mut QuicSet> {
        // SAFETY: as in `borrow!`; client and server write words of their own.
        QUICS.get_ptr_mut(index).map(|set| unsafe { &mut *set })
    }
}

/// The table of resolvers as the engine sees it.
pub(crate) struct Resolvers;

impl ResolverStore for Resolvers {
    #[inline(always)]
    fn resolver_set(&mut self, index: u32) -> Option<&mut ResolverSet> {
        // SAFETY: as in `borrow!`; who writes what at once is said at `ResolverRecord`.
        RESOLVERS.get_ptr_mut(index).map(|set| unsafe { &mut *set })
    }

    #[inline(always)]
    fn increment(count: &mut u64) {
        add(count, 1);
    }
}

/// Adds to the borrowed number, at once for all CPUs. (The compiler has no atomics for BPF.)
#[inline(always)]
fn add(number: &mut u64, by: u64) {
    // SAFETY: the reference is valid to write.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({0} + 0) += {1}",
            in(reg) number,
            in(reg) by,
            options(nostack, preserves_flags)
        );
    }
}

/// Copies `len` octets at `start` into the ring buffer. Returns whether there was room.
///
/// # Safety
///
/// `start` must point to `len` readable octets of map memory.
#[inline(always)]
pub(crate) unsafe fn send(start: *const u8, len: u64) -> bool {
    let ring = (&raw const EVENTS).cast_mut().cast();
    // SAFETY: the caller vouches for the memory, and the verifier checks it.
    unsafe { aya_ebpf::helpers::bpf_ringbuf_output(ring, start.cast_mut().cast(), len, 0) == 0 }
}
