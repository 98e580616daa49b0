//! What each side of a connection really sent: the baseline that a forgery is measured against.

mod key;
mod live;
mod mark;
mod record;
mod stage;
mod table;

pub use key::{FlowKey, Side, watch_bit};
pub use live::Flow;
pub use mark::{ResetMark, SynMark};
pub use record::{FlowRecord, Half, ip_id_kind, state};
pub use stage::{SILENCE, Stage};
pub use table::{Claim, FlowSet, FlowStore, SOUGHT, UNIT, WORTH, at, claim, find, place, worth};
