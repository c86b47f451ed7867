//! Paints on a thread of its own, so that a terminal that takes nothing cannot hold up a call.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender},
    },
    time::Duration,
};

use super::Status;

/// How long the last picture may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is to be seen.
pub(super) struct Picture {
    /// How things stand.
    pub(super) status: Status,
    /// Whether the terminal is to be cleared before.
    pub(super) anew: bool,
}

/// Hands over pictures; one that was not painted before the next came is left out.
pub(super) struct Painter {
    latest: Arc<Mutex<Option<Picture>>>,
    wake: Option<SyncSender<()>>,
    done: Receiver<()>,
}

impl Painter {
    /// Starts the thread; it calls `over` when it ends, be it told to, because `paint` failed, or by a panic.
    pub(super) fn start(
        mut paint: impl FnMut(Picture) -> io::Result<()> + Send + 'static,
        over: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let latest = Arc::new(Mutex::<Option<Picture>>::default());
        let (wake, woken) = mpsc::sync_channel(1);
        let (ended, done) = mpsc::channel();
        let slot = latest.clone();
        std::thread::Builder::new().name("painter".into()).spawn(move || {
            let _over = Over(over);
            while woken.recv().is_ok() {
                let picture = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                if picture.is_some_and(|picture| paint(picture).is_err()) {
                    break;
                }
            }
            let _ = ended.send(());
        })?;
        Ok(Self { latest, wake: Some(wake), done })
    }

    /// Has `picture` painted in place of one that still waits; never waits itself.
    pub(super) fn show(&self, mut picture: Picture) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        picture.anew |= latest.as_ref().is_some_and(|waiting| waiting.anew);
        *latest = Some(picture);
        // A full channel holds a wake that is still to come.
        let _ = self.wake.iter().try_for_each(|wake| wake.try_send(()));
    }

    /// Ends the thread, with the last picture painted; whether it did end in its time.
    pub(super) fn end(&mut self) -> bool {
        self.wake = None;
        self.done.recv_timeout(FAREWELL).is_ok()
    }
}

/// Calls when it is dropped.
struct Over<F: Fn()>(F);

impl<F: Fn()> Drop for Over<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(volume: u32, anew: bool) -> Picture {
        Picture { status: Status { volume, ..Status::default() }, anew }
    }

    #[test]
    fn a_terminal_that_takes_nothing_holds_up_nobody_and_sees_the_latest_in_the_end() {
        let (begun, beginning) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let painted = move |picture: Picture| {
            begun.send((picture.status.volume, picture.anew)).unwrap();
            held.recv().map_err(io::Error::other)
        };
        let mut painter = Painter::start(painted, || ()).unwrap();
        painter.show(picture(0, false));
        assert_eq!(beginning.recv().unwrap(), (0, false));
        for volume in 1..1000 {
            painter.show(picture(volume, volume == 7));
        }
        release.send(()).unwrap();
        release.send(()).unwrap();
        assert!(painter.end());
        assert_eq!(beginning.iter().collect::<Vec<_>>(), [(999, true)]);
    }

    #[test]
    fn a_terminal_that_is_gone_is_told() {
        let fails = |_: Picture| Err(io::ErrorKind::BrokenPipe.into());
        let panics = |_: Picture| panic!("a picture that cannot be painted");
        for paint in [fails as fn(Picture) -> io::Result<()>, panics] {
            let (tell, told) = mpsc::channel();
            let painter = Painter::start(paint, move || tell.send(()).unwrap()).unwrap();
            painter.show(picture(0, false));
            told.recv().unwrap();
            painter.show(picture(1, false));
        }
    }
}
