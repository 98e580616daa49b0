//! What may change while a run goes on.

use std::sync::Arc;

use super::{session::Session, settings::Settings};
use crate::report::summary::TargetsUsed;

impl Session {
    /// Reads the files of targets anew. What is known of connections, resolvers and services stays; and if
    /// a file is no good, so do the targets.
    pub(super) fn reload(&mut self, settings: &Settings) {
        let targets = match settings.load_targets() {
            Ok(targets) => Arc::new(targets),
            Err(error) => {
                eprintln!("forgewatch: {error}; what was watched before is watched still");
                return;
            }
        };
        if targets.hash() == self.targets.hash() {
            eprintln!("forgewatch: the targets were read anew, and are the same");
            return;
        }
        self.live.watch_names(&targets.names(self.hash_key));
        self.told.total.targets = Some(TargetsUsed::from(&*targets));
        if let Some(recorder) = &mut self.told.recorder {
            recorder.watch(&targets);
        }
        self.targets = Arc::new(targets.after(&self.targets));
        self.judge.watch(&self.targets);
        self.attribution.watch(&self.targets);
        eprintln!("forgewatch: the targets were read anew ({})", targets.hash());
    }
}
