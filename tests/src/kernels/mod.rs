//! Other kernels than this machine's: Debian's, emulated, each with the lab in it.
//!
//! * [`apt`]: Debian's archive.
//! * [`architecture`]: whose instructions are emulated.
//! * [`archive`]: which kernels, and how to get them.
//! * [`clocks`]: clocks that jump, a machine that sleeps.
//! * [`foreign`]: the lab's programs for another architecture than this machine's.
//! * [`image`]: what a kernel starts with, in one file.
//! * [`machine`]: the emulated machine.
//! * [`guest`]: what runs in it as the first process, and on this machine to compare with.
//! * [`pinned`]: an agent that is killed and leaves its programs to the next one.
//! * [`scenario`]: what is played there.
//! * [`told`]: what is told of it, and held against another.

pub mod apt;
pub mod architecture;
pub mod archive;
pub mod clocks;
pub mod foreign;
pub mod guest;
pub mod image;
pub mod machine;
pub mod pinned;
pub mod scenario;
pub mod told;
