//! Lines in and out: a reader that bounds what it takes, a writer that never holds up the program.

use std::{
    io::{self, BufRead, Write},
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    time::Duration,
};

use crate::rt;

/// The longest command line: 4 KiB; what is longer is passed over and told.
pub const LINE_LIMIT: usize = 4096;

/// Lines that wait for a reader; one that lags further behind is taken as gone.
const WAITING_LIMIT: usize = 4096;

/// How long the last lines may take to be read when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// One line of input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its text, without the line break.
    Text(String),
    /// Longer than [`LINE_LIMIT`].
    TooLong,
    /// Not UTF-8.
    NotText,
}

/// The next line of `input`; `None` at its end.
///
/// Never holds more than [`LINE_LIMIT`] bytes, however long the line.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(chunk.len());
        let ended = chunk.is_empty();
        let room = LINE_LIMIT.saturating_sub(bytes.len()).min(taken);
        bytes.extend_from_slice(&chunk[..room]);
        seen = seen.saturating_add(taken);
        input.consume(if end.is_some() { taken + 1 } else { taken });
        if ended && seen == 0 {
            return Ok(None);
        }
        if ended || end.is_some() {
            return Ok(Some(line(bytes, seen)));
        }
    }
}

fn line(bytes: Vec<u8>, seen: usize) -> Line {
    if seen > LINE_LIMIT {
        return Line::TooLong;
    }
    String::from_utf8(bytes).map_or(Line::NotText, Line::Text)
}

/// Reads lines on a thread of its own, since a blocking read cannot be called off.
pub(super) fn reader<R>(mut input: R) -> io::Result<rt::Receiver<Line>>
where
    R: BufRead + Send + 'static,
{
    let (sender, receiver) = rt::channel(16);
    std::thread::Builder::new().name("input".into()).spawn(move || {
        while let Ok(Some(line)) = read(&mut input) {
            if sender.send_blocking(line).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

/// Writes lines on a thread of its own, so that whoever does not read them cannot stall a call.
pub(super) struct Writer {
    lines: Option<SyncSender<String>>,
    done: Receiver<()>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn new<W: Write + Send + 'static>(mut out: W) -> io::Result<Self> {
        let (sender, lines) = mpsc::sync_channel::<String>(WAITING_LIMIT);
        let (ended, done) = mpsc::channel();
        std::thread::Builder::new().name("output".into()).spawn(move || {
            while let Ok(line) = lines.recv() {
                if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
            drop(lines);
            let _ = ended.send(());
        })?;
        Ok(Self { lines: Some(sender), done })
    }

    /// Queues one line; its line break is added here.
    ///
    /// A reader that left, or has stopped reading for good, ends the output: see [`Writer::is_gone`].
    pub(super) fn write(&mut self, mut line: String) {
        line.push('\n');
        match self.lines.as_ref().map(|lines| lines.try_send(line)) {
            Some(Ok(())) | None => {}
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => self.lines = None,
        }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_gone(&self) -> bool {
        self.lines.is_none()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.lines.take().is_some() {
            let _ = self.done.recv_timeout(FAREWELL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Cursor,
        sync::{Arc, Mutex},
    };

    use super::*;

    fn all(bytes: &[u8]) -> Vec<Line> {
        let mut input = io::BufReader::with_capacity(7, Cursor::new(bytes.to_vec()));
        std::iter::from_fn(|| read(&mut input).unwrap()).collect()
    }

    fn text(line: &str) -> Line {
        Line::Text(line.to_owned())
    }

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(all(b""), []);
        assert_eq!(all(b"a longer one\n\nb"), [text("a longer one"), text(""), text("b")]);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        let mut bytes = vec![b'x'; LINE_LIMIT];
        bytes.extend_from_slice(b"\nok\n");
        assert_eq!(all(&bytes), [text(&"x".repeat(LINE_LIMIT)), text("ok")]);
        bytes.insert(0, b'x');
        assert_eq!(all(&bytes), [Line::TooLong, text("ok")]);
        assert_eq!(all(&vec![b'x'; 1 << 20]), [Line::TooLong]);
    }

    #[test]
    fn what_is_no_text_is_told() {
        assert_eq!(all(b"\xff\nok"), [Line::NotText, text("ok")]);
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_last_lines_are_out_when_the_writer_is_dropped() {
        let out = Shared::default();
        let mut writer = Writer::new(out.clone()).unwrap();
        for number in 0..1000 {
            writer.write(number.to_string());
        }
        drop(writer);
        assert_eq!(out.0.lock().unwrap().iter().filter(|byte| **byte == b'\n').count(), 1000);
    }

    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_reading_does_not_hold_up_the_program() {
        let (_hold, stuck) = mpsc::channel();
        let mut writer = Writer::new(Stuck(stuck)).unwrap();
        for _ in 0..=WAITING_LIMIT + 1 {
            writer.write(String::new());
        }
        assert!(writer.is_gone());
    }
}
