//! The picture of a status, for any size of terminal.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::Inks;
use crate::{
    invite::Origin,
    screen::{
        event::LineState,
        qr::Qr,
        status::{Mood, Status},
    },
};

/// The quietest sound that a meter shows, in dBFS.
const METER_FLOOR: f64 = -60.0;

/// The widest column of text; more is hard to read.
const MEASURE: u16 = 76;

/// The narrowest column beside a QR code that still reads as text.
const ASIDE: u16 = 26;

/// Out of the fixed colour cube, so that no theme makes the state line unreadable.
const BLACK: Color = Color::Indexed(16);
const WHITE: Color = Color::Indexed(231);

/// Draws `status` onto the whole frame.
pub(super) fn draw(frame: &mut Frame<'_>, status: &Status, inks: Inks) {
    let keys = keys(status, frame.area().width);
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(rows(&keys))])
            .areas(frame.area());
    let canvas = &mut Canvas { frame, status, inks };
    match &status.code {
        Some(code) => canvas.pairing(head, body, &code.link),
        None => canvas.talk(head, body),
    }
    canvas.frame.render_widget(Paragraph::new(keys).centered(), foot);
}

const SCAN: &str = "Scan the code with the other side's phone, or open the link there:";

struct Canvas<'a, 'b> {
    frame: &'a mut Frame<'b>,
    status: &'a Status,
    inks: Inks,
}

impl Canvas<'_, '_> {
    /// The view of every day: how things stand, who is there, how loud it is.
    fn talk(&mut self, head: Rect, body: Rect) {
        self.header(head);
        let column = centred(body, MEASURE);
        let bar = if column.height >= 16 { 3 } else { 1 };
        let gap = u16::from(column.height >= 12);
        let ended = u16::from(self.status.last_ending.is_some());
        let [_, state, _, presence, _, own, far, _, devices, _, ending, notices] = Layout::vertical([
            Constraint::Length(gap),
            Constraint::Length(bar),
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(gap),
            Constraint::Length(ended * (1 + gap)),
            Constraint::Fill(1),
        ])
        .areas(column);
        self.state(state);
        self.presence(presence);
        self.meters(own, far);
        self.frame.render_widget(Line::from(devices_line(self.status)).dim().centered(), devices);
        if let Some(ended) = &self.status.last_ending {
            self.frame.render_widget(Line::from(format!("last call: {ended}")).centered(), ending);
        }
        self.notices(notices);
    }

    /// The view until somebody is paired: the code, the link, and what to do with them.
    fn pairing(&mut self, head: Rect, body: Rect, link: &str) {
        let qr = Qr::new(link);
        let whole = Rect { height: head.height + body.height, ..head };
        let fit = |width: u16, height: u16| qr.clone().and_then(|qr| qr.fit(width, height));
        let below = 1 + 1 + link_rows(link, body.width);
        let local = self.status.code.as_ref().and_then(|code| code.local.as_deref());
        let local_rows = local.map_or(0, |local| 2 + link_rows(local, body.width));
        let above_all = fit(body.width, body.height.saturating_sub(below + local_rows));
        let beside = fit(whole.width.saturating_sub(ASIDE), whole.height);
        let above = fit(body.width, body.height.saturating_sub(below));
        match (above_all, beside, above) {
            (Some(code), _, _) | (None, None, Some(code)) => self.pairing_above(head, body, &code, link),
            (None, Some(code), _) => self.pairing_beside(whole, &code, link),
            (None, None, None) => self.pairing_without(head, body, qr.as_ref(), link),
        }
    }

    fn pairing_above(&mut self, head: Rect, body: Rect, code: &Qr, link: &str) {
        self.header(head);
        let needed = 1 + code.height() + 1 + link_rows(link, body.width);
        let gap = u16::from(body.height >= needed + 12);
        let [_, state, _, square, _, text, address, _, notices] = Layout::vertical([
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(gap),
            Constraint::Length(code.height()),
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(link_rows(link, body.width)),
            Constraint::Length(gap),
            Constraint::Fill(1),
        ])
        .areas(body);
        self.state(state);
        self.frame.render_widget(code, centred(square, code.width()));
        self.frame.render_widget(Line::from(instruction(link, SCAN)).centered(), text);
        self.link(address, link);
        self.notices(notices);
    }

    fn pairing_beside(&mut self, whole: Rect, code: &Qr, link: &str) {
        let [square, aside] = Layout::horizontal([Constraint::Length(code.width()), Constraint::Fill(1)]).areas(whole);
        self.frame.render_widget(code, square);
        let aside = Rect { x: aside.x + 2, width: aside.width.saturating_sub(2), ..aside };
        let headline = wrapped(&self.status.headline().1, aside.width);
        let what = wrapped(instruction(link, SCAN), aside.width);
        let [name, _, state, _, text, _, address, _, notices] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(rows(&headline)),
            Constraint::Length(1),
            Constraint::Length(rows(&what)),
            Constraint::Length(1),
            Constraint::Length(link_rows(link, aside.width)),
            Constraint::Length(1),
            Constraint::Fill(1),
        ])
        .areas(aside);
        self.frame.render_widget(self.name(), name);
        self.frame.render_widget(Paragraph::new(headline).bold(), state);
        self.frame.render_widget(Paragraph::new(what), text);
        self.link(address, link);
        self.notices(notices);
    }

    fn pairing_without(&mut self, head: Rect, body: Rect, code: Option<&Qr>, link: &str) {
        self.header(head);
        let small = code.map_or_else(
            || "The link is too long for a QR code.".to_owned(),
            |code| {
                let (columns, rows) = code.least();
                let (columns, rows) = (columns + ASIDE, rows + 1);
                format!("This window is too small for the QR code: that needs {columns} columns and {rows} rows.")
            },
        );
        let small = wrapped(&small, body.width);
        let gap = u16::from(body.height >= 10);
        let [_, state, _, what, address, _, text, _, notices] = Layout::vertical([
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(link_rows(link, body.width)),
            Constraint::Length(gap),
            Constraint::Length(rows(&small)),
            Constraint::Length(gap),
            Constraint::Fill(1),
        ])
        .areas(body);
        self.state(state);
        self.frame.render_widget(Line::from(instruction(link, "Open this link on the other side:")).centered(), what);
        self.link(address, link);
        self.frame.render_widget(Paragraph::new(small).centered(), text);
        self.notices(notices);
    }

    fn header(&mut self, area: Rect) {
        let area = centred(area, area.width.saturating_sub(2));
        let server = self.status.server.as_deref().unwrap_or_default();
        let at = match self.status.line {
            LineState::Joined => Span::from(server.to_owned()).dim(),
            LineState::Connecting => Span::from("connecting …").dim(),
            LineState::Offline => Span::from("server out of reach").fg(self.inks.of(Color::Red)),
            LineState::Taken => Span::from("open elsewhere").fg(self.inks.of(Color::Red)),
        };
        let width = u16::try_from(at.width()).unwrap_or(u16::MAX);
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(area);
        self.frame.render_widget(self.name(), left);
        self.frame.render_widget(Line::from(at), right);
    }

    fn name(&self) -> Line<'static> {
        Line::from(vec![Span::from("twocan ").dim(), Span::from(self.status.name.clone()).bold()])
    }

    /// The state as a bar of its own colour, as high as its area.
    fn state(&mut self, area: Rect) {
        let (mood, text) = self.status.headline();
        let style = bar(mood, self.inks);
        self.frame.render_widget(Paragraph::new("").style(style), area);
        let middle = Rect { y: area.y + area.height / 2, height: area.height.min(1), ..area };
        self.frame.render_widget(Paragraph::new(text).centered().style(style), middle);
    }

    fn presence(&mut self, area: Rect) {
        let dot = match self.status.far_here || self.status.far_props.is_some() {
            true => Span::from("● ").fg(self.inks.of(Color::Green)),
            false => Span::from("○ ").dim(),
        };
        self.frame.render_widget(Line::from(vec![dot, Span::from(self.status.presence())]).centered(), area);
    }

    fn meters(&mut self, own: Rect, far: Rect) {
        let status = self.status;
        let label = u16::try_from(Line::from(status.name.as_str()).width()).unwrap_or(u16::MAX).clamp(3, 16);
        let no_microphone = status.devices.as_ref().is_some_and(|devices| devices.microphone.is_none());
        let own_words = match (no_microphone, status.microphone_muted, status.paused) {
            (true, _, _) => Some("no microphone"),
            (false, true, _) => Some("microphone muted"),
            (false, false, true) => Some("microphone closed"),
            (false, false, false) => None,
        };
        let no_speaker = status.devices.as_ref().is_some_and(|devices| devices.speaker.is_none());
        let far_words = match (no_speaker, status.paused) {
            (true, _) => Some("no speaker"),
            (false, true) => Some("speaker closed"),
            (false, false) => None,
        };
        self.meter(own, "you", label, status.own_level, own_words);
        self.meter(far, &status.name, label, status.far_level, far_words);
    }

    fn meter(&mut self, area: Rect, who: &str, label: u16, level: Option<f64>, words: Option<&str>) {
        let [name, _, gauge] =
            Layout::horizontal([Constraint::Length(label), Constraint::Length(2), Constraint::Fill(1)]).areas(area);
        self.frame.render_widget(Line::from(who.to_owned()), name);
        match words {
            Some(words) => self.frame.render_widget(Line::from(words.to_owned()).dim(), gauge),
            None => self.frame.render_widget(gauge_line(level, gauge.width, self.inks), gauge),
        }
    }

    fn notices(&mut self, area: Rect) {
        let mut lines = Vec::new();
        if let Some(local) = self.status.code.as_ref().and_then(|code| code.local.as_ref()) {
            lines.push(Line::from("In a browser on this machine:"));
            lines.extend(chopped(local, area.width));
            lines.push(Line::default());
        }
        for notice in self.status.notices.iter().rev() {
            let width = area.width.saturating_sub(2);
            let message = wrapped(&notice.message, width).into_iter();
            lines.extend(message.enumerate().map(|(n, text)| indented(if n == 0 { "• " } else { "  " }, text)));
            let hint = wrapped(notice.hint.as_deref().unwrap_or_default(), width).into_iter();
            lines.extend(hint.map(|text| indented("  ", text.dim())));
        }
        self.frame.render_widget(Paragraph::new(lines), area);
    }

    /// The bare link from the first column on, so that marking it with the mouse marks nothing else.
    fn link(&mut self, area: Rect, link: &str) {
        self.frame.render_widget(Paragraph::new(chopped(link, area.width)), area);
    }
}

fn bar(mood: Mood, inks: Inks) -> Style {
    let (ink, ground) = match mood {
        Mood::Paused => (WHITE, Color::Indexed(25)),
        Mood::Open => (BLACK, Color::Indexed(77)),
        Mood::Waiting => (BLACK, Color::Indexed(252)),
        Mood::Trouble => (BLACK, Color::Indexed(214)),
    };
    match inks {
        Inks::Colour => Style::new().fg(ink).bg(ground).bold(),
        Inks::Plain => Style::new().reversed().bold(),
    }
}

/// A line from silence to as loud as it gets, on a faint track.
fn gauge_line(level: Option<f64>, width: u16, inks: Inks) -> Line<'static> {
    let level = level.unwrap_or(METER_FLOOR);
    let share = ((level - METER_FLOOR) / -METER_FLOOR).clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the width of a terminal")]
    let full = (share * f64::from(width)).round() as usize;
    let colour = match level {
        loud if loud > -3.0 => Color::Red,
        good if good > -12.0 => Color::Yellow,
        _ => Color::Green,
    };
    let track = "─".repeat(usize::from(width).saturating_sub(full));
    Line::from(vec![Span::from("━".repeat(full)).fg(inks.of(colour)).bold(), Span::from(track).dim()])
}

/// The keys and what they do, in as few lines as the width allows.
fn keys(status: &Status, width: u16) -> Vec<Line<'static>> {
    let mut keys =
        vec![("space", "pause/unpause"), ("m", "microphone"), ("v", "camera"), ("h", "hang up"), ("q", "quit")];
    if status.line == LineState::Taken {
        keys.insert(0, ("t", "try again"));
    }
    let mut lines = vec![Line::default()];
    for (key, what) in keys {
        let mut words = vec![Span::from(key).bold(), Span::from(format!(" {what}")).dim()];
        let wide: usize = words.iter().map(Span::width).sum();
        match lines.last_mut() {
            Some(line) if line.spans.is_empty() => line.spans = words,
            Some(line) if line.width() + 3 + wide <= usize::from(width) => {
                line.spans.push(Span::from(" · ").dim());
                line.spans.append(&mut words);
            }
            Some(_) | None => lines.push(Line::from(words)),
        }
    }
    lines
}

fn devices_line(status: &Status) -> String {
    let Some(devices) = &status.devices else { return String::new() };
    let microphone = devices.microphone.as_deref().unwrap_or("no microphone");
    let camera = match (&devices.camera, status.camera_off) {
        (None, _) => "no camera".to_owned(),
        (Some(name), true) => format!("{name} (off)"),
        (Some(name), false) => name.clone(),
    };
    let speaker = devices.speaker.as_deref().unwrap_or("no speaker");
    let volume = if status.volume == 100 { String::new() } else { format!(" at {} %", status.volume) };
    format!("{microphone} · {camera} · {speaker}{volume}")
}

/// What to do with the link; `elsewhere` unless it only works on this machine.
fn instruction<'a>(link: &str, elsewhere: &'a str) -> &'a str {
    let is_here = link.parse::<Origin>().is_ok_and(|origin| origin.is_loopback());
    if is_here { "Open this link in a browser on this machine:" } else { elsewhere }
}

fn link_rows(link: &str, width: u16) -> u16 {
    u16::try_from(link.chars().count().div_ceil(usize::from(width).max(1))).unwrap_or(u16::MAX)
}

/// `text` broken between words into lines of at most `width` columns.
fn wrapped(text: &str, width: u16) -> Vec<Line<'static>> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if Span::from(format!("{line} {word}")).width() <= usize::from(width) => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(Line::from).collect()
}

/// `text` broken at the edge, as a link is.
fn chopped(text: &str, width: u16) -> Vec<Line<'static>> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(usize::from(width).max(1)).map(|row| Line::from(row.iter().collect::<String>())).collect()
}

fn indented(by: &'static str, mut line: Line<'static>) -> Line<'static> {
    line.spans.insert(0, Span::from(by));
    line
}

fn rows(lines: &[Line<'_>]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

fn centred(area: Rect, width: u16) -> Rect {
    let width = width.min(area.width);
    Rect { x: area.x + (area.width - width) / 2, width, ..area }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

    use super::*;
    use crate::{
        ids::ConversationId,
        screen::event::{CallState, CodeEnd, Ending, Event},
    };

    const LINK: &str = "https://192.168.178.20:8443/?convoId=aaaaaaaaaaaaaaaaaaaaaaaaaa&farInstanceId=\
                        bbbbbbbbbbbbbbbbbbbbbbbbba#key=CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA";

    fn painted(width: u16, height: u16, events: &[Event], inks: Inks) -> Buffer {
        let mut status = Status::default();
        let devices = Event::Devices {
            microphone: Some("Yeti".into()),
            camera: None,
            speaker: Some("Built-in".into()),
            window: None,
        };
        let started = Event::Started {
            version: "0.1.0".into(),
            unix_ms: 0.0,
            conversation: ConversationId::from_bits(1),
            name: "tim".into(),
        };
        let server = Event::Server { url: "http://localhost:8443/".into(), embedded: true };
        [started, server, devices].iter().chain(events).for_each(|event| status.handle(event));
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &status, inks)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn text(buffer: &Buffer) -> String {
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..buffer.area.height).map(|y| row(y).trim_end().to_owned() + "\n").collect()
    }

    fn seen(width: u16, height: u16, events: &[Event]) -> String {
        text(&painted(width, height, events, Inks::Colour))
    }

    const JOINED: Event = Event::Line { state: LineState::Joined, retry_ms: None };
    const HERE: Event = Event::Far { here: true };
    const UNPAUSED: Event = Event::Paused { paused: false };
    const CONNECTED: Event = Event::Call { state: CallState::Connected, reason: None, message: None };
    const FAR_PAUSED: Event =
        Event::FarProps { paused: true, audiosend: true, videosend: true, holding: false, behind: 0 };

    fn code() -> Event {
        Event::Code { link: LINK.into(), local: None }
    }

    #[test]
    fn waiting_paused_shows_name_state_presence_and_keys() {
        let seen = seen(80, 24, &[JOINED, HERE]);
        for wanted in [
            "twocan tim",
            "http://localhost:8443/",
            "paused — press space to talk",
            "tim is here",
            "microphone closed",
            "speaker closed",
            "Yeti · no camera · Built-in",
            "space pause/unpause · m microphone · v camera · h hang up · q quit",
        ] {
            assert!(seen.contains(wanted), "{wanted}:\n{seen}");
        }
    }

    #[test]
    fn talking_shows_two_meters() {
        let loud = Event::Level { own: Some(-30.0), far: Some(0.0) };
        let seen = seen(80, 24, &[JOINED, HERE, UNPAUSED, CONNECTED, FAR_PAUSED, loud]);
        assert!(seen.contains("talking") && seen.contains("tim is here, paused"), "{seen}");
        let full = |who: &str| {
            let row = seen.lines().find(|row| row.trim_start().starts_with(who)).unwrap();
            row.chars().filter(|c| *c == '━').count()
        };
        assert_eq!(full("tim  "), 71, "{seen}");
        assert_eq!(full("you  "), 36, "{seen}");
    }

    #[test]
    fn a_meter_stays_within_its_line_whatever_the_level() {
        for level in [f64::NEG_INFINITY, f64::NAN, -1000.0, 0.0, 3.0, f64::INFINITY] {
            assert!(gauge_line(Some(level), 10, Inks::Colour).width() <= 10, "{level}");
        }
    }

    #[test]
    fn the_last_ending_and_the_notices_are_in_sight() {
        let ended = Event::Call {
            state: CallState::Idle,
            reason: Some(Ending::FarHungUp),
            message: Some("Tim hung up".into()),
        };
        let notice = Event::Notice { message: "no camera".into(), hint: Some("plug one in".into()) };
        let seen = seen(80, 24, &[JOINED, HERE, ended, notice]);
        assert!(seen.contains("last call: Tim hung up"), "{seen}");
        assert!(seen.contains("• no camera") && seen.contains("plug one in"), "{seen}");
    }

    #[test]
    fn unpaired_shows_code_and_link_above_each_other_in_a_tall_window() {
        let seen = seen(80, 40, &[JOINED, code()]);
        assert!(seen.contains("▀") && seen.contains("Scan the code"), "{seen}");
        let rows: Vec<&str> = seen.lines().filter(|row| LINK.contains(row.trim()) && row.len() > 20).collect();
        assert_eq!(rows.concat(), LINK, "the link starts at the first column\n{seen}");
    }

    #[test]
    fn unpaired_shows_code_and_link_side_by_side_in_a_wide_window() {
        let seen = seen(100, 28, &[JOINED, code()]);
        let qr = Qr::new(LINK).unwrap().fit(100, 27).unwrap();
        let aside = |row: &str| row.chars().skip(usize::from(qr.width())).collect::<String>().trim().to_owned();
        let words: String = seen.lines().map(aside).collect();
        assert!(words.contains(LINK) && words.contains("twocan tim"), "{seen}");
    }

    #[test]
    fn a_window_too_small_for_the_code_says_so_and_shows_the_link() {
        let seen = seen(80, 24, &[JOINED, code()]);
        assert!(!seen.contains('▀') && seen.contains("too small for the QR code"), "{seen}");
        assert!(seen.lines().collect::<String>().contains(LINK), "{seen}");
    }

    #[test]
    fn the_code_goes_once_paired() {
        let gone = Event::CodeGone { reason: CodeEnd::Paired };
        let seen = seen(100, 40, &[JOINED, code(), gone, Event::Paired, HERE]);
        assert!(!seen.contains('▀') && !seen.contains("key="), "{seen}");
        assert!(seen.contains("paired with tim"), "{seen}");
    }

    #[test]
    fn a_link_for_this_machine_only_is_not_to_be_scanned() {
        let here = Event::Code { link: LINK.replace("192.168.178.20", "localhost"), local: None };
        let seen = seen(80, 40, &[JOINED, here]);
        assert!(seen.contains("browser on this machine") && !seen.contains("Scan"), "{seen}");
    }

    #[test]
    fn a_browser_on_this_machine_gets_an_address_of_its_own() {
        let local = LINK.replace("https://192.168.178.20", "http://localhost");
        let code = Event::Code { link: LINK.into(), local: Some(local.clone()) };
        for (width, height) in [(80, 48), (120, 32), (80, 24)] {
            let seen = seen(width, height, &[JOINED, code.clone()]);
            let rows: String = seen.lines().map(str::trim).collect();
            let aside: String =
                seen.lines().map(|row| row.chars().skip(55).collect::<String>().trim().to_owned()).collect();
            assert!(rows.contains(&local) || aside.contains(&local), "{seen}");
        }
    }

    #[test]
    fn taken_offers_to_try_again() {
        let seen = seen(100, 24, &[Event::Line { state: LineState::Taken, retry_ms: None }]);
        assert!(
            seen.contains("on another machine — press t to try again") && seen.contains("t try again · space"),
            "{seen}"
        );
    }

    #[test]
    fn no_size_is_too_small_to_draw() {
        let notice = Event::Notice { message: "x ".repeat(300), hint: Some("y".repeat(300)) };
        for width in [1, 2, 3, 7, 20, 53, 79, 200] {
            for height in [1, 2, 3, 7, 12, 27, 60] {
                seen(width, height, &[JOINED, HERE, UNPAUSED, CONNECTED, notice.clone()]);
                seen(width, height, &[JOINED, code(), notice.clone()]);
            }
        }
    }

    #[test]
    fn a_narrow_window_still_shows_state_and_every_key() {
        let seen = seen(40, 12, &[JOINED, HERE]);
        for wanted in ["paused — press space to talk", "tim is here", "h hang up", "q quit"] {
            assert!(seen.contains(wanted), "{wanted}:\n{seen}");
        }
    }

    #[test]
    fn without_colours_only_the_code_is_painted() {
        let buffer = painted(80, 24, &[JOINED, HERE, UNPAUSED, CONNECTED], Inks::Plain);
        assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        let buffer = painted(80, 40, &[JOINED, code()], Inks::Plain);
        assert!(buffer.content().iter().any(|cell| cell.bg == Color::Indexed(231)));
    }
}
