//! What whoever runs the program can tell it to do.

use serde::{Deserialize, Serialize};

/// One thing to do, from a key or from a JSON line.
///
/// As JSON it is an object whose `cmd` names the variant in snake case; see [`super::json`] for the line around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum Command {
    /// Close the gate.
    Pause,
    /// Open the gate.
    Unpause,
    /// Close the open gate, or open the closed one.
    Toggle,
    /// Mute or unmute the microphone.
    Mute {
        /// Muted.
        on: bool,
    },
    /// Turn the camera on or off.
    Camera {
        /// On.
        on: bool,
    },
    /// End the call, if there is one.
    HangUp,
    /// Set the speaker's volume.
    Volume {
        /// 100 is as received; up to [`VOLUME_LIMIT`].
        percent: u32,
    },
    /// Ask the server again for a line that another machine with a copy of this side's files holds.
    TakeOver,
    /// End the program.
    Quit,
}

/// The loudest a speaker can be set: four times as received.
pub const VOLUME_LIMIT: u32 = 400;
