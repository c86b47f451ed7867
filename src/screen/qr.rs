//! A link as a QR code made of half blocks: two modules above one another in each cell of the terminal.

use fast_qr::{ECL, QRBuilder};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Color, Style},
    widgets::Widget,
};

/// The light border that the standard asks for, in modules.
pub(super) const QUIET: usize = 4;

/// The narrowest border that phones still read on a dark screen.
pub(super) const QUIET_LEAST: usize = 2;

/// Out of the fixed colour cube, since the first sixteen colours are whatever the terminal's theme says.
const DARK: Color = Color::Indexed(16);
const LIGHT: Color = Color::Indexed(231);

/// A QR code with its quiet zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Qr {
    modules: Vec<Vec<bool>>,
    quiet: usize,
}

impl Qr {
    /// The code for `text`, or `None` if it is too long for any.
    ///
    /// The lowest error correction: a screen has no scratches, and fewer modules fit more terminals.
    pub(super) fn new(text: &str) -> Option<Self> {
        let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
        let row = |y: usize| (0..code.size).map(|x| code[y][x].value()).collect();
        Some(Self { modules: (0..code.size).map(row).collect(), quiet: QUIET })
    }

    /// The same code with the widest quiet zone that fits into `width` × `height` cells, if any does.
    pub(super) fn fit(mut self, width: u16, height: u16) -> Option<Self> {
        let fits = |quiet: &usize| {
            self.quiet = *quiet;
            self.width() <= width && self.height() <= height
        };
        let quiet = (QUIET_LEAST..=QUIET).rev().find(fits)?;
        self.quiet = quiet;
        Some(self)
    }

    /// The fewest columns and rows it could do with.
    pub(super) fn least(&self) -> (u16, u16) {
        let least = Self { quiet: QUIET_LEAST, modules: self.modules.clone() };
        (least.width(), least.height())
    }

    /// Columns it takes.
    pub(super) fn width(&self) -> u16 {
        u16::try_from(self.side()).unwrap_or(u16::MAX)
    }

    /// Rows it takes.
    pub(super) fn height(&self) -> u16 {
        u16::try_from(self.side().div_ceil(2)).unwrap_or(u16::MAX)
    }

    fn side(&self) -> usize {
        self.modules.len() + 2 * self.quiet
    }

    fn colour(&self, x: usize, y: usize) -> Color {
        let module = |x: usize, y: usize| {
            let (x, y) = (x.checked_sub(self.quiet)?, y.checked_sub(self.quiet)?);
            self.modules.get(y)?.get(x).copied()
        };
        if module(x, y) == Some(true) { DARK } else { LIGHT }
    }
}

impl Widget for &Qr {
    fn render(self, area: Rect, buf: &mut Buffer) {
        for (y, row) in (0..self.height()).zip(area.top()..area.bottom()) {
            for (x, column) in (0..self.width()).zip(area.left()..area.right()) {
                let (x, y) = (usize::from(x), usize::from(y) * 2);
                let (upper, lower) = (self.colour(x, y), self.colour(x, y + 1));
                // Where both halves agree no glyph is needed, so no font can leave a seam.
                let symbol = if upper == lower { " " } else { "▀" };
                if let Some(cell) = buf.cell_mut(Position::new(column, row)) {
                    cell.set_symbol(symbol).set_style(Style::new().fg(upper).bg(lower));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://192.168.178.20:8443/?convoId=aaaaaaaaaaaaaaaaaaaaaaaaaa&farInstanceId=\
                        aaaaaaaaaaaaaaaaaaaaaaaaaa#key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// The modules as a camera sees them, from the painted cells.
    fn seen(qr: &Qr) -> Vec<Vec<bool>> {
        let mut buf = Buffer::empty(Rect::new(0, 0, qr.width(), qr.height()));
        qr.render(buf.area, &mut buf);
        let dark = |x: u16, y: u16| {
            let cell = &buf[(x, y / 2)];
            let half = if y.is_multiple_of(2) && cell.symbol() == "▀" { cell.fg } else { cell.bg };
            assert!(half == DARK || half == LIGHT, "every cell is painted, whatever the terminal's own colours");
            half == DARK
        };
        (0..qr.height() * 2).map(|y| (0..qr.width()).map(|x| dark(x, y)).collect()).collect()
    }

    #[test]
    fn what_is_painted_is_what_was_encoded() {
        let code = QRBuilder::new(LINK).ecl(ECL::L).build().unwrap();
        let seen = seen(&Qr::new(LINK).unwrap());
        for y in 0..code.size {
            for x in 0..code.size {
                assert_eq!(seen[y + QUIET][x + QUIET], code[y][x].value(), "module {x},{y}");
            }
        }
    }

    #[test]
    fn a_quiet_zone_surrounds_it() {
        let seen = seen(&Qr::new(LINK).unwrap());
        let last = seen.len() - QUIET;
        for (y, row) in seen.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let outside = x < QUIET || y < QUIET || x >= row.len() - QUIET || y >= last;
                assert!(!(outside && *dark), "module {x},{y}");
            }
        }
    }

    #[test]
    fn a_small_terminal_costs_quiet_zone_first_and_then_the_code() {
        let qr = Qr::new(LINK).unwrap();
        let (width, height) = (qr.width(), qr.height());
        assert_eq!(qr.clone().fit(width, height), Some(qr.clone()));
        assert_eq!(qr.clone().fit(width, height - 2).unwrap().width(), width - 4);
        assert_eq!(qr.clone().fit(width, height - 3), None);
        assert_eq!(qr.fit(width - 5, height), None);
    }

    #[test]
    fn a_text_too_long_for_a_code_has_none() {
        assert_eq!(Qr::new(&"x".repeat(4000)), None);
    }
}
