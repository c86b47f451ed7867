//! Choices, numbers and texts out of a fuzzer's bytes.

/// What is left of them; at the end everything is 0 and empty.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// Yes or no.
    pub fn flip(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// The bytes whose number the next one tells.
    pub fn chunk(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.0.len());
        let (chunk, rest) = self.0.split_at(length);
        self.0 = rest;
        chunk.to_vec()
    }

    /// The same as a text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.chunk()).into_owned()
    }

    /// A time in ms, most often a short one: up to 17 minutes.
    pub fn milliseconds(&mut self) -> u64 {
        let byte = u64::from(self.byte());
        [1, 10, 100, 4000][usize::try_from(byte & 3).unwrap_or(0)] * (byte >> 2)
    }
}
