//! `twocan list`, `rename` and `forget`.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use super::Error;
use crate::{
    bookmarks::{Bookmark, Bookmarks, Listing, Trouble},
    cli::{Forget, List, Rename},
};

/// A conversation as `list --json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    v: u64,
    id: &'a str,
    name: &'a str,
    paired: bool,
    open: bool,
    server: Option<String>,
    created: u64,
    last_talked: Option<u64>,
}

/// Prints every conversation; `now` is in seconds since 1970.
pub fn list(bookmarks: &Bookmarks, options: &List, now: u64, out: &mut impl Write) -> Result<(), Error> {
    let Listing { bookmarks: known, troubles } = bookmarks.list()?;
    report(&troubles);
    if options.json {
        for bookmark in &known {
            writeln!(out, "{}", json(bookmark, bookmarks.is_open(&bookmark.id)?))?;
        }
    } else if known.is_empty() {
        writeln!(out, "No conversations yet. Begin one:  twocan talk NAME")?;
    } else {
        let mut rows = vec![["NAME", "OTHER SIDE", "LAST TALKED", "WHERE", "ID"].map(str::to_owned)];
        for bookmark in &known {
            rows.push(row(bookmark, bookmarks.is_open(&bookmark.id)?, now));
        }
        write!(out, "{}", table(&rows))?;
    }
    Ok(out.flush()?)
}

/// Gives a conversation another name.
pub fn rename(bookmarks: &Bookmarks, options: &Rename, out: &mut impl Write) -> Result<(), Error> {
    let name = options.new.parse()?;
    let known = find(bookmarks, &options.old)?;
    let renamed = bookmarks.rename(&known.id, name)?;
    Ok(writeln!(out, "\"{}\" is now \"{}\"", known.name, renamed.name)?)
}

/// Deletes a conversation, once it is confirmed on the terminal or by `--yes`.
pub fn forget(bookmarks: &Bookmarks, options: &Forget, out: &mut impl Write) -> Result<(), Error> {
    let known = find(bookmarks, &options.name)?;
    if !options.yes && !confirmed(&known, out)? {
        return Ok(writeln!(out, "kept \"{}\"", known.name)?);
    }
    bookmarks.forget(&known.id)?;
    Ok(writeln!(out, "forgot \"{}\"", known.name)?)
}

fn find(bookmarks: &Bookmarks, wanted: &str) -> Result<Bookmark, Error> {
    let (found, troubles) = bookmarks.find(wanted)?;
    report(&troubles);
    found.ok_or_else(|| Error::Unknown(shown(wanted)))
}

fn confirmed(bookmark: &Bookmark, out: &mut impl Write) -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::NotConfirmed);
    }
    write!(out, "Forget \"{}\" and its keys? To talk again, the two of you have to pair anew. [y/N] ", bookmark.name)?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Tells of files that could not be read; the rest goes on.
fn report(troubles: &[Trouble]) {
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
        if bookmark.is_paired() { "paired" } else { "not paired yet" }.to_owned(),
        talked,
        bookmark.server.as_ref().map_or_else(|| "this machine".to_owned(), ToString::to_string),
        bookmark.id.to_string(),
    ]
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
fn table(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or_default();
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
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
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
