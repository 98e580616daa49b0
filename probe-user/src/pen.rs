//! Writing without waiting for whoever reads: a thread with a queue. A pager, a terminal that is held or a journal that hangs
//! costs lines, which are counted, and no detection.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Octets of lines that wait for a reader: some seven hundred findings.
const WAITING_OCTETS: usize = 1_048_576;

/// Octets of room that are kept while nothing waits.
const KEPT: usize = 65_536;

/// How long a reader is waited for when there is no room: whoever reads at all takes a burst of findings in that time.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often that may be: at most a tenth of the time is waited.
const PERIOD: Duration = Duration::from_millis(500);

/// What both threads see.
#[derive(Debug, Default)]
struct Queue {
    /// Lines that wait: in one piece, so that they take no more room than they have octets.
    lines: Vec<u8>,
    /// Octets of lines that are being written.
    writing: usize,
    /// Lines for which there was no room.
    refused: u64,
    /// When there was no room first in this [`PERIOD`].
    full: Option<Instant>,
    /// Whether lines wait for room, however long.
    patient: bool,
    /// Nothing can be written any more.
    failed: bool,
    /// Why not, until somebody was told.
    error: Option<io::Error>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something was put into the queue, or out of it.
    moved: Condvar,
}

/// Hands lines to a thread that writes them.
#[derive(Debug)]
pub(crate) struct Pen {
    shared: Arc<Shared>,
}

impl Pen {
    /// Starts the thread, with the rights of the caller; it ends with the process.
    ///
    /// # Errors
    ///
    /// If there can be no more threads.
    pub(crate) fn new(name: &str, output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || own.write(output))?;
        Ok(Self { shared })
    }

    /// Hands one line over; it is written, or counted.
    ///
    /// # Errors
    ///
    /// If one before it could not be written: the first time what the system said.
    pub(crate) fn put(&self, line: &[u8]) -> io::Result<()> {
        let mut queue = self.shared.queue();
        queue.check()?;
        while !queue.has_room(line.len()) {
            let Some(time) = queue.may_wait() else {
                queue.refused += 1;
                return Ok(());
            };
            queue = self.shared.wait(queue, time);
            queue.check()?;
        }
        queue.lines.extend_from_slice(line);
        drop(queue);
        self.shared.moved.notify_all();
        Ok(())
    }

    /// Whether all could be written that was tried so far.
    ///
    /// # Errors
    ///
    /// If not: the first time what the system said.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.shared.queue().check()
    }

    /// From now on lines wait for room, and none is refused.
    pub(crate) fn be_patient(&self) {
        self.shared.queue().patient = true;
    }

    /// Waits until all is written, or so long.
    ///
    /// # Errors
    ///
    /// As for [`put`](Self::put).
    pub(crate) fn drain(&self, limit: Option<Duration>) -> io::Result<()> {
        let begin = Instant::now();
        let mut queue = self.shared.queue();
        while queue.waiting() > 0 {
            queue.check()?;
            let left = limit.map_or(PERIOD, |limit| limit.saturating_sub(begin.elapsed()));
            if left.is_zero() {
                break;
            }
            queue = self.shared.wait(queue, left);
        }
        Ok(())
    }

    /// Lines for which there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.shared.queue().refused
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

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something moves, or so long.
    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>, time: Duration) -> MutexGuard<'a, Queue> {
        self.moved.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes what is put into the queue, until that fails.
    fn write(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut queue = self.queue();
            queue.writing = 0;
            self.moved.notify_all();
            while queue.lines.is_empty() {
                queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            // What a burst has taken is given back.
            if lines.capacity() > KEPT {
                lines = Vec::new();
            }
            lines.clear();
            mem::swap(&mut lines, &mut queue.lines);
            queue.writing = lines.len();
            drop(queue);
            // Each by itself: another writer to the same pipe, as with `2>&1`, finds no line half written.
            let written = lines.split_inclusive(|&octet| octet == b'\n').try_for_each(|line| {
                output.write_all(line)?;
                output.flush()
            });
            if let Err(error) = written {
                let mut queue = self.queue();
                (queue.failed, queue.error) = (true, Some(error));
                self.moved.notify_all();
                return;
            }
        }
    }
}

impl Queue {
    const fn waiting(&self) -> usize {
        self.lines.len() + self.writing
    }

    const fn has_room(&self, octets: usize) -> bool {
        self.waiting() == 0 || self.waiting() + octets <= WAITING_OCTETS
    }

    fn check(&mut self) -> io::Result<()> {
        if !self.failed {
            return Ok(());
        }
        let gone = || io::Error::other("nothing can be written there any more");
        Err(self.error.take().unwrap_or_else(gone))
    }

    /// How long a line may wait for room now; none if it may not.
    fn may_wait(&mut self) -> Option<Duration> {
        if self.patient {
            return Some(PERIOD);
        }
        let now = Instant::now();
        let since = self.full.filter(|since| now.duration_since(*since) < PERIOD).unwrap_or(now);
        self.full = Some(since);
        let left = PATIENCE.saturating_sub(now.duration_since(since));
        (!left.is_zero()).then_some(left)
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
        let mut read = vec![0; kept * line.len() + 7];
        thread::scope(|scope| {
            let last = scope.spawn(|| pen.put(b"the end").and_then(|()| pen.drain(None)));
            reader.read_exact(&mut read).expect("all that was kept");
            last.join().expect("no panic").expect("it is written");
        });
        assert!(read.ends_with(b"aaathe end"));
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
        assert!(pen.shared.queue().waiting() > 0);
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
