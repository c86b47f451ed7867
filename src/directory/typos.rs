//! How many typos lie between two words: letters changed, missing, too many, or swapped with the next.

/// How many typos lie between two words; of the first, 64 letters count.
pub fn typos(one: &str, other: &str) -> usize {
    Pattern::new(one).typos(other.chars()).0
}

/// A word that others are compared with.
pub(super) struct Pattern {
    /// For each of its letters, where it stands: bit by bit.
    places: Vec<(char, u64)>,
    /// The same for small letters of ASCII, which are looked up much more often.
    ascii: [u64; 26],
    length: usize,
}

impl Pattern {
    /// `word` has at most 64 letters; what is beyond them does not count.
    pub(super) fn new(word: &str) -> Self {
        let mut pattern = Self { places: Vec::new(), ascii: [0; 26], length: 0 };
        for c in word.chars().take(64) {
            let bit = 1 << pattern.length;
            pattern.length += 1;
            match (index(c), pattern.places.iter_mut().find(|(other, _)| *other == c)) {
                (Some(index), _) => pattern.ascii[index] |= bit,
                (None, Some((_, places))) => *places |= bit,
                (None, None) => pattern.places.push((c, bit)),
            }
        }
        pattern
    }

    /// The typos between the pattern and `text`, and between it and whatever beginning of `text` is nearest to it.
    ///
    /// Source: Hyyrö, "Bit-parallel approximate string matching algorithms with transposition" (2003).
    pub(super) fn typos(&self, text: impl Iterator<Item = char>) -> (usize, usize) {
        let Some(last) = self.length.checked_sub(1) else { return (text.count(), 0) };
        let (mut positive, mut negative, mut diagonal, mut before) = (u64::MAX, 0_u64, 0_u64, 0_u64);
        let mut typos = self.length;
        let mut nearest = typos;
        for c in text {
            let here = self.places(c);
            let swapped = ((!diagonal & here) << 1) & before;
            diagonal = (((here & positive).wrapping_add(positive)) ^ positive) | here | negative | swapped;
            let rises = negative | !(diagonal | positive);
            let falls = diagonal & positive;
            typos += usize::try_from((rises >> last) & 1).unwrap_or(0);
            typos -= usize::try_from((falls >> last) & 1).unwrap_or(0);
            nearest = nearest.min(typos);
            let rises = rises << 1 | 1;
            positive = falls << 1 | !(diagonal | rises);
            negative = rises & diagonal;
            before = here;
        }
        (typos, nearest)
    }

    fn places(&self, c: char) -> u64 {
        match index(c) {
            Some(index) => self.ascii[index],
            None => self.places.iter().find(|(other, _)| *other == c).map_or(0, |(_, places)| *places),
        }
    }
}

fn index(c: char) -> Option<usize> {
    c.is_ascii_lowercase().then(|| usize::from(c as u8 - b'a'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook's way: one table.
    fn table(one: &str, other: &str) -> usize {
        let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
        let mut typos = vec![vec![0; other.len() + 1]; one.len() + 1];
        for i in 0..=one.len() {
            for j in 0..=other.len() {
                typos[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let same = usize::from(one[i - 1] != other[j - 1]);
                    let least = (typos[i - 1][j] + 1).min(typos[i][j - 1] + 1).min(typos[i - 1][j - 1] + same);
                    let is_swap = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
                    if is_swap { least.min(typos[i - 2][j - 2] + 1) } else { least }
                };
            }
        }
        typos[one.len()][other.len()]
    }

    #[test]
    fn typos_are_counted_as_by_a_table() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut word = || {
                (0..random.usize(..9))
                    .map(|_| random.choice(['a', 'b', 'c', 'd', 'ä', 'ø', ' ']).unwrap())
                    .collect::<String>()
            };
            let (one, other) = (word(), word());
            let (typos, nearest) = Pattern::new(&one).typos(other.chars());
            assert_eq!(typos, table(&one, &other), "{one:?} {other:?}");
            let beginnings = (0..=other.len()).filter(|end| other.is_char_boundary(*end)).map(|end| &other[..end]);
            assert_eq!(nearest, beginnings.map(|beginning| table(&one, beginning)).min().unwrap(), "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_swap_is_one_typo() {
        for (one, other, typos) in [("jonh", "john", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("łøßé", "łøé", 1)]
        {
            assert_eq!(Pattern::new(one).typos(other.chars()).0, typos, "{one} {other}");
        }
        let long = "x".repeat(64);
        assert_eq!(Pattern::new(&long).typos(long.chars()), (0, 0));
    }
}
