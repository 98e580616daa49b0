//! The end of a case, or what is told of it before.

use super::{assess::assess, case::Case, flow::tell_of, flows::Scope};
use crate::report::Finding;

/// Decides on a case, of accusations only if `early`; tells of the decision, and remembers an accused
/// connection for what it may leave behind.
pub(super) fn conclude(
    case: &mut Case,
    early: bool,
    scope: &mut Scope<'_>,
    tell: &mut impl FnMut(Finding),
) {
    let Some(decided) = assess(case, scope.knowledge) else { return };
    let accuses = decided.0.accuses();
    if early && !accuses {
        return;
    }
    let told = tell_of(case, &decided, scope.knowledge, scope.settings, tell);
    drop(decided);
    let Some(told) = told else { return };
    case.told = Some(told);
    if accuses && let Some(record) = case.before() {
        let initiator = record.initiator();
        let (client, server) = (case.key.end(initiator).0, case.key.end(initiator.other()));
        let name = case.subject.name.as_deref();
        scope.knowledge.residual_mut().note(client, server, record.opened, name);
    }
}
