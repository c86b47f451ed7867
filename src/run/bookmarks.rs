//! `twocan list`, `rename` and `forget`.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use super::Error;
use crate::{
    bookmarks::{Bookmark, Bookmarks, Listing, Trouble},
    foreign,
};

/// How the list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for a person.
    Table,
    /// A JSON object a line, for a script.
    Json,
}

/// Whether a deletion still has to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// On the terminal.
    Ask,
    /// It is.
    Given,
}

/// A conversation as `list --json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    v: u64,
    id: &'a str,
    name: &'a str,
    paired: bool,
    /// Paired before calls were sealed: to be paired once more.
    unsealed: bool,
    open: bool,
    server: Option<String>,
    created: u64,
    last_talked: Option<u64>,
}

/// Prints every conversation; `now` is in seconds since 1970.
pub fn list(bookmarks: &Bookmarks, format: Format, now: u64, out: &mut impl Write) -> Result<(), Error> {
    let Listing { bookmarks: known, troubles } = bookmarks.list()?;
    report(&troubles);
    let mut opened = Vec::new();
    for bookmark in known {
        let open = bookmarks.is_open(&bookmark.id)?;
        opened.push((bookmark, open));
    }
    print(out, &shape(&opened, format, now))
}

fn shape(known: &[(Bookmark, bool)], format: Format, now: u64) -> String {
    match format {
        Format::Json => known.iter().map(|(bookmark, open)| json(bookmark, *open) + "\n").collect(),
        Format::Table if known.is_empty() => "No conversations yet. Begin one:  twocan talk NAME\n".to_owned(),
        Format::Table => {
            let head = ["NAME", "OTHER SIDE", "LAST TALKED", "WHERE", "ID"].map(str::to_owned);
            let rows = known.iter().map(|(bookmark, open)| row(bookmark, *open, now));
            table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
        }
    }
}

/// Gives the conversation `old`, a name or an id, the name `new`.
pub fn rename(bookmarks: &Bookmarks, old: &str, new: &str, out: &mut impl Write) -> Result<(), Error> {
    let name = new.parse()?;
    let known = find(bookmarks, old)?;
    let renamed = bookmarks.rename(&known.id, name)?;
    print(out, &format!("\"{}\" is now \"{}\"\n", known.name, renamed.name))
}

/// Deletes the conversation `wanted`, a name or an id.
pub fn forget(bookmarks: &Bookmarks, wanted: &str, consent: Consent, out: &mut impl Write) -> Result<(), Error> {
    let known = find(bookmarks, wanted)?;
    if consent == Consent::Ask && !confirmed(&known, out)? {
        return print(out, &format!("kept \"{}\"\n", known.name));
    }
    bookmarks.forget(&known.id)?;
    print(out, &format!("forgot \"{}\"\n", known.name))
}

fn print(out: &mut impl Write, text: &str) -> Result<(), Error> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

fn find(bookmarks: &Bookmarks, wanted: &str) -> Result<Bookmark, Error> {
    let (found, troubles) = bookmarks.find(wanted)?;
    report(&troubles);
    found.ok_or_else(|| Error::NotFound(shown(wanted)))
}

fn confirmed(bookmark: &Bookmark, out: &mut impl Write) -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::NotConfirmed);
    }
    let name = &bookmark.name;
    print(out, &format!("Forget \"{name}\" and its keys? To talk again, the two of you have to pair anew. [y/N] "))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Tells of files that could not be read; the rest goes on.
pub(super) fn report(troubles: &[Trouble]) {
    for trouble in troubles {
        // Without standard error there is nobody to tell.
        let _ = writeln!(io::stderr(), "twocan: {trouble}");
    }
}

fn json(bookmark: &Bookmark, open: bool) -> String {
    let line = Line {
        v: 1,
        id: bookmark.id.as_str(),
        name: bookmark.name.as_str(),
        paired: bookmark.is_paired(),
        unsealed: bookmark.is_unsealed(),
        open,
        server: bookmark.server.as_ref().map(ToString::to_string),
        created: bookmark.created,
        last_talked: bookmark.last_talked,
    };
    // Strings and numbers in a struct always serialise.
    serde_json::to_string(&line).unwrap_or_default()
}

fn row(bookmark: &Bookmark, open: bool, now: u64) -> [String; 5] {
    let talked = match (open, bookmark.last_talked) {
        (true, _) => "open now".to_owned(),
        (false, Some(at)) => ago(now.saturating_sub(at)),
        (false, None) => "never".to_owned(),
    };
    [
        bookmark.name.to_string(),
        other_side(bookmark).to_owned(),
        talked,
        bookmark.server.as_ref().map_or_else(|| "this machine".to_owned(), ToString::to_string),
        bookmark.id.to_string(),
    ]
}

/// How far the two are, in a word or three.
fn other_side(bookmark: &Bookmark) -> &'static str {
    match (bookmark.is_paired(), bookmark.is_unsealed()) {
        (true, _) => "paired",
        (false, true) => "to be paired again",
        (false, false) => "not paired yet",
    }
}

fn ago(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// Columns as wide as their widest cell.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or_default();
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |row: &[String; COLUMNS]| {
        let cell = |(cell, width): (&String, usize)| format!("{cell}{}", " ".repeat(width - columns(cell)));
        row.iter().zip(widths).map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Columns that a text takes on a terminal.
fn columns(text: &str) -> usize {
    ratatui::text::Span::from(text).width()
}

/// What somebody typed, safe to show and not too long.
fn shown(text: &str) -> String {
    foreign::shown(text, foreign::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bookmarks::Code,
        ids::{ConversationId, InstanceId},
        pairing::PairingKey,
        seal::SecretKey,
    };

    #[test]
    fn the_list_says_how_far_the_two_are() {
        let key = || SecretKey::from_bytes([5; 32]);
        let (own, far) = (InstanceId::from_bits(1), InstanceId::from_bits(2));
        let mut bookmark = Bookmark::new(ConversationId::from_bits(1), own, key(), "tim".parse().unwrap(), 0);
        let said = |bookmark: &Bookmark| {
            let line: serde_json::Value = serde_json::from_str(&json(bookmark, false)).unwrap();
            (other_side(bookmark), line["paired"] == true, line["unsealed"] == true)
        };
        assert_eq!(said(&bookmark), ("not paired yet", false, false));
        bookmark.far = Some(far);
        assert_eq!(said(&bookmark), ("to be paired again", false, true), "paired before calls were sealed");
        bookmark.code = Some(Code { key: PairingKey::from_bytes([6; 32]), created: 0 });
        assert_eq!(said(&bookmark), ("not paired yet", false, false), "a link is being accepted");
        (bookmark.code, bookmark.far_key) = (None, Some(key().public()));
        assert_eq!(said(&bookmark), ("paired", true, false));
    }

    #[test]
    fn ages_are_rounded_to_what_matters() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7199, "1 hour ago"),
            (7200, "2 hours ago"),
            (86_400, "1 day ago"),
            (86_400 * 400, "400 days ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
    }

    #[test]
    fn a_table_stays_straight_with_wide_letters() {
        let row = |name: &str| [name, "b", "c", "d", "e"].map(str::to_owned);
        assert_eq!(table(&[row("日本"), row("x")]), "日本  b  c  d  e\nx     b  c  d  e\n");
    }
}
