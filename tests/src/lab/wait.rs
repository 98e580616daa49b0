//! Waiting for something to be so, with a deadline instead of a sleep.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

/// How long anything in the lab may take to come up. On an idle machine it is tenths of a second, on an
/// emulated one the programs alone take some seconds to load; what is not there after this long will not
/// come.
pub const READY: Duration = Duration::from_secs(60);

/// Asks `question` until it has an answer, at most for `limit`.
///
/// # Errors
///
/// If there is none by then; `what` is what was waited for.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut question: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = question() {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("waited {:.1} s in vain for {what}", limit.as_secs_f64());
        }
        thread::sleep(LOOK);
    }
}
