//! What is wrong with the flags: one line, and one of what to do.

use clap::error::ErrorKind;

use crate::{config, foreign};

/// Flags that cannot be used, or a text that was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Help or the version: to be printed as it is, and no failure.
    Asked,
    /// What is wrong.
    Wrong {
        /// It, in one line.
        what: String,
        /// What to do about it.
        hint: String,
    },
}

impl Refusal {
    /// What the parser of flags means.
    pub fn of(error: &clap::Error) -> Self {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Self::Asked;
        }
        let text = error.to_string();
        let mut parts = text.split("\n\n").map(one_line);
        let what = parts.next().unwrap_or_default();
        let what = config::plain(what.trim_start_matches("error: "));
        let hint = parts.find_map(|part| {
            let tip = part.strip_prefix("tip: ").map(str::to_owned);
            tip.or_else(|| part.strip_prefix("Usage: ").map(|usage| format!("it goes: {usage}; --help tells more")))
        });
        Self::Wrong { what, hint: hint.unwrap_or_else(|| "with --help, the command says what it takes".into()) }
    }
}

fn one_line(part: &str) -> String {
    let words: Vec<&str> = part.split_whitespace().collect();
    foreign::shown(&words.join(" "), foreign::SENTENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn refusal(arguments: &str) -> (String, String) {
        let error = Cli::read(format!("twocan {arguments}").split(' ').map(Into::into)).unwrap_err();
        match Refusal::of(&error) {
            Refusal::Wrong { what, hint } => (what, hint),
            Refusal::Asked => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_in_plain_words_and_what_to_do_another() {
        for (arguments, what, hint) in [
            ("serve --metrics 9100", "such as 127.0.0.1:9100", "--help"),
            ("serve --max-connections 0", "1 or more", "--help"),
            ("serve --listen banana", "'banana' for '--listen <ADDRESS>': invalid IP address; one is", "--help"),
            ("talk --port x", "a whole number", "--help"),
            ("talk --window x", "[possible values: auto, test, none]", "--help"),
            ("talk --mick x", "'--mick'", "'--mic'"),
            ("tlak tim", "'tlak'", "'talk'"),
            ("room", "required arguments were not provided: <ROOM>", "it goes: twocan room <ROOM>"),
            ("talk \u{1b}[2J\n\nx y", "unexpected argument", "it goes: twocan talk"),
        ] {
            let said = refusal(arguments);
            assert!(said.0.contains(what) && said.1.contains(hint), "{arguments}: {said:?}");
            assert!(!said.0.starts_with("error") && !said.0.contains(['\n', '\u{1b}']), "{said:?}");
        }
    }

    #[test]
    fn help_is_no_failure() {
        for arguments in ["twocan --help", "twocan find -h", "twocan -V"] {
            let error = Cli::read(arguments.split(' ').map(Into::into)).unwrap_err();
            assert_eq!(Refusal::of(&error), Refusal::Asked);
        }
    }
}
