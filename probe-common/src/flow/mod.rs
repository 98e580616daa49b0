//! What each side of a connection really sent: the baseline that a forgery is measured against.

mod bit;
mod block;
mod key;
mod live;
mod mark;
mod record;
mod stage;
mod table;
mod turn;

pub use bit::Bit;
pub use block::FlowBlock;
pub use key::{FlowKey, Side};
pub use live::Flow;
pub use mark::{ResetMark, SynMark};
pub use record::{FlowRecord, Half, ip_id_kind, state};
pub use stage::{SILENCE, Stage};
pub use table::{Claim, FlowAges, FlowSet, FlowStore, FlowTags, SOUGHT, STEP, UNIT, WORTH, step};
pub use turn::{TURNS, Turn};
