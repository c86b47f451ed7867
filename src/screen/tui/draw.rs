//! The picture of a status, for any size of terminal.

mod pairing;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    Inks,
    text::{chopped, flowing, indented, rows, wrapped},
};
use crate::screen::{
    event::{CallState, LineState, MemberState},
    status::{Headline, Mood, Status},
};

/// The quietest sound that a meter shows, in dBFS.
const METER_FLOOR: f64 = -60.0;

/// The widest column of text; more is hard to read.
const MEASURE: u16 = 76;

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
        let width = column.width;
        let (presence, words, ended) = (self.presence(width), self.words(width), self.ended(width));
        let used = flowing(devices(self.status).map(|device| vec![Span::from(device).dim()]), width);
        // Empty rows go first where there are few: between the parts, then within the bar.
        let text = rows(&presence) + rows(&words) + rows(&ended) + rows(&used) + self.bar(width, 0).height() + 2;
        let gap = u16::from(column.height >= text + 5 + 2 * u16::from(!words.is_empty()));
        let spare = column.height.saturating_sub(text + gap * (5 + u16::from(!words.is_empty())));
        let bar = self.bar(width, u16::from(spare >= 4));
        let [_, state, _, there, _, secret, own, far, _, devices, _, ending, notices] = Layout::vertical([
            Constraint::Length(gap),
            Constraint::Length(bar.height()),
            Constraint::Length(gap),
            Constraint::Length(rows(&presence)),
            Constraint::Length(gap),
            Constraint::Length(block(&words, gap)),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(gap),
            Constraint::Length(rows(&used)),
            Constraint::Length(gap),
            Constraint::Length(block(&ended, gap)),
            Constraint::Fill(1),
        ])
        .areas(column);
        self.state(state, bar);
        self.frame.render_widget(Paragraph::new(presence).centered(), there);
        self.frame.render_widget(Paragraph::new(words).centered(), secret);
        self.meters(own, far);
        self.frame.render_widget(Paragraph::new(used).centered(), devices);
        self.frame.render_widget(Paragraph::new(ended).centered(), ending);
        self.notices(notices);
    }

    fn header(&mut self, area: Rect) {
        let area = centred(area, area.width.saturating_sub(2));
        let server = self.status.server.as_deref().unwrap_or_default();
        let at = match self.status.line {
            // The name is more worth where there is no room for both.
            LineState::Joined if self.name().width() + 2 + server.len() > usize::from(area.width) => Span::default(),
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
        let number = self.status.number.iter().map(|number| Span::from(format!(" — you are {number}")).dim());
        let name = [Span::from("twocan ").dim(), Span::from(self.status.name.clone()).bold()];
        name.into_iter().chain(number).collect()
    }

    /// What the state bar says at this width, with so many empty rows above and below.
    fn bar(&self, width: u16, padding: u16) -> Bar {
        let Headline { mood, text, gate } = self.status.headline();
        let width = width.saturating_sub(2);
        let gate = gate.map(|gate| wrapped(&gate, width)).unwrap_or_default();
        Bar { mood, text: wrapped(&text, width), gate, padding }
    }

    /// The state in a colour of its own, and below it the gate in its, where the two differ.
    fn state(&mut self, area: Rect, bar: Bar) {
        let [state, gate] = Layout::vertical([Constraint::Fill(1), Constraint::Length(rows(&bar.gate))]).areas(area);
        let style = ink(bar.mood, self.inks);
        self.frame.render_widget(Paragraph::new("").style(style), state);
        let middle = Rect { y: state.y + bar.padding, height: state.height.saturating_sub(2 * bar.padding), ..state };
        self.frame.render_widget(Paragraph::new(bar.text).centered().style(style), middle);
        let mood = if self.status.paused { Mood::Paused } else { Mood::Open };
        self.frame.render_widget(Paragraph::new(bar.gate).centered().style(ink(mood, self.inks)), gate);
    }

    /// The other side, whether it is sealed, and what is heard only later.
    fn presence(&self, width: u16) -> Vec<Line<'static>> {
        let dot = |is_there| match is_there {
            true => Span::from("● ").fg(self.inks.of(Color::Green)),
            false => Span::from("○ ").dim(),
        };
        if let Some(room) = &self.status.room {
            let unsealed = self.status.seal_mark().into_iter().flat_map(|mark| wrapped(mark, width)).map(Stylize::dim);
            let members = room.members.iter().map(|member| {
                Line::from(vec![dot(member.state == MemberState::Connected), Span::from(member.words())])
            });
            return members.chain(unsealed).collect();
        }
        let there = vec![dot(self.status.is_far_here()), Span::from(self.status.presence())];
        let seal = self.status.seal_mark().map(|mark| vec![Span::from(mark).dim()]);
        let mut lines = flowing(std::iter::once(there).chain(seal), width);
        lines.extend(self.status.delays().iter().flat_map(|delay| wrapped(delay, width)));
        lines
    }

    /// The safety words, while they are asked for.
    fn words(&self, width: u16) -> Vec<Line<'static>> {
        match self.status.safety_words() {
            (Some(words), what) if self.status.words_open => {
                let words = Line::from(words.replace(' ', "   ")).bold();
                std::iter::once(words).chain(wrapped(what, width).into_iter().map(Stylize::dim)).collect()
            }
            (Some(_) | None, _) => Vec::new(),
        }
    }

    /// Why the last call ended, or the last try of one came to nothing; what the headline says is not repeated.
    fn ended(&self, width: u16) -> Vec<Line<'static>> {
        let Some(ended) = &self.status.ended else { return Vec::new() };
        let is_over = self.status.call == CallState::Idle && (self.status.paused || !self.status.retries(ended.reason));
        match (is_over, self.status.retries(ended.reason)) {
            (true, _) => wrapped(&format!("last call: {}", ended.text), width),
            (false, true) => wrapped(&format!("last try: {}", ended.text), width),
            (false, false) => Vec::new(),
        }
    }

    fn meters(&mut self, own: Rect, far: Rect) {
        let status = self.status;
        let label = u16::try_from(Line::from(status.who()).width()).unwrap_or(u16::MAX).clamp(3, 16);
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
        self.meter(far, status.who(), label, status.far_level, far_words);
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
        if let Some(command) = self.status.waits.as_ref().filter(|_| self.status.call == CallState::Idle) {
            lines.push(Line::from("To call from another twocan:"));
            lines.extend(chopped(command, area.width));
            lines.push(Line::default());
        }
        if let Some(local) = self.status.code.as_ref().and_then(|code| code.local.as_ref()) {
            lines.push(Line::from("In a browser on this machine:"));
            lines.extend(chopped(local, area.width));
            lines.push(Line::default());
        }
        let warning = || Span::from("! ").fg(self.inks.of(Color::Red)).bold();
        let suspicions = self.status.suspicions.iter().map(|notice| (warning(), notice));
        let notices = self.status.notices.iter().rev().map(|notice| (Span::from("• "), notice));
        for (mark, notice) in suspicions.chain(notices) {
            let width = area.width.saturating_sub(2);
            let message = wrapped(&notice.message, width).into_iter();
            lines.extend(
                message.enumerate().map(|(n, text)| indented(if n == 0 { mark.clone() } else { "  ".into() }, text)),
            );
            let hint = wrapped(notice.hint.as_deref().unwrap_or_default(), width).into_iter();
            lines.extend(hint.map(|text| indented("  ".into(), text.dim())));
        }
        self.frame.render_widget(Paragraph::new(lines), area);
    }

    /// The bare link from the first column on, so that marking it with the mouse marks nothing else.
    fn link(&mut self, area: Rect, link: &str) {
        self.frame.render_widget(Paragraph::new(chopped(link, area.width)), area);
    }
}

/// What the state bar says.
struct Bar {
    mood: Mood,
    text: Vec<Line<'static>>,
    gate: Vec<Line<'static>>,
    /// Empty rows above the text, and below it.
    padding: u16,
}

impl Bar {
    fn height(&self) -> u16 {
        2 * self.padding + rows(&self.text) + rows(&self.gate)
    }
}

/// The rows of a block with a gap behind it; none if it is empty.
fn block(lines: &[Line<'_>], gap: u16) -> u16 {
    if lines.is_empty() { 0 } else { rows(lines) + gap }
}

fn ink(mood: Mood, inks: Inks) -> Style {
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
    if status.room.is_some() {
        // There is no one call to end.
        keys.retain(|(key, _)| *key != "h");
        keys.insert(keys.len() - 1, ("l", "link"));
    }
    if status.line == LineState::Taken {
        keys.insert(0, ("t", "try again"));
    }
    if status.safety_words().0.is_some() {
        keys.insert(keys.len() - 1, ("w", "words"));
    }
    let item = |(key, what)| vec![Span::from(key).bold(), Span::from(format!(" {what}")).dim()];
    flowing(keys.into_iter().map(item), width)
}

/// What is spoken into, seen by and heard with.
fn devices(status: &Status) -> impl Iterator<Item = String> {
    let described = status.devices.as_ref().map(|devices| {
        let microphone = devices.microphone.as_deref().unwrap_or("no microphone").to_owned();
        let camera = match (&devices.camera, status.camera_off) {
            (None, _) => "no camera".to_owned(),
            (Some(name), true) => format!("{name} (off)"),
            (Some(name), false) => name.clone(),
        };
        let speaker = devices.speaker.as_deref().unwrap_or("no speaker");
        let volume = if status.volume == 100 { String::new() } else { format!(" at {} %", status.volume) };
        [microphone, camera, format!("{speaker}{volume}")]
    });
    described.into_iter().flatten()
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
        screen::{
            event::{CallState, CodeEnd, Ending, Event, Suspicion},
            qr::Qr,
        },
    };

    const LINK: &str = "https://192.168.178.20:8443/?convoId=aaaaaaaaaaaaaaaaaaaaaaaaaa&farInstanceId=\
                        bbbbbbbbbbbbbbbbbbbbbbbbba#key=CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA";

    fn status(events: &[Event]) -> Status {
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
            conversation: Some(ConversationId::from_bits(1)),
            name: "tim".into(),
        };
        let server = Event::Server { url: "http://localhost:8443/".into(), embedded: true };
        [started, server, devices].iter().chain(events).for_each(|event| status.handle(event));
        status
    }

    fn drawn(width: u16, height: u16, status: &Status, inks: Inks) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, status, inks)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn painted(width: u16, height: u16, events: &[Event], inks: Inks) -> Buffer {
        drawn(width, height, &status(events), inks)
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
        assert!(seen.contains("you are live — tim is paused") && seen.contains("tim is here, paused"), "{seen}");
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
            message: Some("the other side hung up".into()),
        };
        let notice = Event::Notice { message: "no camera".into(), hint: Some("plug one in".into()) };
        let seen = seen(80, 24, &[JOINED, HERE, ended, notice]);
        assert!(seen.contains("last call: tim hung up"), "{seen}");
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
    fn in_a_room_one_sees_ones_own_number_and_the_link_whenever_it_is_asked_for() {
        let (name, link) = ("tea".to_owned(), "https://192.168.178.20:8443/?room=tea".to_owned());
        let room = Event::Room { name, link: link.clone(), local: None };
        let come = Event::Member { uid: "4712".into(), state: MemberState::Connected, message: None };
        let mut status = status(&[room, Event::Number { uid: "4711".into() }, JOINED, come]);
        let seen = |status: &Status| text(&drawn(80, 40, status, Inks::Colour));
        let talking = seen(&status);
        assert!(talking.contains("you are 4711") && talking.contains("4712 is connected"), "{talking}");
        assert!(!talking.contains(&link) && talking.contains("l link"), "{talking}");
        status.toggle_link();
        assert!(seen(&status).contains(&link), "{}", seen(&status));
        status.toggle_link();
        assert!(!seen(&status).contains(&link));
    }

    #[test]
    fn who_waits_sees_what_the_other_side_types_until_it_calls() {
        let command = "twocan call 4711 --server https://192.168.178.20:8443";
        let waiting = Event::Waiting { uid: "4711".into(), command: command.into() };
        assert!(seen(80, 24, &[Event::Unsealed, waiting.clone(), JOINED]).contains(command));
        assert!(!seen(80, 24, &[Event::Unsealed, waiting, JOINED, HERE, CONNECTED]).contains(command));
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
                seen(width, height, &[JOINED, code(), UNPAUSED, notice.clone()]);
                let mut lost = status(&[JOINED, sealed(), HERE, UNPAUSED, lost(Ending::FarGone), notice.clone()]);
                lost.toggle_words();
                drawn(width, height, &lost, Inks::Plain);
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

    const SEALED_WORDS: &str = "lusab babad gutih tugad";

    fn sealed() -> Event {
        Event::Sealed { words: SEALED_WORDS.into() }
    }

    fn lost(reason: Ending) -> Event {
        Event::Call { state: CallState::Reconnecting, reason: Some(reason), message: None }
    }

    #[test]
    fn the_seal_is_a_quiet_mark_and_the_words_come_on_request() {
        let mut status = status(&[JOINED, sealed(), HERE]);
        let before = text(&drawn(80, 24, &status, Inks::Colour));
        assert!(before.contains("● tim is here · sealed") && before.contains("w words"), "{before}");
        assert!(!before.contains("lusab"), "{before}");
        status.toggle_words();
        for (width, height) in [(80, 24), (40, 20)] {
            let seen = text(&drawn(width, height, &status, Inks::Colour));
            let flat = seen.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(&format!("{SEALED_WORDS} Say these four words to each other")), "{seen}");
            assert!(flat.contains("nobody sits between you. you microphone closed"), "{seen}");
            assert!(seen.contains("paused — press space to talk"), "{seen}");
        }
        let unmet = seen(80, 24, &[JOINED, HERE]);
        assert!(!unmet.contains("sealed") && !unmet.contains("w words"), "{unmet}");
    }

    #[test]
    fn the_state_is_in_sight_whatever_else_is() {
        let later = Event::FarProps { paused: false, audiosend: true, videosend: true, holding: true, behind: 4 };
        let mut status = status(&[JOINED, sealed(), HERE, UNPAUSED, later, CONNECTED]);
        status.toggle_words();
        for (width, height) in [(80, 24), (80, 16), (40, 20), (40, 17), (30, 20)] {
            let seen = text(&drawn(width, height, &status, Inks::Colour));
            assert!(seen.contains("talking\n") && seen.contains("  ──"), "{seen}");
        }
    }

    #[test]
    fn a_narrow_window_shows_the_name_rather_than_the_server() {
        assert!(seen(40, 20, &[JOINED]).contains("http://localhost:8443/"));
        let narrow = seen(30, 20, &[JOINED]);
        assert!(narrow.contains("twocan tim") && !narrow.contains("http"), "{narrow}");
    }

    #[test]
    fn an_open_gate_has_its_own_colour_below_a_lost_connection() {
        for (width, height) in [(80, 24), (40, 20)] {
            let events = [JOINED, HERE, UNPAUSED, CONNECTED, lost(Ending::FarGone)];
            let buffer = painted(width, height, &events, Inks::Colour);
            let grounds: Vec<Color> = (0..height).map(|y| buffer[(width / 2, y)].bg).collect();
            let is = |colour: u8| grounds.iter().filter(|ground| **ground == Color::Indexed(colour)).count();
            assert!(is(214) > 0 && is(77) > 0, "{}", text(&buffer));
            let flat = text(&buffer).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains("you are unpaused: you will be heard as soon as"), "{flat}");
        }
        let paused = painted(80, 24, &[JOINED, HERE, CONNECTED, lost(Ending::FarGone)], Inks::Colour);
        assert!(paused.content().iter().all(|cell| cell.bg != Color::Indexed(77)), "{}", text(&paused));
    }

    #[test]
    fn a_gate_that_is_open_while_the_code_is_shown_is_told_too() {
        for (width, height) in [(80, 44), (110, 30), (80, 24), (40, 20)] {
            let seen = seen(width, height, &[JOINED, code(), UNPAUSED]);
            assert!(seen.contains("you are unpaused"), "{seen}");
        }
    }

    #[test]
    fn what_the_other_side_hears_later_stands_below_it() {
        let later = Event::FarProps { paused: false, audiosend: true, videosend: true, holding: true, behind: 4 };
        let seen = seen(80, 24, &[JOINED, sealed(), HERE, UNPAUSED, CONNECTED, later]);
        for wanted in ["tim is here, talking · sealed", "tim is 4 s behind", "tim keeps what you say while speaking"] {
            assert!(seen.contains(wanted), "{wanted}:\n{seen}");
        }
    }

    #[test]
    fn why_the_last_try_came_to_nothing_is_in_sight_during_the_next() {
        let failed = Event::Call { state: CallState::Idle, reason: Some(Ending::NoConnection), message: None };
        let calling = Event::Call { state: CallState::Calling, reason: None, message: None };
        let seen = seen(80, 24, &[JOINED, HERE, UNPAUSED, calling.clone(), failed, calling]);
        assert!(seen.contains("calling tim again …") && seen.contains("last try: no way through to tim"), "{seen}");
    }

    #[test]
    fn what_is_suspicious_stands_before_the_notices_with_what_to_do() {
        let notice = Event::Notice { message: "no camera".into(), hint: None };
        let suspicious =
            Event::Suspicious { reason: Suspicion::Silent, message: "who is it?".into(), hint: "pair anew".into() };
        let warned = seen(80, 24, &[JOINED, suspicious.clone(), notice.clone()]);
        assert!(warned.contains("! who is it?\n    pair anew\n  • no camera"), "{warned}");
        let met = seen(80, 24, &[JOINED, suspicious, notice, sealed()]);
        assert!(!met.contains("who is it?") && met.contains("• no camera"), "{met}");
    }
}
