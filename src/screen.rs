//! The three faces of one program: a terminal, plain lines, JSON lines. All show the same events.

pub mod command;
pub mod event;

pub use command::Command;
pub use event::Event;
