//! The packets of a finding, put together when somebody asks for them.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, LazyLock},
};

use super::Packet;

type Make = Box<dyn FnOnce() -> Vec<Packet> + Send>;

/// Packets that are put together when somebody asks for them, once: findings that are not recorded, and those
/// about servers that nobody watches, are told without.
#[derive(Clone)]
pub struct Packets(Arc<LazyLock<Vec<Packet>, Make>>);

impl Packets {
    /// What `make` makes.
    pub(super) fn of(make: impl FnOnce() -> Vec<Packet> + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl Deref for Packets {
    type Target = [Packet];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<Vec<Packet>> for Packets {
    fn from(packets: Vec<Packet>) -> Self {
        Self::of(|| packets)
    }
}

impl Default for Packets {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl PartialEq for Packets {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Packets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}
