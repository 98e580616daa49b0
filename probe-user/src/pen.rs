//! Writing without waiting for whoever reads: a thread with a queue. A pager, a terminal that is held or a journal that hangs
//! costs lines, which are counted, and no detection.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

/// Octets of lines that wait for a reader: some seven hundred findings.
const WAITING_OCTETS: usize = 1_048_576;

/// How long a reader is waited for when there is no room: whoever reads at all takes a burst of findings in that time.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often that may be: at most a tenth of the time is waited.
const PERIOD: Duration = Duration::from_millis(500);

/// How often it is asked whether a line has been taken, by whoever waits for that.
const LOOK: Duration = Duration::from_millis(1);

#[derive(Debug, Default)]
struct Shared {
    /// Octets that are not written yet.
    waiting: AtomicUsize,
    /// Lines for which there was no room.
    refused: AtomicU64,
    /// When there was no room first in this [`PERIOD`].
    full: Mutex<Option<Instant>>,
    /// Whether there is always room, for whoever waits for it.
    patient: AtomicBool,
    /// Why nothing can be written any more. Set once.
    failed: AtomicBool,
    error: Mutex<Option<io::Error>>,
}

/// Hands lines to a thread that writes them.
#[derive(Clone, Debug)]
pub(crate) struct Pen {
    lines: Sender<Vec<u8>>,
    shared: Arc<Shared>,
}

impl Pen {
    /// Starts the thread, with the rights of the caller; it ends with the process.
    ///
    /// # Errors
    ///
    /// If there can be no more threads.
    pub(crate) fn new(name: &str, mut output: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = mpsc::channel::<Vec<u8>>();
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            for line in queue {
                if let Err(error) = output.write_all(&line).and_then(|()| output.flush()) {
                    *own.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    own.failed.store(true, Ordering::Release);
                    return;
                }
                own.waiting.fetch_sub(line.len(), Ordering::Release);
            }
        })?;
        Ok(Self { lines, shared })
    }

    /// Hands one line over; it is written, or counted.
    ///
    /// # Errors
    ///
    /// If one before it could not be written: the first time what the system said.
    pub(crate) fn put(&self, line: &[u8]) -> io::Result<()> {
        self.check()?;
        let room = || {
            let waiting = self.shared.waiting.load(Ordering::Acquire);
            waiting == 0 || waiting + line.len() <= WAITING_OCTETS
        };
        while !room() {
            if !self.shared.patient.load(Ordering::Relaxed) && !self.may_wait() {
                self.shared.refused.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            thread::sleep(LOOK);
            self.check()?;
        }
        self.shared.waiting.fetch_add(line.len(), Ordering::AcqRel);
        // Who has gone has left an error.
        self.lines.send(line.to_vec()).or_else(|_| self.check())
    }

    /// Whether there is time to wait for room.
    fn may_wait(&self) -> bool {
        let now = Instant::now();
        let mut full = self.shared.full.lock().unwrap_or_else(PoisonError::into_inner);
        let since = full.take_if(|since| now.duration_since(*since) < PERIOD).unwrap_or(now);
        *full = Some(since);
        now.duration_since(since) < PATIENCE
    }

    /// Whether all could be written that was tried so far.
    ///
    /// # Errors
    ///
    /// If not: the first time what the system said.
    pub(crate) fn check(&self) -> io::Result<()> {
        if !self.shared.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut error = self.shared.error.lock().unwrap_or_else(PoisonError::into_inner);
        Err(error
            .take()
            .unwrap_or_else(|| io::Error::other("nothing can be written there any more")))
    }

    /// From now on lines wait for room, and none is refused.
    pub(crate) fn be_patient(&self) {
        self.shared.patient.store(true, Ordering::Relaxed);
    }

    /// Waits until all is written, or so long.
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put).
    pub(crate) fn drain(&self, limit: Option<Duration>) -> io::Result<()> {
        let begin = Instant::now();
        while self.shared.waiting.load(Ordering::Acquire) > 0 {
            self.check()?;
            if limit.is_some_and(|limit| begin.elapsed() >= limit) {
                break;
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Lines for which there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

/// Each piece is a line.
impl Write for Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read as _, pipe};

    use super::*;

    fn pen() -> (Pen, PipeReader) {
        let (reader, writer) = pipe().expect("a pipe");
        (Pen::new("test", writer).expect("a thread"), reader)
    }

    #[test]
    fn nobody_who_writes_waits_for_a_reader_and_what_has_no_room_is_counted() {
        let (pen, mut reader) = pen();
        let line = [b'a'; 1_000];
        let lines = 3 * WAITING_OCTETS / line.len();
        let begin = Instant::now();
        for _ in 0..lines {
            pen.put(&line).expect("nothing has failed");
        }
        assert!(begin.elapsed() < 20 * PATIENCE, "{:?}", begin.elapsed());
        let refused = pen.refused();
        assert!(refused > 0, "there is no room for all of them");
        let kept = lines - usize::try_from(refused).expect("few");
        // What comes after it waits behind it, and what could not wait is not there in part.
        pen.be_patient();
        let last = {
            let pen = pen.clone();
            thread::spawn(move || pen.put(b"the end").and_then(|()| pen.drain(None)))
        };
        let mut read = vec![0; kept * line.len() + 7];
        reader.read_exact(&mut read).expect("all that was kept");
        assert!(read.ends_with(b"aaathe end"));
        last.join().expect("no panic").expect("it is written");
        assert_eq!(pen.refused(), refused);
    }

    #[test]
    fn a_burst_is_read_to_its_end_by_whoever_reads() {
        let (pen, mut reader) = pen();
        let line = [b'a'; 1_000];
        let lines = 3 * WAITING_OCTETS / line.len();
        let read = thread::spawn(move || {
            let mut read = vec![0; lines * 1_000];
            reader.read_exact(&mut read)
        });
        for _ in 0..lines {
            pen.put(&line).expect("nothing has failed");
        }
        assert_eq!(pen.refused(), 0);
        read.join().expect("no panic").expect("all of it");
    }

    #[test]
    fn who_waits_for_the_end_does_not_wait_for_ever() {
        let (pen, _reader) = pen();
        pen.put(&[b'a'; 1 << 19]).expect("there is room");
        pen.drain(Some(Duration::from_millis(20))).expect("nothing has failed");
        assert!(pen.shared.waiting.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn a_reader_that_goes_is_told_of_and_ends_every_wait() {
        let (pen, reader) = pen();
        drop(reader);
        pen.put(b"to nobody").expect("not known yet");
        let error = pen.drain(None).expect_err("nobody reads it");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        pen.put(b"to nobody").expect_err("nor anything after it");
    }
}
