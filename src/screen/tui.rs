//! The full-screen face: keys in, a picture of the status out. It draws when something changed, and at no other time.

mod draw;
mod painter;
mod text;

use std::io;

use crossterm::event::{self as terminal, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{
    layout::{Rect, Size},
    style::Color,
};

use self::painter::{Painter, Picture};
use super::{
    command::{Command, VOLUME_LIMIT},
    event::{Event, LineState},
    status::Status,
};
use crate::rt;

/// How much one key changes the volume, in percent.
const VOLUME_STEP: u32 = 10;

/// The terminal while the program has it; dropping it gives it back as it was.
pub(super) struct Tui {
    painter: Painter,
    input: rt::Receiver<terminal::Event>,
    status: Status,
}

impl Tui {
    /// Takes the terminal over; a panic gives it back too, before it is reported.
    pub(super) fn open() -> io::Result<Self> {
        // The QR code needs its colours also where NO_COLOR is set; everything else goes without them (see `draw`).
        crossterm::style::force_color_output(true);
        let (sender, input) = rt::channel(16);
        keys(sender.clone())?;
        let mut terminal = ratatui::try_init().inspect_err(|_| restore())?;
        let inks = Inks::chosen();
        let paint = move |Picture { status, anew }: Picture| {
            if anew {
                // `clear` would ask the terminal for its cursor, and the thread that reads keys would get the answer.
                let Size { width, height } = terminal.size()?;
                terminal.resize(Rect::new(0, 0, width, height))?;
            }
            terminal.draw(|frame| draw::draw(frame, &status, inks)).map(drop)
        };
        let over = move || {
            sender.close();
        };
        let painter = Painter::start(paint, over).inspect_err(|_| restore())?;
        Ok(Self { painter, input, status: Status::default() })
    }

    /// Takes in what happened and has it drawn; never waits for the terminal.
    pub(super) fn show(&mut self, event: &Event) {
        self.status.handle(event);
        self.draw(false);
    }

    /// The next command from a key; `None` once the terminal is gone.
    pub(super) async fn command(&mut self) -> Option<Command> {
        loop {
            match self.input.recv().await {
                // Something else may have written onto the terminal.
                Ok(terminal::Event::Key(key)) if is_redraw(key) => self.draw(true),
                Ok(terminal::Event::Key(key)) if is_letter(key, 'l') => {
                    self.status.toggle_link();
                    self.draw(false);
                }
                Ok(terminal::Event::Key(key)) if is_letter(key, 'w') => {
                    self.status.toggle_words();
                    self.draw(false);
                }
                Ok(terminal::Event::Key(key)) => {
                    if let Some(command) = command(key, &self.status) {
                        return Some(command);
                    }
                }
                Ok(terminal::Event::Resize(..)) => self.draw(false),
                Ok(
                    terminal::Event::Mouse(_)
                    | terminal::Event::Paste(_)
                    | terminal::Event::FocusGained
                    | terminal::Event::FocusLost,
                ) => {}
                Err(_) => return None,
            }
        }
    }

    fn draw(&self, anew: bool) {
        self.painter.show(Picture { status: self.status.clone(), anew });
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        let ended = self.painter.end();
        // In a panic the hook has done it; a second time would move the cursor over the report.
        if std::thread::panicking() {
            return;
        }
        if ended {
            restore();
        } else {
            // The rest would wait for the terminal as the painter does.
            let _ = crossterm::terminal::disable_raw_mode();
        }
    }
}

fn restore() {
    // Nothing can be done if the terminal is gone.
    let _ = ratatui::try_restore();
}

/// Which colours are used: all, or none but the QR code's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inks {
    Colour,
    Plain,
}

impl Inks {
    /// As <https://no-color.org> asks.
    fn chosen() -> Self {
        let set = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if set { Self::Plain } else { Self::Colour }
    }

    fn of(self, colour: Color) -> Color {
        match self {
            Self::Colour => colour,
            Self::Plain => Color::Reset,
        }
    }
}

/// Reads keys on a thread of its own, which sleeps in the kernel until there is one.
fn keys(sender: rt::Sender<terminal::Event>) -> io::Result<()> {
    std::thread::Builder::new().name("keys".into()).spawn(move || {
        while let Ok(event) = terminal::read() {
            if sender.send_blocking(event).is_err() {
                break;
            }
        }
        sender.close();
    })?;
    Ok(())
}

fn is_redraw(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('l') && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// Whether a key is this letter, by itself: it asks for something that is the screen's own affair.
fn is_letter(key: KeyEvent, letter: char) -> bool {
    let is_chord = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    let is_it = matches!(key.code, KeyCode::Char(pressed) if pressed.eq_ignore_ascii_case(&letter));
    key.kind != KeyEventKind::Release && !is_chord && is_it
}

/// What a key means as things stand.
fn command(key: KeyEvent, status: &Status) -> Option<Command> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        let quit = key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL;
        return quit.then_some(Command::Quit);
    }
    let KeyCode::Char(letter) = key.code else { return None };
    match letter.to_ascii_lowercase() {
        ' ' => Some(Command::Toggle),
        'm' => Some(Command::Mute { on: !status.microphone_muted }),
        'v' => Some(Command::Camera { on: status.camera_off }),
        'h' => Some(Command::HangUp),
        'q' => Some(Command::Quit),
        't' if status.line == LineState::Taken => Some(Command::TakeOver),
        '+' | '=' => Some(Command::Volume { percent: (status.volume + VOLUME_STEP).min(VOLUME_LIMIT) }),
        '-' => Some(Command::Volume { percent: status.volume.saturating_sub(VOLUME_STEP) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(letter: char, status: &Status) -> Option<Command> {
        command(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE), status)
    }

    #[test]
    fn every_key_in_the_key_line_does_what_it_says() {
        let mut status = Status::default();
        assert_eq!(pressed(' ', &status), Some(Command::Toggle));
        assert_eq!(pressed('h', &status), Some(Command::HangUp));
        assert_eq!(pressed('q', &status), Some(Command::Quit));
        assert_eq!(pressed('m', &status), Some(Command::Mute { on: true }));
        assert_eq!(pressed('v', &status), Some(Command::Camera { on: false }));
        status.handle(&Event::Muted { microphone: true, camera: true });
        assert_eq!(pressed('M', &status), Some(Command::Mute { on: false }));
        assert_eq!(pressed('v', &status), Some(Command::Camera { on: true }));
    }

    #[test]
    fn trying_for_a_taken_line_is_a_key_only_when_it_is_taken() {
        let mut status = Status::default();
        assert_eq!(pressed('t', &status), None);
        status.handle(&Event::Line { state: LineState::Taken, retry_ms: None });
        assert_eq!(pressed('t', &status), Some(Command::TakeOver));
    }

    #[test]
    fn w_asks_for_the_safety_words_which_are_there_once_the_two_have_met() {
        let key = |modifiers| is_letter(KeyEvent::new(KeyCode::Char('w'), modifiers), 'w');
        assert!(key(KeyModifiers::NONE) && !key(KeyModifiers::CONTROL));
        let mut status = Status::default();
        status.toggle_words();
        assert!(!status.words_open);
        status.handle(&Event::Sealed { words: "lusab babad gutih tugad".into() });
        status.toggle_words();
        assert!(status.words_open);
        status.toggle_words();
        assert!(!status.words_open);
    }

    #[test]
    fn control_c_quits_and_other_chords_do_nothing() {
        let status = Status::default();
        let chord = |letter, modifiers| command(KeyEvent::new(KeyCode::Char(letter), modifiers), &status);
        assert_eq!(chord('c', KeyModifiers::CONTROL), Some(Command::Quit));
        assert_eq!(chord('h', KeyModifiers::CONTROL), None);
        assert_eq!(chord('q', KeyModifiers::ALT), None);
    }

    #[test]
    fn letting_a_key_go_does_nothing() {
        let mut key = KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE);
        key.kind = KeyEventKind::Release;
        assert_eq!(command(key, &Status::default()), None);
    }

    #[test]
    fn the_volume_stays_within_its_bounds() {
        let mut status = Status::default();
        assert_eq!(pressed('+', &status), Some(Command::Volume { percent: 110 }));
        status.handle(&Event::Volume { percent: VOLUME_LIMIT });
        assert_eq!(pressed('+', &status), Some(Command::Volume { percent: VOLUME_LIMIT }));
        status.handle(&Event::Volume { percent: 5 });
        assert_eq!(pressed('-', &status), Some(Command::Volume { percent: 0 }));
    }
}
