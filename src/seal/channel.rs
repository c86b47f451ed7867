//! The rules by which a session comes about, is used, and is replaced.

use std::{collections::VecDeque, time::Instant};

use super::{Input, Output, Setup};

/// One side's end of the sealed channel.
#[derive(Debug)]
pub struct Channel {
    setup: Setup,
    outputs: VecDeque<Output>,
}

impl Channel {
    /// A channel without a session, the far side not here.
    pub fn new(setup: Setup) -> Self {
        Self { setup, outputs: VecDeque::new() }
    }

    /// Takes note of what happened; drain [`Channel::poll`] afterwards.
    pub fn handle(&mut self, _now: Instant, input: Input) {
        tracing::debug!(instance = %self.setup.instance, ?input, "not yet");
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether there is a session, so that what is said is sent.
    pub fn is_up(&self) -> bool {
        false
    }
}
