//! What is wrong with a value or a key, in the words of people rather than of parsers.

use serde::de::DeserializeOwned;

use super::{Config, ServeSettings};
use crate::directory;

/// What parsers say, and what a person need know of it.
const WORDS: [(&str, &str); 7] = [
    ("number would be zero for non-zero type", "it has to be 1 or more"),
    ("invalid socket address syntax", "it has to be an address and a port, such as 127.0.0.1:9100"),
    ("invalid IP address syntax", "invalid IP address; one is, for example, 127.0.0.1"),
    ("invalid digit found in string", "it has to be a whole number"),
    ("cannot parse integer from empty string", "it has to be a whole number"),
    ("number too large to fit in target type", "the number is too large"),
    ("expected u16", "expected a number up to 65535"),
];

/// The same in plain words, where there are some.
pub fn plain(text: &str) -> String {
    let text = WORDS.iter().fold(text.to_owned(), |text, (parser, person)| text.replace(parser, person));
    match text.split_once("expected a nonzero ") {
        Some((before, _)) => format!("{before}expected 1 or more"),
        None => text,
    }
}

/// What is wrong with a key that is none here, by what the parser says of it; nothing if it says something else.
pub(super) fn unknown_key(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    let (above, serve) = (keys::<Config>(), keys::<ServeSettings>());
    let is_in = |keys: &[String]| keys.iter().any(|known| known == key);
    // What the parser lists is what may stand where the key stood.
    let better = if is_in(&serve) && known.contains(&"serve") {
        ": it stands below [serve]".to_owned()
    } else if is_in(&above) && !known.contains(&"serve") {
        ": it stands above all [tables]".to_owned()
    } else {
        let nearest = known.iter().map(|known| (directory::typos(key, known), known)).min()?;
        if nearest.0 <= 1 + key.len() / 4 { format!(": did you mean `{}`?", nearest.1) } else { String::new() }
    };
    Some(format!("unknown key `{key}`{better}"))
}

/// The keys of a table, as the parser lists them.
fn keys<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = toml::from_str::<T>("'' = 0") else { return Vec::new() };
    error.message().split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        unknown_key(toml::from_str::<Config>(text).unwrap_err().message())
    }

    #[test]
    fn the_nearest_key_is_named_or_where_the_key_belongs() {
        for (text, said) in [
            ("prot = 1", "unknown key `prot`: did you mean `port`?"),
            ("relay_only = true", "unknown key `relay_only`: did you mean `relay-only`?"),
            ("[serve]\nmax-conections = 1", "unknown key `max-conections`: did you mean `max-connections`?"),
            ("[serve]\nport = 1", "unknown key `port`: it stands above all [tables]"),
            ("certificate = 'c'", "unknown key `certificate`: it stands below [serve]"),
            ("[[turn]]\npasword = 'c'", "unknown key `pasword`: did you mean `password`?"),
            ("colour = 1", "unknown key `colour`"),
        ] {
            assert_eq!(of(text).as_deref(), Some(said), "{text}");
        }
        assert_eq!(of("port = 'x'"), None);
    }

    #[test]
    fn parsers_words_are_those_of_people() {
        assert_eq!(
            plain("invalid value: integer `0`, expected a nonzero u32"),
            "invalid value: integer `0`, expected 1 or more"
        );
        assert_eq!(plain("number would be zero for non-zero type"), "it has to be 1 or more");
        assert_eq!(plain("this is not a web address"), "this is not a web address");
    }
}
