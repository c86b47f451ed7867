//! What happened in a schedule, line by line; kept only while somebody wants to read it.

use std::cell::RefCell;

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From here on, what happens in this thread is kept.
pub fn begin() {
    LINES.set(Some(Vec::new()));
}

/// What was kept; nothing more is.
pub fn end() -> Vec<String> {
    LINES.take().unwrap_or_default()
}

pub fn is_on() -> bool {
    LINES.with_borrow(Option::is_some)
}

/// Keeps a line, if lines are kept.
pub fn note(line: impl FnOnce() -> String) {
    if is_on() {
        let line = line();
        LINES.with_borrow_mut(|lines| lines.as_mut().into_iter().for_each(|lines| lines.push(line.clone())));
    }
}
