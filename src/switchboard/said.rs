//! What a newcomer says while the holder of the name it wants is asked for a sign of life.

use crate::rendezvous::MESSAGE_LIMIT;

/// What keeping a text costs besides its bytes, so that empty ones count too: 32 bytes.
pub(super) const TEXT_COST: usize = 32;

/// What a waiting newcomer may have said so far: one message of full length, or the same in smaller ones.
pub(super) const SAID_LIMIT: usize = MESSAGE_LIMIT + TEXT_COST;

/// What a waiting newcomer has said, and what keeping it costs.
#[derive(Debug, Default)]
pub(super) struct Said {
    texts: Vec<Box<str>>,
    cost: usize,
}

/// More than is kept.
#[derive(Debug)]
pub(super) struct Full;

impl Said {
    pub(super) fn keep(&mut self, text: &str) -> Result<(), Full> {
        self.cost += text.len() + TEXT_COST;
        if self.cost > SAID_LIMIT {
            return Err(Full);
        }
        self.texts.push(text.into());
        Ok(())
    }
}

impl IntoIterator for Said {
    type Item = Box<str>;
    type IntoIter = std::vec::IntoIter<Box<str>>;

    fn into_iter(self) -> Self::IntoIter {
        self.texts.into_iter()
    }
}
