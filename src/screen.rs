//! The three faces of one program: a terminal, plain lines, JSON lines. All show the same [`Event`]s and give the same
//! [`Command`]s.

pub mod command;
pub mod event;
pub mod json;
mod lines;
mod plain;
mod qr;
mod status;
mod tui;

use std::{
    future,
    io::{self, IsTerminal},
    time::Instant,
};

pub use self::{command::Command, event::Event, lines::LINE_LIMIT};
use self::{
    lines::{Line, Writer},
    plain::Typed,
    status::Status,
    tui::Tui,
};
use crate::rt;

/// How the program shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// The whole terminal, with keys.
    Terminal,
    /// A line for each thing that happens; typed words as commands.
    Plain,
    /// A JSON object a line, both ways.
    Json,
}

impl Face {
    /// The face for a person at this terminal; plain lines where there is none.
    pub fn for_person() -> Self {
        let able = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        if able && io::stdin().is_terminal() && io::stdout().is_terminal() { Self::Terminal } else { Self::Plain }
    }
}

/// Shows events and hands over commands; gives the terminal back when it is dropped.
pub struct Screen {
    shown: Shown,
}

enum Shown {
    Terminal(Box<Tui>),
    Lines(Box<Lines>),
}

struct Lines {
    face: Face,
    started: Instant,
    status: Status,
    out: Writer,
    input: rt::Receiver<Line>,
}

impl Screen {
    /// Takes standard input and output; `started` is when the program began, from which events are timed.
    pub fn open(face: Face, started: Instant) -> io::Result<Self> {
        let shown = match face {
            Face::Terminal => Shown::Terminal(Box::new(Tui::open()?)),
            Face::Plain | Face::Json => {
                let (out, input) = (Writer::new(io::stdout())?, lines::reader(io::BufReader::new(io::stdin()))?);
                Shown::Lines(Box::new(Lines { face, started, status: Status::default(), out, input }))
            }
        };
        Ok(Self { shown })
    }

    /// Shows `event`; never waits for whoever reads.
    pub fn show(&mut self, event: &Event) {
        match &mut self.shown {
            Shown::Terminal(tui) => tui.show(event),
            Shown::Lines(lines) => lines.show(event),
        }
    }

    /// The next command; `None` when there will be none because whoever ran the program has gone.
    ///
    /// That is: the terminal closed, nobody reads the output, or the JSON input ended. The end of plain input means
    /// nothing: an unattended program has none. The future may be dropped and asked for anew without loss.
    pub async fn command(&mut self) -> Option<Command> {
        match &mut self.shown {
            Shown::Terminal(tui) => tui.command().await,
            Shown::Lines(lines) => lines.command().await,
        }
    }
}

impl Lines {
    fn show(&mut self, event: &Event) {
        let line = match self.face {
            Face::Json => Some(json::line(event, self.started.elapsed().as_secs_f64() * 1000.0)),
            Face::Plain | Face::Terminal => {
                let before = self.status.clone();
                self.status.handle(event);
                plain::line(event, &before, &self.status)
            }
        };
        if let Some(line) = line {
            self.out.write(line);
        }
    }

    async fn command(&mut self) -> Option<Command> {
        while !self.out.is_gone() {
            let line = match (self.input.recv().await, self.face) {
                (Ok(Line::Text(text)), _) if text.trim().is_empty() => continue,
                (Ok(line), _) => line,
                (Err(_), Face::Json) => return None,
                (Err(_), Face::Plain | Face::Terminal) => future::pending().await,
            };
            match parse(line, self.face) {
                Ok(Typed::Command(command)) => return Some(command),
                Ok(Typed::Words) => self.out.write(plain::safety_words(&self.status)),
                Ok(Typed::Link) => self.out.write(plain::way_in(&self.status)),
                Err(message) => self.show(&Event::Notice { message, hint: None }),
            }
        }
        None
    }
}

fn parse(line: Line, face: Face) -> Result<Typed, String> {
    match (line, face) {
        (Line::Text(text), Face::Json) => json::command(&text).map(Typed::Command).map_err(|error| error.to_string()),
        (Line::Text(text), Face::Plain | Face::Terminal) => plain::typed(&text),
        (Line::TooLong, _) => Err(format!("a command is at most {LINE_LIMIT} bytes long")),
        (Line::NotText, _) => Err("a command is UTF-8 text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Cursor, sync::mpsc};

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        rt::run(future).unwrap()
    }

    struct Sent(mpsc::Sender<Vec<u8>>);

    impl io::Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn screen(face: Face, input: &str) -> (Screen, mpsc::Receiver<Vec<u8>>) {
        let (sender, shown) = mpsc::channel();
        let out = Writer::new(Sent(sender)).unwrap();
        let input = lines::reader(Cursor::new(input.to_owned())).unwrap();
        let started = Instant::now();
        let lines = Lines { face, started, status: Status::default(), out, input };
        (Screen { shown: Shown::Lines(Box::new(lines)) }, shown)
    }

    fn said(shown: &mpsc::Receiver<Vec<u8>>) -> serde_json::Value {
        serde_json::from_slice(&shown.recv().unwrap()).unwrap()
    }

    #[test]
    fn a_bad_line_yields_one_notice_and_the_next_is_read() {
        let long = "x".repeat(LINE_LIMIT + 1);
        let input = format!("{{\"v\":1,\"cmd\":\"sing\"}}\n\n{long}\n{{\"v\":1,\"cmd\":\"quit\"}}\n");
        let (mut screen, shown) = screen(Face::Json, &input);
        assert_eq!(block_on(screen.command()), Some(Command::Quit));
        for wanted in ["unknown variant `sing`", "at most 4096 bytes"] {
            let notice = said(&shown);
            assert_eq!(notice["event"], "notice");
            assert!(notice["message"].as_str().unwrap().contains(wanted), "{notice}");
        }
        assert!(shown.try_recv().is_err());
    }

    #[test]
    fn the_end_of_json_input_is_the_end() {
        let (mut screen, _shown) = screen(Face::Json, "{\"v\":1,\"cmd\":\"pause\"}");
        assert_eq!(block_on(screen.command()), Some(Command::Pause));
        assert_eq!(block_on(screen.command()), None);
    }

    #[test]
    fn the_end_of_plain_input_is_nothing() {
        let (mut screen, _shown) = screen(Face::Plain, "hang up\n");
        assert_eq!(block_on(screen.command()), Some(Command::HangUp));
        let more = block_on(async { futures_util::poll!(std::pin::pin!(screen.command())) });
        assert!(more.is_pending());
        screen.show(&Event::Ended);
    }

    #[test]
    fn asking_for_the_safety_words_is_answered_and_is_no_command() {
        let (mut screen, shown) = screen(Face::Plain, "words\nquit\n");
        screen.show(&Event::Sealed { words: "lusab babad gutih tugad".into() });
        assert_eq!(block_on(screen.command()), Some(Command::Quit));
        let said = String::from_utf8(shown.recv().unwrap()).unwrap();
        assert!(said.starts_with("lusab babad gutih tugad "), "{said}");
    }

    #[test]
    fn an_output_that_nobody_reads_is_the_end() {
        let (mut screen, shown) = screen(Face::Plain, "");
        drop(shown);
        let Shown::Lines(lines) = &mut screen.shown else { unreachable!() };
        while !lines.out.is_gone() {
            lines.show(&Event::Paired);
        }
        assert_eq!(block_on(screen.command()), None);
    }

    #[test]
    fn json_times_never_run_backwards() {
        let (mut screen, shown) = screen(Face::Json, "");
        screen.show(&Event::Paired);
        screen.show(&Event::Ended);
        assert!(said(&shown)["t"].as_f64() <= said(&shown)["t"].as_f64());
    }
}
