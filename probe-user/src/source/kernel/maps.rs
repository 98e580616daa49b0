//! What the agent reads and writes of the programs' maps.

use std::{
    marker::PhantomData,
    os::fd::AsRawFd as _,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use aya::{
    Ebpf, Pod,
    maps::{MapData, PerCpuArray, RingBuf},
};
use probe_common::{
    counter::COUNTERS,
    dns::DnsSet,
    flow::FlowBlock,
    names::{NAME_BIT_WORDS, Names},
    quic::QuicSet,
    resolver::ResolverSet,
    set::{Set, WAYS},
};

use super::object::{self, ObjectError};

/// All counters of one CPU.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Counts([u64; COUNTERS as usize]);

// SAFETY: an array of integers.
unsafe impl Pod for Counts {}

/// The counters of the programs.
pub struct Counters(PerCpuArray<MapData, Counts>);

fn map_error(name: &'static str, action: &'static str, reason: &impl ToString) -> ObjectError {
    ObjectError::Map { name, action, reason: reason.to_string() }
}

macro_rules! take {
    ($bpf:expr, $name:literal, $kind:ty) => {
        <$kind>::try_from($bpf.take_map($name).ok_or_else(|| object::foreign("map", $name))?)
            .map_err(|error| map_error($name, "open", &error))
    };
}

impl Counters {
    /// Takes the map out of the object.
    ///
    /// # Errors
    ///
    /// If there is no such map in it.
    pub fn take(bpf: &mut Ebpf) -> Result<Self, ObjectError> {
        take!(bpf, "COUNTS", PerCpuArray<MapData, Counts>).map(Self)
    }

    /// The sum over all CPUs.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to read the map.
    pub fn read(&self) -> Result<[u64; COUNTERS as usize], ObjectError> {
        let cpus = self.0.get(&0, 0).map_err(|error| map_error("COUNTS", "read", &error))?;
        let mut sum = [0; COUNTERS as usize];
        for Counts(counts) in cpus.iter() {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        Ok(sum)
    }
}

/// Takes the ring buffer out of the object.
///
/// # Errors
///
/// If there is none in it.
pub fn take_ring(bpf: &mut Ebpf) -> Result<RingBuf<MapData>, ObjectError> {
    take!(bpf, "EVENTS", RingBuf<MapData>)
}

/// A map's memory, shared with the kernel.
pub(super) struct Shared {
    name: &'static str,
    pub(super) start: NonNull<libc::c_void>,
    len: usize,
    /// Keeps the map alive.
    _map: MapData,
}

// SAFETY: the memory belongs to the map, not to a thread.
unsafe impl Send for Shared {}

impl Shared {
    /// Maps `len` octets, a multiple of a page, of the map `name`.
    pub(super) fn map(
        bpf: &mut Ebpf,
        name: &'static str,
        len: usize,
        writable: bool,
    ) -> Result<Self, ObjectError> {
        let map = bpf.take_map(name).ok_or_else(|| object::foreign("map", name))?;
        let aya::maps::Map::Array(map) = map else {
            return Err(object::foreign("map", name));
        };
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        // SAFETY: a fresh mapping, placed by the kernel.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                std::os::fd::AsFd::as_fd(map.fd()).as_raw_fd(),
                0,
            )
        };
        match NonNull::new(start) {
            Some(start) if start.as_ptr() != libc::MAP_FAILED => {
                Ok(Self { name, start, len, _map: map })
            }
            _ => Err(map_error(name, "map into memory", &std::io::Error::last_os_error())),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this start and length, and nothing borrows from it.
        if unsafe { libc::munmap(self.start.as_ptr(), self.len) } != 0 {
            tracing::warn!(map = self.name, "cannot unmap: {}", std::io::Error::last_os_error());
        }
    }
}

/// A table of sets as the kernel writes it.
pub struct Table<S> {
    shared: Shared,
    sets: usize,
    of: PhantomData<S>,
}

/// The flow table.
pub type FlowTable = Table<FlowBlock>;

/// The table of resolvers.
pub type Resolvers = Table<ResolverSet>;

/// The table of DNS questions.
pub type Questions = Table<DnsSet>;

/// The table of QUIC connections.
pub type Quics = Table<QuicSet>;

macro_rules! taken {
    ($(#[doc = $doc:literal])+ $table:ty, $name:literal) => {
        impl $table {
            $(#[doc = $doc])+
            ///
            /// # Errors
            ///
            /// If the map is missing or cannot be mapped.
            pub fn take(bpf: &mut Ebpf, sets: u32) -> Result<Self, ObjectError> {
                Self::map(bpf, $name, sets)
            }
        }
    };
}

taken!(
    /// Maps the flow table of `sets` sets.
    FlowTable, "FLOWS"
);
taken!(
    /// Maps the table of resolvers of `sets` sets.
    Resolvers, "RESOLVERS"
);
taken!(
    /// Maps the table of questions of `sets` sets.
    Questions, "QUESTIONS"
);
taken!(
    /// Maps the table of QUIC connections of `sets` sets.
    Quics, "QUICS"
);

impl<S: Set> Table<S> {
    fn map(bpf: &mut Ebpf, name: &'static str, sets: u32) -> Result<Self, ObjectError> {
        let sets = sets as usize;
        // Page-sized, since the kernel maps whole pages.
        let len = (sets * size_of::<S>()).next_multiple_of(4096);
        Ok(Self { shared: Shared::map(bpf, name, len, false)?, sets, of: PhantomData })
    }

    /// Shows each record in turn, copied, with the number of its place, except such as are not to be trusted;
    /// one that is being written meanwhile may be half old, half new, which costs at worst one look too many.
    pub fn scan(&self, mut look: impl FnMut(usize, &S::Record)) {
        for (set, way) in self.taken() {
            // SAFETY: as below.
            let torn = S::TORN.is_some_and(|at| unsafe {
                self.set(set).byte_add(at).cast::<u32>().add(way).read_volatile() != 0
            });
            if torn {
                continue;
            }
            // SAFETY: within the mapping, at the offset that the set's type says; the kernel writes
            // it, hence volatile.
            let mut record = unsafe {
                self.set(set).byte_add(S::RECORDS).cast::<S::Record>().add(way).read_volatile()
            };
            S::complete(&mut record);
            look(set * WAYS + way, &record);
        }
    }

    /// Places that are taken, and all.
    pub fn occupied(&self) -> (u64, u64) {
        (self.taken().count() as u64, (self.sets * WAYS) as u64)
    }

    /// Places that are taken: set, and place in it.
    fn taken(&self) -> impl Iterator<Item = (usize, usize)> {
        let places = (0..self.sets).flat_map(|set| (0..WAYS).map(move |way| (set, way)));
        places.filter(|&(set, way)| {
            // SAFETY: as in `scan`.
            let tag =
                unsafe { self.set(set).byte_add(S::TAGS).cast::<u64>().add(way).read_volatile() };
            tag != 0
        })
    }

    /// Where the set of this number begins.
    const fn set(&self, number: usize) -> *const S {
        // SAFETY: callers stay below `sets`, for which there is room in the mapping.
        unsafe { self.shared.start.as_ptr().cast::<S>().cast_const().add(number) }
    }
}

/// The list of watched names.
pub struct WatchedNames(Shared);

impl WatchedNames {
    /// Maps the list.
    ///
    /// # Errors
    ///
    /// If the map is missing or cannot be mapped.
    pub fn take(bpf: &mut Ebpf) -> Result<Self, ObjectError> {
        let len = size_of::<Names>().next_multiple_of(4096);
        Shared::map(bpf, "NAMES", len, true).map(Self)
    }

    /// Watches these names from now on, and no others. What was on the list and stays is watched
    /// all the time.
    pub fn replace(&self, names: &Names) {
        for keep_old in [true, false] {
            self.write(0, names.lengths, keep_old);
            for (word, &bits) in names.bits.iter().enumerate() {
                self.write(1 + word, bits, keep_old);
            }
        }
    }

    /// Writes one word; adds to it only, if what is there is to be kept.
    fn write(&self, word: usize, value: u64, keep_old: bool) {
        const { assert!(size_of::<Names>() == 8 * (1 + NAME_BIT_WORDS as usize)) };
        let start = self.0.start.as_ptr().cast::<AtomicU64>();
        // SAFETY: within the list, which is mapped writable and aligned: a word for the lengths,
        // and the bits behind it.
        let word = unsafe { &*start.add(word) };
        if keep_old {
            word.fetch_or(value, Ordering::SeqCst);
        } else {
            word.store(value, Ordering::SeqCst);
        }
    }
}
