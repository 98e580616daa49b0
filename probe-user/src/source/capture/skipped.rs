//! Counts of the packets that could not be handed on.

use std::fmt;

/// The most distinct rows kept. A file can name 65,536 link types; those after the first few are
/// one row together.
const MAX_ROWS: usize = 64;

/// Packets of a capture that were not handed on, for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The LINKTYPE_ number, from the list of tcpdump.org; `None` counts all the others together
    /// if there are too many.
    pub link_type: Option<u32>,
    /// Why.
    pub reason: SkipReason,
    /// How many.
    pub packets: u64,
}

/// Why a packet was not handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The link type is not known here.
    UnsupportedLink,
    /// The packet is shorter than the header of its link type.
    ShortHeader,
    /// What it carries has no EtherType, as the control packets of PPP.
    NoEtherType,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.reason {
            SkipReason::UnsupportedLink => "not supported",
            SkipReason::ShortHeader => "shorter than the link header",
            SkipReason::NoEtherType => "carry nothing with an EtherType",
        };
        write!(f, "{} packets skipped, ", self.packets)?;
        match self.link_type {
            Some(number) => write!(f, "link type {number}: {why}"),
            None => write!(f, "other link types: {why}"),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct SkippedTable {
    rows: Vec<Skipped>,
}

impl SkippedTable {
    pub(super) fn rows(&self) -> &[Skipped] {
        &self.rows
    }

    pub(super) fn count(&mut self, link_type: u32, reason: SkipReason) {
        let same = |link_type| {
            move |row: &&mut Skipped| row.link_type == link_type && row.reason == reason
        };
        if let Some(row) = self.rows.iter_mut().find(same(Some(link_type))) {
            row.packets += 1;
        } else if self.rows.len() < MAX_ROWS {
            self.rows.push(Skipped { link_type: Some(link_type), reason, packets: 1 });
        } else if let Some(row) = self.rows.iter_mut().find(same(None)) {
            row.packets += 1;
        } else {
            self.rows.push(Skipped { link_type: None, reason, packets: 1 });
        }
    }
}
