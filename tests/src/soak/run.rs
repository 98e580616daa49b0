//! A stream of connections through engine and judge.

use std::sync::Arc;

use probe_common::config::Config;
use probe_user::{
    judge::{Judge, Settings, Telling},
    source::{
        capture::Frame,
        kernel::object::ObjectError,
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

use super::{Cast, Count, Stream, Tally};
use crate::corpus::case;

/// What came of a soak.
#[derive(Debug, Default)]
pub struct Soaked {
    /// What was said of whom.
    pub tally: Tally,
    /// Packets.
    pub packets: u64,
}

/// Plays all of `stream`; `watch` sees how far it has come after each packet, and how many connections
/// or pairs have begun.
///
/// # Errors
///
/// If the engine refuses a packet.
pub fn run<C: Cast>(
    stream: &mut Stream<C>,
    mut watch: impl FnMut(&Soaked, u64),
) -> Result<Soaked, ObjectError> {
    let targets = Arc::new(TargetSet::builtin());
    let mut judge = Judge::new(Settings { telling: Telling::AtClose, epoch: case::EPOCH, targets });
    let config = Config::replay();
    let mut driver = Driver::local(config);
    driver.watch_names(&TargetSet::builtin().names(config.hash_key));
    let mut engine = Packets::new(driver);
    let mut soaked = Soaked::default();
    let cast = stream.cast();
    let behaviour_of = |number| cast.which(number);
    stream.play(|time, data, wire, begun| {
        soaked.packets += 1;
        let number = soaked.packets;
        let frame = Frame { number, time, interface: 0, wire_len: wire as u32, data };
        let tally = &mut soaked.tally;
        engine.take(&frame, &mut judge, |finding| tally.add(&finding, behaviour_of))?;
        watch(&soaked, begun);
        Ok(())
    })?;
    judge.finish(|finding| soaked.tally.add(&finding, behaviour_of));
    Ok(soaked)
}

impl Soaked {
    /// Accusations in all. Where strangers send in a server's name, to say so is no false accusation:
    /// those behaviours are not counted.
    pub fn accused<C: Cast>(&self, stream: &Stream<C>) -> Count {
        let mut sum = Count::default();
        for (&which, count) in &self.tally.counts {
            if !stream.spoofed[which] {
                sum.certain += count.certain;
                sum.strong += count.strong;
                sum.suspect += count.suspect;
            }
        }
        sum
    }

    /// Whether that is within the [limits](crate::limits) for so many connections.
    pub fn is_clean<C: Cast>(&self, stream: &Stream<C>) -> bool {
        let Count { certain, strong, .. } = self.accused(stream);
        stream.cast().tolerates(certain, strong, stream.begun())
    }
}
