//! Texts of strangers, and of servers: how they may stand on a terminal.

/// The longest name that is shown: 80 characters.
pub const NAME: usize = 80;
/// The longest words of a server that are shown: 700 characters, which hold the longest uid, quoted.
pub const SENTENCE: usize = 700;

/// The first `limit` characters, with a blank for each that would drive a terminal, or turn what stands beside it around.
pub fn shown(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

/// Whether it changes the direction in which others are read. Source: Unicode, annex 9.
fn turns(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_drives_the_terminal() {
        assert_eq!(shown("Anna\u{1b}]0;x\u{7}\u{1b}[2J\r\n\u{9b}1m", NAME), "Anna ]0;x  [2J   1m");
        assert_eq!(shown("a\u{202e}b", NAME), "a b");
        assert_eq!(shown("Zoë 日本", NAME), "Zoë 日本");
        assert_eq!(shown(&"x".repeat(1000), NAME).len(), NAME);
    }
}
