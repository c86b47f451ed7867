//! Texts of strangers, and of servers: how they may stand on a terminal.

/// The longest name that is shown: 80 characters.
pub const NAME: usize = 80;
/// The longest words of a server that are shown: 700 characters, which hold the longest uid, quoted.
pub const SENTENCE: usize = 700;

/// The first `limit` characters, with a blank for each that would drive a terminal, or make a name look like another.
pub fn shown(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if c.is_control() || is_unseen(c) { ' ' } else { c }).collect()
}

/// Whether a character turns the direction of what follows, or takes no room: so one name would look like another.
///
/// Source: Unicode's bidirectional controls and its zero-width characters.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_drives_the_terminal() {
        assert_eq!(shown("Anna\u{1b}]0;x\u{7}\u{1b}[2J\r\n\u{9b}1m", NAME), "Anna ]0;x  [2J   1m");
        assert_eq!(shown("a\u{202e}b\u{200b}c\u{feff}d\u{2066}\u{e0041}", NAME), "a b c d  ");
        assert_eq!(shown("Zoë 日本 李 اَ 👍🏽", NAME), "Zoë 日本 李 اَ 👍🏽");
        assert_eq!(shown(&"x".repeat(1000), NAME).len(), NAME);
    }
}
