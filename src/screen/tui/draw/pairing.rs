//! The view until somebody is paired: the code, the link, and what to do with them.

use ratatui::{
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::Paragraph,
};

use super::{Canvas, centred};
use crate::{
    invite::Origin,
    screen::{
        qr::Qr,
        tui::text::{link_rows, rows, wrapped},
    },
};

/// The narrowest column beside a QR code that still reads as text.
const ASIDE: u16 = 26;

const SCAN: &str = "Scan the code with the other side's phone, or open the link there:";

impl Canvas<'_, '_> {
    /// The view until somebody is paired: the code, the link, and what to do with them.
    pub(super) fn pairing(&mut self, head: Rect, body: Rect, link: &str) {
        let qr = Qr::new(link);
        let whole = Rect { height: head.height + body.height, ..head };
        let fit = |width: u16, height: u16| qr.clone().and_then(|qr| qr.fit(width, height));
        let below = self.bar(body.width, 0).height() + 1 + link_rows(link, body.width);
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
        let bar = self.bar(body.width, 0);
        let needed = bar.height() + code.height() + 1 + link_rows(link, body.width);
        let gap = u16::from(body.height >= needed + 12);
        let [_, state, _, square, _, text, address, _, notices] = Layout::vertical([
            Constraint::Length(gap),
            Constraint::Length(bar.height()),
            Constraint::Length(gap),
            Constraint::Length(code.height()),
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(link_rows(link, body.width)),
            Constraint::Length(gap),
            Constraint::Fill(1),
        ])
        .areas(body);
        self.state(state, bar);
        self.frame.render_widget(code, centred(square, code.width()));
        self.frame.render_widget(Line::from(instruction(link, SCAN)).centered(), text);
        self.link(address, link);
        self.notices(notices);
    }

    fn pairing_beside(&mut self, whole: Rect, code: &Qr, link: &str) {
        let [square, aside] = Layout::horizontal([Constraint::Length(code.width()), Constraint::Fill(1)]).areas(whole);
        self.frame.render_widget(code, square);
        let aside = Rect { x: aside.x + 2, width: aside.width.saturating_sub(2), ..aside };
        let bar = self.bar(aside.width, 0);
        let what = wrapped(instruction(link, SCAN), aside.width);
        let [name, _, state, _, text, _, address, _, notices] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(bar.height()),
            Constraint::Length(1),
            Constraint::Length(rows(&what)),
            Constraint::Length(1),
            Constraint::Length(link_rows(link, aside.width)),
            Constraint::Length(1),
            Constraint::Fill(1),
        ])
        .areas(aside);
        self.frame.render_widget(self.name(), name);
        self.state(state, bar);
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
        let bar = self.bar(body.width, 0);
        let gap = u16::from(body.height >= 10);
        let [_, state, _, what, address, _, text, _, notices] = Layout::vertical([
            Constraint::Length(gap),
            Constraint::Length(bar.height()),
            Constraint::Length(gap),
            Constraint::Length(1),
            Constraint::Length(link_rows(link, body.width)),
            Constraint::Length(gap),
            Constraint::Length(rows(&small)),
            Constraint::Length(gap),
            Constraint::Fill(1),
        ])
        .areas(body);
        self.state(state, bar);
        self.frame.render_widget(Line::from(instruction(link, "Open this link on the other side:")).centered(), what);
        self.link(address, link);
        self.frame.render_widget(Paragraph::new(small).centered(), text);
        self.notices(notices);
    }
}

/// What to do with the link; `elsewhere` unless it only works on this machine.
fn instruction<'a>(link: &str, elsewhere: &'a str) -> &'a str {
    let is_here = link.parse::<Origin>().is_ok_and(|origin| origin.is_loopback());
    if is_here { "Open this link in a browser on this machine:" } else { elsewhere }
}
