//! Which conversation is meant: a name, an id, a link, or the only one there is.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use super::{Claiming, Options};
use crate::{
    bookmarks::{Bookmark, BookmarkError, Bookmarks, Claim, Code, Listing, Name, Trouble, is_like_link},
    ids::{ConversationId, InstanceId},
    invite::{Invite, LINK_LIMIT, Link, LinkError},
    run::{Error, bookmarks::report, random_bytes, random_id},
    seal::SecretKey,
};

/// A conversation that this process may run.
pub(super) struct Opened {
    pub(super) bookmark: Bookmark,
    pub(super) claim: Claim,
    /// Whether it was made just now, and is of no use unless it comes to the line.
    pub(super) is_new: bool,
    /// Files that could not be read.
    pub(super) troubles: Vec<Trouble>,
}

/// What was asked for.
enum Wanted<'a> {
    TheOnlyOne,
    Invited(Invite),
    Known(ConversationId),
    Named(&'a str),
}

/// Finds the conversation, or makes it; `now` is in seconds since 1970.
///
/// Errors: the damaged file too, where it is the wanted conversation's own. Of others standard error is told.
pub(super) fn open(bookmarks: &Bookmarks, options: &Options, now: u64) -> Result<Opened, Error> {
    let typed = match options.what.as_deref() {
        Some("-") => Some(link_from_input()?),
        _ => None,
    };
    let wanted = wanted(typed.as_deref().or(options.what.as_deref()))?;
    let Listing { mut troubles, bookmarks: before } = bookmarks.list()?;
    let opened = match own_trouble(&mut troubles, &wanted) {
        Some(trouble) => Err(BookmarkError::Trouble(trouble).into()),
        None => find(bookmarks, wanted, now).and_then(|bookmark| Ok((claim(bookmarks, &bookmark, options)?, bookmark))),
    };
    match opened {
        Ok((claim, bookmark)) => {
            let is_new = before.iter().all(|known| known.id != bookmark.id);
            let bookmark = with_key(bookmarks, bookmark)?;
            Ok(Opened { bookmark, claim, is_new, troubles })
        }
        Err(error) => {
            report(&troubles);
            Err(error)
        }
    }
}

/// Reads a link from standard input, so that its key need not stand where everybody on this machine can read it.
fn link_from_input() -> Result<String, Error> {
    if io::stdin().is_terminal() {
        // Without standard error there is nobody to ask.
        let _ = write!(io::stderr(), "Paste the link, and press Enter: ");
    }
    link_from(&mut io::stdin().lock())
}

/// The link on the next line; whatever stands behind it stays in `input`.
fn link_from(input: &mut impl BufRead) -> Result<String, Error> {
    let mut line = Vec::new();
    // The line break may come on top.
    input.take(LINK_LIMIT as u64 + 1).read_until(b'\n', &mut line)?;
    let text = String::from_utf8(line).map_err(|_| LinkError::NotAnAddress)?;
    if is_like_link(&text) { Ok(text) } else { Err(LinkError::NotAnAddress.into()) }
}

fn wanted(what: Option<&str>) -> Result<Wanted<'_>, Error> {
    let Some(text) = what.map(str::trim) else { return Ok(Wanted::TheOnlyOne) };
    if is_like_link(text) {
        return Ok(match text.parse()? {
            Link::Invite(invite) => Wanted::Invited(invite),
            Link::Bookmark { conversation, .. } => Wanted::Known(conversation),
        });
    }
    Ok(text.parse().map_or(Wanted::Named(text), Wanted::Known))
}

/// Takes out what is wrong with the wanted conversation's own file.
fn own_trouble(troubles: &mut Vec<Trouble>, wanted: &Wanted) -> Option<Trouble> {
    let (Wanted::Known(id) | Wanted::Invited(Invite { conversation: id, .. })) = wanted else { return None };
    let is_own = |trouble: &Trouble| trouble.path().file_stem().is_some_and(|stem| stem == id.as_str());
    troubles.iter().position(is_own).map(|at| troubles.remove(at))
}

fn find(bookmarks: &Bookmarks, wanted: Wanted, now: u64) -> Result<Bookmark, Error> {
    match wanted {
        Wanted::TheOnlyOne => only(bookmarks, now),
        Wanted::Invited(invite) => accept(bookmarks, invite, now),
        Wanted::Known(id) => bookmarks.find(id.as_str())?.0.ok_or(Error::Unknown),
        Wanted::Named(name) => match bookmarks.find(name)?.0 {
            Some(bookmark) => Ok(bookmark),
            None => create(bookmarks, name.parse()?, now),
        },
    }
}

fn claim(bookmarks: &Bookmarks, bookmark: &Bookmark, options: &Options) -> Result<Claim, Error> {
    Ok(match options.claim {
        Claiming::IfFree => bookmarks.claim(&bookmark.id)?,
        Claiming::TakeOver => bookmarks.take_over(&bookmark.id)?,
    })
}

fn only(bookmarks: &Bookmarks, now: u64) -> Result<Bookmark, Error> {
    let mut all = bookmarks.list()?.bookmarks;
    match (all.pop(), all.is_empty()) {
        (None, _) => create(bookmarks, bookmarks.free_name()?, now),
        (Some(bookmark), true) => Ok(bookmark),
        (Some(last), false) => {
            Err(Error::Which(all.into_iter().chain([last]).map(|bookmark| bookmark.name.to_string()).collect()))
        }
    }
}

fn create(bookmarks: &Bookmarks, name: Name, now: u64) -> Result<Bookmark, Error> {
    let bookmark = fresh(ConversationId::from_bits(random_id()?), name, now)?;
    bookmarks.create(&bookmark)?;
    Ok(bookmark)
}

/// Becomes the other side of the conversation that a link invites to.
fn accept(bookmarks: &Bookmarks, invite: Invite, now: u64) -> Result<Bookmark, Error> {
    let Invite { origin, conversation, far, key } = invite;
    let code = Code { key, created: now };
    match bookmarks.find(conversation.as_str())?.0 {
        Some(known) if known.own == far => Err(Error::OwnLink),
        Some(known) if known.is_paired() && known.far.as_ref() == Some(&far) => Ok(known),
        Some(known) if known.is_paired() => Err(Error::PairedElsewhere),
        Some(known) => {
            let accepting = |bookmark: &mut Bookmark| {
                if bookmark.far.as_ref() != Some(&far) {
                    bookmark.far_key = None;
                }
                bookmark.far = Some(far);
                bookmark.code = Some(code);
                bookmark.server = Some(origin);
            };
            Ok(bookmarks.update(&known.id, accepting)?)
        }
        None => {
            let mut bookmark = fresh(conversation, bookmarks.free_name()?, now)?;
            bookmark.far = Some(far);
            bookmark.code = Some(code);
            bookmark.server = Some(origin);
            bookmarks.create(&bookmark)?;
            Ok(bookmark)
        }
    }
}

/// Gives a conversation of the time before calls were sealed its key.
fn with_key(bookmarks: &Bookmarks, bookmark: Bookmark) -> Result<Bookmark, Error> {
    if bookmark.key.is_some() {
        return Ok(bookmark);
    }
    let key = SecretKey::from_bytes(random_bytes()?);
    Ok(bookmarks.update(&bookmark.id, |bookmark| bookmark.key = Some(key))?)
}

fn fresh(id: ConversationId, name: Name, now: u64) -> Result<Bookmark, Error> {
    let key = SecretKey::from_bytes(random_bytes()?);
    Ok(Bookmark::new(id, InstanceId::from_bits(random_id()?), key, name, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_one_line_and_what_follows_stays() {
        let mut input = "https://host/?convoId=x\nrest".as_bytes();
        assert_eq!(link_from(&mut input).unwrap().trim(), "https://host/?convoId=x");
        assert_eq!(input, b"rest");
        assert_eq!(link_from(&mut "https://host/".as_bytes()).unwrap(), "https://host/");
    }

    #[test]
    fn no_more_is_read_than_a_link_can_have() {
        let long = "x".repeat(2 * LINK_LIMIT);
        let mut input = long.as_bytes();
        assert!(matches!(link_from(&mut input), Err(Error::Link(LinkError::NotAnAddress))));
        assert_eq!(input.len(), LINK_LIMIT - 1);
    }

    #[test]
    fn what_is_no_link_is_no_name_either() {
        for input in [&b""[..], b"\n", b"tim\n", b"https://\xff\n"] {
            assert!(matches!(link_from(&mut &*input), Err(Error::Link(LinkError::NotAnAddress))), "{input:?}");
        }
    }
}
