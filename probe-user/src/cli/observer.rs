//! One capture on its way through an engine and a judge of its own, beside others or alone.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use probe_common::config::Config;

use super::{Failure, attribute::Attribution, summary};
use crate::{
    judge::{Judge, Settings, Telling},
    report::{Finding, Summary},
    source::{
        capture::{CaptureError, CaptureReader},
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

/// See the module.
pub(super) struct Observer {
    file: PathBuf,
    reader: CaptureReader,
    packets: Packets,
    pub(super) judge: Judge,
    /// Time of the frame that waits in the reader for those of other captures before it.
    next: Option<u64>,
    damage: Option<CaptureError>,
}

impl Observer {
    pub(super) fn open(
        file: &Path,
        through_kernel: bool,
        config: Config,
        targets: &Arc<TargetSet>,
    ) -> Result<Self, Failure> {
        let reader = CaptureReader::open(file)?;
        let mut driver =
            if through_kernel { Driver::kernel(&config)? } else { Driver::local(config) };
        driver.watch_names(&targets.names(config.hash_key));
        let telling = Telling::AtClose;
        let settings = Settings { telling, epoch: 0, targets: Arc::clone(targets) };
        let mut judge = Judge::new(settings);
        judge.set_dns_ports(config.dns_ports);
        Attribution::prepare(&mut judge)?;
        let packets = Packets::new(driver);
        let file = file.to_owned();
        let mut observer = Self { file, reader, packets, judge, next: None, damage: None };
        observer.fetch();
        Ok(observer)
    }

    /// Goes on to the next frame.
    fn fetch(&mut self) {
        self.next = self.reader.advance().unwrap_or_else(|error| {
            self.damage = Some(error);
            None
        });
    }

    /// The time of the next frame; nothing at the capture's end, or where it is damaged.
    pub(super) const fn time(&self) -> Option<u64> {
        self.next
    }

    /// Takes the next frame.
    pub(super) fn take(&mut self, tell: impl FnMut(Finding)) -> Result<(), Failure> {
        let Some(frame) = self.reader.frame() else { return Ok(()) };
        self.packets.take(&frame, &mut self.judge, tell)?;
        self.fetch();
        Ok(())
    }

    /// Tells the time.
    pub(super) fn advance(&mut self, now: u64, tell: impl FnMut(Finding)) {
        self.packets.advance(now, &mut self.judge, tell);
    }

    /// Judges what is still open at the capture's end.
    pub(super) fn finish(&mut self, mut tell: impl FnMut(Finding)) {
        self.packets.scan_last(&mut self.judge, &mut tell);
        self.judge.finish(tell);
    }

    /// Adds what was counted so far to `total`.
    pub(super) fn count(&self, total: &mut Summary) -> Result<(), Failure> {
        summary::add(total, &self.packets.counts()?, &self.judge);
        Ok(())
    }

    /// Adds everything else that is known at the capture's end.
    pub(super) fn sum_up(&self, total: &mut Summary) -> Result<(), Failure> {
        self.count(total)?;
        summary::histograms(total, &self.judge);
        let skipped: u64 = self.reader.skipped().iter().map(|skipped| skipped.packets).sum();
        *total.lost.entry("capture_packets_skipped".into()).or_default() += skipped;
        for skipped in self.reader.skipped() {
            super::complain(&format_args!("{}: {skipped}", self.file.display()));
        }
        total.first_packet = earliest(total.first_packet, self.packets.first());
        total.last_packet = total.last_packet.max(self.packets.last());
        Ok(())
    }

    /// Time of the latest packet.
    pub(super) const fn last(&self) -> Option<u64> {
        self.packets.last()
    }

    /// What is wrong with the capture, if it could not be read to its end.
    pub(super) fn damage(self) -> Option<CaptureError> {
        self.damage
    }
}

fn earliest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
