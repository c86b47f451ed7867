//! Text in lines of a given width.

use ratatui::{
    style::Stylize,
    text::{Line, Span},
};

/// How many lines a chopped `link` takes.
pub(super) fn link_rows(link: &str, width: u16) -> u16 {
    u16::try_from(link.chars().count().div_ceil(usize::from(width).max(1))).unwrap_or(u16::MAX)
}

/// `text` broken between words into lines of at most `width` columns.
pub(super) fn wrapped(text: &str, width: u16) -> Vec<Line<'static>> {
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
pub(super) fn chopped(text: &str, width: u16) -> Vec<Line<'static>> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(usize::from(width).max(1)).map(|row| Line::from(row.iter().collect::<String>())).collect()
}

/// `line` behind `by`.
pub(super) fn indented(by: Span<'static>, mut line: Line<'static>) -> Line<'static> {
    line.spans.insert(0, by);
    line
}

/// How many they are.
pub(super) fn rows(lines: &[Line<'_>]) -> u16 {
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

/// Items with a dot between them, in as few lines of at most `width` columns as they fit into; none is broken.
pub(super) fn flowing(items: impl IntoIterator<Item = Vec<Span<'static>>>, width: u16) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for mut item in items {
        let wide: usize = item.iter().map(Span::width).sum();
        match lines.last_mut() {
            Some(line) if line.width() + 3 + wide <= usize::from(width) => {
                line.spans.push(Span::from(" · ").dim());
                line.spans.append(&mut item);
            }
            Some(_) | None => lines.push(Line::from(item)),
        }
    }
    lines
}
