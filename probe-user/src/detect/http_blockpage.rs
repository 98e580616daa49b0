//! `HTTP_BLOCKPAGE`: the answer is a block page that is known.
//!
//! **Rule.** A segment of the server begins an HTTP response that matches a page of the list: a
//! redirect to a host of a censor's, or a body or header that only its page has.
//!
//! **Source.** Each entry of `blockpages/*.toml` names its own, mostly OONI's and Censored Planet's
//! lists of block page fingerprints.
//!
//! **Worth.** C3, class K; C1 for entries marked weak (quotable text, products that anybody can use).
//!
//! **Look-alikes that it stays silent on.**
//! * Somebody who visits the block page's own site.
//! * A redirect to a login page, of a hotel or of the service itself: not on the list.

use probe_common::flow::Side;

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("HTTP_BLOCKPAGE", EvidenceClass::K, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let name = case.subject.name.as_deref();
    let pages: Vec<_> = case
        .content()
        .iter()
        .filter_map(|seen| Some((seen, knowledge.pages().find(&seen.payload, name)?)))
        .collect();
    let &(_, page) = pages.iter().find(|(_, page)| page.weak.is_none()).or(pages.first())?;
    let packets =
        pages.iter().filter(|(_, other)| other.id == page.id).map(|(seen, _)| seen.number());
    Some(Fired {
        confidence: if page.weak.is_none() { Confidence::C3 } else { Confidence::C1 },
        packets: packets.collect(),
        account: Account::of(move || {
            let measured =
                measured! { "page": page.id, "source": page.source, "date": page.date.to_string() };
            (measured, format!("the answer is a known block page: {}", page.title))
        }),
    })
}

/// Whether a segment of a server begins a block page.
pub fn is_page(seen: &Seen, name: Option<&str>, knowledge: &Knowledge) -> bool {
    seen.payload.starts_with(b"HTTP/") && knowledge.pages().find(&seen.payload, name).is_some()
}
