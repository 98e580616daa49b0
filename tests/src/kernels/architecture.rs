//! What is emulated: whose instructions, which machine, and what Debian calls it.

use std::{fmt, path::Path};

use clap::ValueEnum;

/// An architecture that kernels are tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Architecture {
    /// Debian's amd64.
    #[value(name = "x86_64")]
    X86_64,
    /// Debian's arm64.
    #[value(name = "aarch64")]
    Aarch64,
}

impl Architecture {
    /// That of this machine.
    pub const HERE: Self = if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// The kernel's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Debian's name of it.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The emulator, and its package.
    pub const fn emulator(self) -> (&'static str, &'static str) {
        match self {
            Self::X86_64 => ("qemu-system-x86_64", "qemu-system-x86"),
            Self::Aarch64 => ("qemu-system-aarch64", "qemu-system-arm"),
        }
    }

    /// The machine and its processor, for the emulator; pointers of aarch64 are signed by a rule of the emulator's own,
    /// since the architecture's is slow to emulate.
    pub const fn machine(self) -> [&'static str; 4] {
        match self {
            Self::X86_64 => ["-machine", "pc", "-cpu", "max"],
            Self::Aarch64 => ["-machine", "virt", "-cpu", "max,pauth-impdef=on"],
        }
    }

    /// Its first serial line, the kernel's console.
    pub const fn console(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Aarch64 => "ttyAMA0",
        }
    }

    /// Its second serial line, if it has one.
    pub const fn second(self) -> Option<&'static str> {
        match self {
            Self::X86_64 => Some("/dev/ttyS1"),
            Self::Aarch64 => None,
        }
    }

    /// What `name` is called in the cache.
    pub fn place(self, name: &str) -> String {
        match self {
            Self::X86_64 => name.to_owned(),
            Self::Aarch64 => Path::new(self.name()).join(name).display().to_string(),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
