//! Which conversation is meant: a name, an id, a link, or the only one there is.

use super::{Claiming, Options, random_id};
use crate::{
    bookmarks::{Bookmark, Bookmarks, Claim, Code, Listing, Name, Trouble, is_like_link},
    ids::{ConversationId, InstanceId},
    invite::{Invite, Link},
    run::Error,
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

/// Finds the conversation, or makes it; `now` is in seconds since 1970.
pub(super) fn open(bookmarks: &Bookmarks, options: &Options, now: u64) -> Result<Opened, Error> {
    let Listing { troubles, bookmarks: before } = bookmarks.list()?;
    let bookmark = match options.what.as_deref().map(str::trim) {
        None => only(bookmarks, now)?,
        Some(text) if is_like_link(text) => match text.parse()? {
            Link::Invite(invite) => accept(bookmarks, invite, now)?,
            Link::Bookmark { conversation, .. } => known(bookmarks, conversation.as_str())?,
        },
        Some(text) if text.parse::<ConversationId>().is_ok() => known(bookmarks, text)?,
        Some(text) => match bookmarks.find(text)? {
            (Some(bookmark), _) => bookmark,
            (None, _) => create(bookmarks, text.parse()?, now)?,
        },
    };
    let claim = match options.claim {
        Claiming::IfFree => bookmarks.claim(&bookmark.id)?,
        Claiming::TakeOver => bookmarks.take_over(&bookmark.id)?,
    };
    let is_new = before.iter().all(|known| known.id != bookmark.id);
    Ok(Opened { bookmark, claim, is_new, troubles })
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

fn known(bookmarks: &Bookmarks, wanted: &str) -> Result<Bookmark, Error> {
    bookmarks.find(wanted)?.0.ok_or(Error::Unknown)
}

fn create(bookmarks: &Bookmarks, name: Name, now: u64) -> Result<Bookmark, Error> {
    let bookmark = Bookmark::new(ConversationId::from_bits(random_id()?), fresh_instance()?, name, now);
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
                bookmark.far = Some(far);
                bookmark.code = Some(code);
                bookmark.server = Some(origin);
            };
            Ok(bookmarks.update(&known.id, accepting)?)
        }
        None => {
            let mut bookmark = Bookmark::new(conversation, fresh_instance()?, bookmarks.free_name()?, now);
            bookmark.far = Some(far);
            bookmark.code = Some(code);
            bookmark.server = Some(origin);
            bookmarks.create(&bookmark)?;
            Ok(bookmark)
        }
    }
}

fn fresh_instance() -> Result<InstanceId, Error> {
    Ok(InstanceId::from_bits(random_id()?))
}
