//! What may change while a run goes on.

use std::sync::Arc;

use super::{Load, session::Session};
use crate::{
    cli::Failure,
    config::{
        keys::{KEYS, When},
        settings::Settings,
    },
    log,
    report::summary::TargetsUsed,
    targets::TargetSet,
};

impl Session {
    /// Reads all of the configuration anew. What is known of connections, resolvers and services stays;
    /// and if anything in it is no good, so does what was in force.
    pub(super) fn reload(&mut self, load: Load<'_>) {
        self.manager.reloading();
        let read = load().and_then(|layers| {
            let targets = layers.settings.load_targets()?;
            Ok::<_, Failure>((layers.settings, targets))
        });
        self.measures.last_reload_taken = read.is_ok();
        self.measures.reloads[usize::from(read.is_err())] += 1;
        match read {
            Ok((settings, targets)) => {
                self.take_over(&settings);
                self.watch_targets(targets);
            }
            Err(error) => tracing::warn!(
                "{error}; nothing was changed, and what was watched before is watched still"
            ),
        }
        self.manager.ready(if self.measures.last_reload_taken {
            "watching; the configuration was read anew"
        } else {
            "watching; the new configuration was refused, and the one before is in force"
        });
    }

    /// Takes over what can change, and tells of what cannot.
    fn take_over(&mut self, new: &Settings) {
        for key in KEYS {
            let [old_value, new_value] = [&self.settings, new].map(key.shown);
            if old_value == new_value {
                continue;
            }
            let name = key.name;
            if key.when == When::Live {
                (key.copy)(&mut self.settings, new);
                tracing::info!("{name} is now {new_value}; it was {old_value}");
            } else {
                tracing::warn!(
                    "{name} stays {old_value}: it changes to {new_value} with the next \
                     start, not with a reload"
                );
            }
        }
        log::configure(&self.settings);
        if let Some(recorder) = &self.told.recorder {
            recorder.keep(self.settings.keep());
        }
    }

    fn watch_targets(&mut self, targets: TargetSet) {
        if targets.hash() == self.targets.hash() {
            tracing::info!("the targets were read anew, and are the same");
            return;
        }
        let targets = Arc::new(targets);
        self.live.watch_names(&targets.names(self.hash_key));
        self.told.total.targets = Some(TargetsUsed::from(&*targets));
        if let Some(recorder) = &mut self.told.recorder {
            recorder.watch(&targets);
        }
        self.targets = Arc::new(targets.after(&self.targets));
        self.judge.watch(&self.targets);
        self.attribution.watch(&self.targets);
        tracing::info!("the targets were read anew ({})", targets.hash());
    }
}
