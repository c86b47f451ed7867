//! Who is there, found by the beginning of a name, or by something like it.
//!
//! An index of trigrams: each word of a name, two blanks before and one behind it, is cut into pieces of three letters,
//! and how alike two names are is how many pieces they share, of all that either has. What a search costs is bounded
//! whatever strangers call themselves: names are cut ([`fold`]), the pieces that most names have are left out once enough
//! has been looked at, and only so many of the likeliest are looked at closely.

mod fold;
mod typos;

use std::{cmp::Ordering, collections::HashMap, hash::Hash};

use fold::fold;
use typos::Pattern;
pub use typos::typos;

/// By how many names one can be found.
const NAMES_LIMIT: usize = 8;

/// How many names that share a piece are looked at in one search.
const VISITS: usize = 400_000;

/// How many of the likeliest are looked at closely.
const CLOSE_LOOKS: usize = 256;

/// How many names that share no piece are looked at closely, for those of two typos in a short word.
const TYPO_LOOKS: usize = 10_000;

/// How alike a name is at least that is found for being alike alone: a quarter of the pieces is shared.
const ALIKE: f32 = 0.25;

/// A bit each for the letter's words that are compared without looking at the text.
const WORDS: usize = 3;

/// Whom to find by which names; `K` is what they are known by.
#[derive(Debug)]
pub struct Directory<K> {
    /// The places in `names` of each.
    people: HashMap<K, Vec<u32>>,
    names: Vec<Option<Name<K>>>,
    /// What a first look takes of each name, in a row for the sake of speed.
    digests: Vec<Digest>,
    free: Vec<u32>,
    pieces: HashMap<Piece, Vec<Mention>>,
    /// How many pieces each name shares with the one that is searched for; all 0 between searches.
    shared: Vec<u8>,
}

/// Three letters, 21 bits each.
type Piece = u64;

/// One of a name's pieces: the place of the name, and which of its pieces, in the lowest 6 bits.
#[derive(Debug, Clone, Copy)]
struct Mention(u32);

/// How many of a mention's bits tell the piece.
const PIECE_BITS: u32 = 6;

#[derive(Debug)]
struct Name<K> {
    owner: K,
    folded: Box<str>,
    /// Where in the list of each of its pieces it is mentioned.
    mentions: Box<[u32]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Digest {
    /// The first letters, as bytes.
    head: u64,
    /// Which letters the first words have.
    words: [u32; WORDS],
    /// How many pieces the name has; none, if there is no name in this place.
    pieces: u8,
}

/// How well a name fits; more is better.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Fit {
    /// 2 if the name begins with what is searched for, 1 if one of its words does.
    beginning: u8,
    similarity: f32,
}

impl<K> Default for Directory<K> {
    fn default() -> Self {
        Self {
            people: HashMap::new(),
            names: Vec::new(),
            digests: Vec::new(),
            free: Vec::new(),
            pieces: HashMap::new(),
            shared: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Ord + Hash> Directory<K> {
    /// How many can be found.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether nobody can be found.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// Says by which names `who` is found from now on; the first eight that differ count.
    pub fn set(&mut self, who: K, names: &[String]) {
        let mut folded: Vec<String> = Vec::new();
        for name in names.iter().map(|name| fold(name)) {
            if !name.is_empty() && folded.len() < NAMES_LIMIT && !folded.contains(&name) {
                folded.push(name);
            }
        }
        let known = self.people.get(&who).into_iter().flatten();
        if known.filter_map(|&place| self.name(place)).map(|name| &*name.folded).eq(&folded) {
            return;
        }
        self.remove(who);
        let places: Vec<_> = folded.into_iter().map(|name| self.insert(who, name)).collect();
        if !places.is_empty() {
            self.people.insert(who, places);
        }
    }

    /// Forgets somebody.
    pub fn remove(&mut self, who: K) {
        for place in self.people.remove(&who).unwrap_or_default() {
            self.erase(place);
        }
    }

    /// Whom `text` may mean, the likeliest first, without `asker`: who begins with it, then who is most like it.
    ///
    /// What is misspelt by a letter or two is found; the empty text finds nobody.
    pub fn search(&mut self, text: &str, asker: K, limit: usize) -> Vec<K> {
        let query = Query::new(fold(text));
        if query.folded.is_empty() {
            return Vec::new();
        }
        let mut found = HashMap::new();
        for place in self.likely(&query) {
            self.consider(&query, place, asker, &mut found);
        }
        if found.len() < limit && query.may_share_nothing() {
            for place in self.misspelt(&query) {
                self.consider(&query, place, asker, &mut found);
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by(|(one, name), (other, other_name)| order(name, other_name).then(one.cmp(other)));
        found.into_iter().take(limit).map(|(owner, _)| owner).collect()
    }

    fn name(&self, place: u32) -> Option<&Name<K>> {
        self.names.get(place as usize)?.as_ref()
    }

    fn insert(&mut self, owner: K, folded: String) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.names.push(None);
            self.digests.push(Digest::default());
            self.shared.push(0);
            self.names.len() as u32 - 1
        });
        let pieces = pieces(&folded);
        let mentions = (0..).zip(&pieces).map(|(number, piece)| {
            let list = self.pieces.entry(*piece).or_default();
            list.push(Mention(place << PIECE_BITS | number));
            list.len() as u32 - 1
        });
        let mentions = mentions.collect();
        self.digests[place as usize] = Digest::new(&folded, pieces.len());
        self.names[place as usize] = Some(Name { owner, folded: folded.into(), mentions });
        place
    }

    fn erase(&mut self, place: u32) {
        let Some(name) = self.names[place as usize].take() else { return };
        for (piece, &at) in pieces(&name.folded).iter().zip(&name.mentions) {
            let Some(list) = self.pieces.get_mut(piece) else { continue };
            list.swap_remove(at as usize);
            // The last of the list has moved to where the removed one was.
            if let Some(&moved) = list.get(at as usize)
                && let Some(other) = &mut self.names[moved.place() as usize]
            {
                other.mentions[moved.piece()] = at;
            }
            if list.is_empty() {
                self.pieces.remove(piece);
            } else if list.len() < list.capacity() / 4 {
                list.shrink_to(list.len() * 2);
            }
        }
        self.digests[place as usize] = Digest::default();
        self.free.push(place);
    }

    /// The places of the names that share most pieces with the query, the rarest pieces first.
    fn likely(&mut self, query: &Query) -> Vec<u32> {
        let mut lists: Vec<_> = query.pieces.iter().filter_map(|piece| self.pieces.get(piece)).collect();
        lists.sort_by_key(|list| list.len());
        let mut seen: Vec<u32> = Vec::new();
        let (mut visits, mut looked_up) = (0, query.pieces.len() - lists.len());
        for list in lists {
            if visits + list.len() > VISITS && visits > 0 {
                break;
            }
            looked_up += 1;
            visits += list.len();
            for mention in list.iter().take(VISITS) {
                let shared = &mut self.shared[mention.place() as usize];
                if *shared == 0 {
                    seen.push(mention.place());
                }
                *shared += 1;
            }
        }
        let mut likely: Vec<_> = seen
            .into_iter()
            .map(|place| {
                let shared = usize::from(std::mem::take(&mut self.shared[place as usize]));
                (self.digests[place as usize].likeness(query, shared, looked_up), place)
            })
            .collect();
        if likely.len() > CLOSE_LOOKS {
            likely.select_nth_unstable_by(CLOSE_LOOKS, |one, other| other.cmp(one));
            likely.truncate(CLOSE_LOOKS);
        }
        likely.into_iter().map(|(_, place)| place).collect()
    }

    /// The places of names with a word that has all but two letters of the query, and at most two others.
    fn misspelt(&self, query: &Query) -> Vec<u32> {
        let differs = |word: u32| (query.letters & !word).count_ones() > 2 || (word & !query.letters).count_ones() > 2;
        let digests = (0..).zip(&self.digests);
        let misspelt = digests.filter(|(_, digest)| !digest.words.iter().all(|word| differs(*word)));
        let misspelt = misspelt.filter(|(_, digest)| digest.pieces > 0).map(|(place, _)| place);
        misspelt.take(TYPO_LOOKS).collect()
    }

    /// Looks closely at one name, and keeps it if it fits better than what its owner is found by so far.
    fn consider<'a>(&'a self, query: &Query, place: u32, asker: K, found: &mut HashMap<K, (Fit, &'a str)>) {
        let Some(name) = self.name(place).filter(|name| name.owner != asker) else { return };
        let Some(fit) = query.fit(&name.folded) else { return };
        let best = found.entry(name.owner).or_insert((fit, &name.folded));
        if order(best, &(fit, &name.folded)).is_gt() {
            *best = (fit, &name.folded);
        }
    }
}

impl Mention {
    fn place(self) -> u32 {
        self.0 >> PIECE_BITS
    }

    fn piece(self) -> usize {
        (self.0 & ((1 << PIECE_BITS) - 1)) as usize
    }
}

impl Digest {
    fn new(folded: &str, pieces: usize) -> Self {
        let mut words = [0; WORDS];
        for (letters, word) in words.iter_mut().zip(folded.split(' ')) {
            *letters = letters_of(word);
        }
        Self { head: head(folded).0, words, pieces: pieces as u8 }
    }

    /// How likely the name is to fit: one that begins like the query, one that may have a word which does, then the most
    /// alike.
    fn likeness(&self, query: &Query, shared: usize, looked_up: usize) -> u32 {
        let begins = self.head & query.head_mask == query.head;
        let tier = if begins { 2 } else { u32::from(shared + 1 >= looked_up) };
        let either = query.pieces.len() + usize::from(self.pieces) - shared;
        tier << 20 | (shared << 16).checked_div(either).unwrap_or(0) as u32
    }
}

/// What fits better comes first; what fits as well, in the order of the alphabet.
fn order((fit, name): &(Fit, &str), (other, other_name): &(Fit, &str)) -> Ordering {
    let better = other.beginning.cmp(&fit.beginning).then(other.similarity.total_cmp(&fit.similarity));
    better.then_with(|| name.cmp(other_name))
}

/// What is searched for.
struct Query {
    folded: String,
    pieces: Vec<Piece>,
    head: u64,
    head_mask: u64,
    letters: u32,
    length: usize,
    pattern: Pattern,
}

impl Query {
    fn new(folded: String) -> Self {
        let (head, head_mask) = head(&folded);
        Self {
            pieces: pieces(&folded),
            head,
            head_mask,
            letters: letters_of(&folded),
            length: folded.chars().count(),
            pattern: Pattern::new(&folded),
            folded,
        }
    }

    /// Whether a name may share no piece with the query for two typos: it is one word, and a short one.
    fn may_share_nothing(&self) -> bool {
        (5..=8).contains(&self.length) && !self.folded.contains(' ')
    }

    /// How well a name fits, if it does.
    fn fit(&self, name: &str) -> Option<Fit> {
        let starts = || std::iter::once(0).chain(name.match_indices(' ').map(|(blank, _)| blank + 1));
        let beginning = if name.starts_with(&self.folded) {
            2
        } else {
            u8::from(starts().any(|start| name[start..].starts_with(&self.folded)))
        };
        let similarity = similarity(&self.pieces, &pieces(name));
        let fits = beginning > 0
            || similarity >= ALIKE
            || starts().any(|start| self.is_misspelt(&name[start..], similarity > 0.0));
        fits.then_some(Fit { beginning, similarity })
    }

    /// Whether this is what is searched for, or begins with it, but for a typo or two.
    fn is_misspelt(&self, text: &str, shares: bool) -> bool {
        let begins_alike = text.chars().next() == self.folded.chars().next();
        let allowed = match self.length {
            0..=2 => return false,
            3 => 1,
            // Half of the letters: then at least the first shall be right.
            4 => 1 + usize::from(begins_alike),
            5.. => 2,
        };
        if shares {
            return self.pattern.typos(text.chars().take(self.length + allowed)).1 <= allowed;
        }
        // Without a piece in common, only the whole word is close enough.
        let word = text.split(' ').next().unwrap_or_default();
        self.may_share_nothing() && self.pattern.typos(word.chars()).0 <= allowed
    }
}

/// The share of pieces that both have, of those that either has.
fn similarity(one: &[Piece], other: &[Piece]) -> f32 {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        shared += usize::from(a == b);
        (i, j) = (i + usize::from(a <= b), j + usize::from(b <= a));
    }
    shared as f32 / (one.len() + other.len() - shared).max(1) as f32
}

/// The pieces of a folded name, each once, in order: at most one more than it has letters.
fn pieces(folded: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(folded.len() + 1);
    for word in folded.split(' ').filter(|word| !word.is_empty()) {
        let (mut first, mut second) = (' ', ' ');
        for c in word.chars().chain([' ']) {
            pieces.push(u64::from(first) << 42 | u64::from(second) << 21 | u64::from(c));
            (first, second) = (second, c);
        }
    }
    pieces.sort_unstable();
    pieces.dedup();
    pieces
}

/// The first eight bytes, and which of them there are.
fn head(folded: &str) -> (u64, u64) {
    let mut bytes = [0; 8];
    let length = folded.len().min(8);
    bytes[..length].copy_from_slice(&folded.as_bytes()[..length]);
    (u64::from_le_bytes(bytes), u64::MAX >> (8 * (8 - length)).min(63))
}

/// A bit for each letter that the word has; letters beyond ASCII share six.
fn letters_of(word: &str) -> u32 {
    word.chars().fold(0, |letters, c| {
        let bit = if c.is_ascii_lowercase() { u32::from(c) - u32::from('a') } else { 26 + u32::from(c) % 6 };
        letters | 1 << bit
    })
}

#[cfg(test)]
mod tests;
