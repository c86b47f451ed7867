//! The command line: flags and their help.

mod refusal;

use std::{ffi::OsString, net::IpAddr, path::PathBuf};

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::{
    config::{ServeSettings, Stun},
    ids::{PeerUid, RoomId},
    invite::Origin,
};
pub use refusal::Refusal;

/// A standing line between two people.
#[derive(Debug, Parser)]
#[command(name = "twocan", version, max_term_width = 100)]
#[command(after_help = "Start with:  twocan talk tim")]
pub struct Cli {
    /// What to do; without it, help is shown.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where files are, and how much is logged.
    #[command(flatten)]
    pub common: Common,
}

/// Commands, and what of [`Common`] does nothing there: it is taken, as everywhere, but help does not offer it.
const IDLE: [(&str, &[&str]); 4] = [
    ("list", &["config", "verbose"]),
    ("rename", &["config", "verbose"]),
    ("forget", &["config", "verbose"]),
    ("devices", &["state", "config", "verbose"]),
];

impl Cli {
    /// What is asked for on this command line.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::flags().try_get_matches_from(arguments)?)
    }

    /// All flags, each where it does something.
    fn flags() -> clap::Command {
        let mut all = Self::command();
        all.build(); // Only then has each command those that are for all.
        IDLE.into_iter().fold(all, |all, (command, idle)| {
            let hidden = |flag: clap::Arg| if idle.contains(&flag.get_id().as_str()) { flag.hide(true) } else { flag };
            all.mut_subcommand(command, |command| command.mut_args(hidden))
        })
    }
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// Keep conversations in this folder
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FOLDER", env = "TWOCAN_STATE")]
    pub state: Option<PathBuf>,
    /// Read settings from this file
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE", env = "TWOCAN_CONFIG")]
    pub config: Option<PathBuf>,
    /// Log more to standard error; up to three times
    #[arg(short, long, global = true, help_heading = "Everywhere", action = ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open a conversation, ready and paused
    ///
    /// The first time, a link and a QR code are shown for the other side to open in a browser, or in another twocan.
    /// From then on both sides come back to the same conversation: here by its name, there by a bookmark.
    ///
    /// Nothing is sent or played before you unpause.
    Talk(Box<Talk>),
    /// Call a WebRTC app of any make, or wait to be called by one
    ///
    /// The two meet at a rendezvous server of the HELLO/SESSION kind. Such a call is not sealed: whoever runs the server
    /// could listen in. Nothing is sent or played before you unpause.
    Call(Box<Call>),
    /// Talk with up to seven others in a room, with WebRTC apps of any make among them
    ///
    /// Whoever enters a room of the same name at the same server is in it; browsers come in by the link that is shown.
    /// A room is not sealed: whoever runs the server could listen in. Nothing is sent or played before you unpause.
    Room(Box<Room>),
    /// Find somebody in a server's directory by name or login
    ///
    /// It lists who is connected there with the Workrooms protocol, the likeliest first; misspelt names are found too. With
    /// --call, the one who is found is called; such a call is not sealed: whoever runs the server could listen in.
    Find(Box<Find>),
    /// List the conversations: name, other side, last talked, where
    List(List),
    /// Give a conversation another name; the other side is not told
    Rename(Rename),
    /// Delete a conversation and its keys; to talk again, the two have to pair anew
    Forget(Forget),
    /// Run a rendezvous server and its page, for others
    Serve(Box<Serve>),
    /// List microphones, cameras and speakers
    Devices,
}

/// What `twocan talk` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  twocan talk tim                          a new conversation, or the one you have with tim
  twocan talk 'https://HOST/?convoId=…'    accept the other side's link
  twocan talk -                            the same, with the link typed or pasted, out of others' sight
  twocan talk tim --mic none --camera test listen only, and send a test picture")]
pub struct Talk {
    /// A name, a conversation's id, a link, or - to read a link from standard input
    ///
    /// A name that is not known begins a new conversation. Arguments can be read by everybody on this machine; a link
    /// on standard input cannot.
    #[arg(value_name = "NAME|ID|LINK|-")]
    pub what: Option<String>,
    /// Where to meet, with what, and how it is shown.
    #[command(flatten)]
    pub means: Means,
    /// Have the conversation here, and end it in the window on this machine where it is open
    #[arg(long)]
    pub take_over: bool,
}

/// What `twocan call` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  twocan call 4711 --server https://HOST:8443    call who is registered there as 4711
  twocan call --as tim --server https://HOST     wait there for whoever calls tim
  twocan call --as tim                           the same, at a server inside this program
  twocan find anna --call --server https://HOST  call who is called anna in the directory there
  twocan call --listed Tim --server https://HOST be in the directory as Tim, and wait")]
pub struct Call {
    /// Whom to call: what the other side is registered as; without it, wait for whoever calls
    pub uid: Option<PeerUid>,
    /// What to be registered as [default: a random number]
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<PeerUid>,
    /// The same as `twocan find TEXT --call`
    #[arg(long, value_name = "TEXT", hide = true, conflicts_with_all = ["uid", "name", "listed"], value_parser = not_blank)]
    pub find: Option<String>,
    /// Be in the server's directory under this name, and wait for whoever calls
    #[arg(long, value_name = "NAME", conflicts_with_all = ["uid", "name"])]
    pub listed: Option<String>,
    /// Begin unpaused: what is said is heard as soon as it is connected. A pause of yours holds, in later calls too
    #[arg(long)]
    pub unpaused: bool,
    /// Where to meet, with what, and how it is shown.
    #[command(flatten)]
    pub means: Means,
}

/// What `twocan room` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  twocan room tea                               at a server inside this program, with a link for browsers
  twocan room tea --server https://HOST:8443    at the server where the others are
  twocan room tea --camera none --unpaused      without a picture, and heard at once")]
pub struct Room {
    /// The room's name: one word
    #[arg(value_name = "ROOM")]
    pub room: RoomId,
    /// Begin unpaused: you hear, and are heard, as soon as you are connected
    #[arg(long)]
    pub unpaused: bool,
    /// Where to meet, with what, and how it is shown.
    #[command(flatten)]
    pub means: Means,
}

/// Where to meet, with what, and how it is shown: the same for everything that calls.
#[derive(Debug, Args)]
pub struct Means {
    /// Meet at this server, rather than at one inside this program
    #[arg(long, value_name = "URL", conflicts_with_all = ["port", "listen"])]
    pub server: Option<Origin>,
    /// Where a server inside this program listens.
    #[command(flatten)]
    pub host: Host,
    /// Devices and the ways to the other side.
    #[command(flatten)]
    pub media: Media,
    /// Print one JSON event a line and take one JSON command a line
    #[arg(long)]
    pub json: bool,
}

/// Devices, and the ways that sound and picture take.
#[derive(Debug, Clone, Args)]
pub struct Media {
    /// What to speak into: part of a device's name, auto, test, test:HZ, or none
    #[arg(long, value_name = "NAME")]
    pub mic: Option<String>,
    /// What to be seen by: part of a device's name, auto, test, test:COLOUR, or none
    #[arg(long, value_name = "NAME")]
    pub camera: Option<String>,
    /// What to hear with: part of a device's name, auto, test, or none
    #[arg(long, value_name = "NAME")]
    pub speaker: Option<String>,
    /// Where the other side's picture is shown
    #[arg(long, value_enum, default_value_t = Window::Auto)]
    pub window: Window,
    /// A STUN server: stun:HOST[:PORT]
    #[arg(long, value_name = "URL")]
    pub stun: Option<Stun>,
    /// A TURN server: turn:USER@HOST[:PORT]; may be repeated
    ///
    /// Its password comes from the config file, or from the environment's TWOCAN_TURN_PASSWORD.
    #[arg(long, value_name = "URL")]
    pub turn: Vec<String>,
    /// Send and receive sound and picture at this address of this machine only, rather than at all of them
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<IpAddr>,
    /// Send and receive sound and picture by a TURN server only: the other side never learns your address
    #[arg(long)]
    pub relay_only: bool,
    /// Trust the servers that this authority vouches for: a PEM or DER file, such as what a server gives at /ca
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, Args)]
pub struct Host {
    /// The server's port; 0 for any that is free [default: 8443]
    #[arg(long)]
    pub port: Option<u16>,
    /// The address the server listens on, such as 127.0.0.1 for this machine alone
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<IpAddr>,
}

/// Where the other side's picture is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Window {
    /// In a window, where there is a display
    Auto,
    /// Nowhere; its size and colour are told instead
    Test,
    /// Nowhere
    None,
}

/// The flags of [`Means`] that are for a call alone.
const OF_A_CALL: [&str; 10] =
    ["listen", "mic", "camera", "speaker", "window", "stun", "turn", "address", "relay_only", "unpaused"];

/// What `twocan find` takes.
#[derive(Debug, Args)]
#[command(mut_args(|arg| match OF_A_CALL.contains(&arg.get_id().as_str()) {
    true => arg.requires("call").help_heading("With --call"),
    false => arg,
}))]
#[command(after_long_help = "Examples:
  twocan find anna --server https://HOST:8443    who is called anna, or something like it
  twocan find anna --call --server https://HOST  call her
  twocan find anna --json                        one JSON object a line, for scripts")]
pub struct Find {
    /// A name or login, or the beginning of one
    #[arg(value_name = "TEXT", value_parser = not_blank)]
    pub text: String,
    /// Call who is found, if it is one person
    #[arg(long)]
    pub call: bool,
    /// Begin the call unpaused: what is said is heard as soon as it is connected
    #[arg(long)]
    pub unpaused: bool,
    /// Which server to ask, and for a call the rest.
    #[command(flatten)]
    pub means: Means,
}

/// What `twocan list` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  twocan list --json    one JSON object a line, for scripts")]
pub struct List {
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// What `twocan rename` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  twocan rename tim 'Tim at home'")]
pub struct Rename {
    /// The conversation, by name or id
    pub old: String,
    /// Its new name
    pub new: String,
}

/// What `twocan forget` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  twocan forget tim --yes    without being asked")]
pub struct Forget {
    /// The conversation, by name or id
    pub name: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// What `twocan serve` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  twocan serve --port 9443    and on the others: twocan talk --server https://HOST:9443
  twocan serve --check        would it start?

Each of these may stand in the config file, below [serve], under the same name; port and listen above it. A relative path
begins at the working directory here, and at the config file's folder there.")]
pub struct Serve {
    /// Where it listens.
    #[command(flatten)]
    pub host: Host,
    /// Everything else.
    #[command(flatten)]
    pub settings: ServeSettings,
    /// Say whether the server could start so, and why not; start nothing
    ///
    /// The exit code is 0 if it could, and 1 if not.
    #[arg(long, help_heading = "Operation")]
    pub check: bool,
    /// How the log is written to standard error
    #[arg(long, value_enum, default_value_t = Log::Text, help_heading = "Operation")]
    pub log: Log,
}

/// A text that is not blank.
fn not_blank(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("nobody is meant; give a name or login, or the beginning of one");
    }
    Ok(text.to_owned())
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(arguments: &[&str]) -> Box<Talk> {
        let Some(Command::Talk(talk)) = parse(&[&["talk"], arguments].concat()).unwrap().command else { panic!() };
        talk
    }

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::read([&["twocan"], arguments].concat().into_iter().map(OsString::from))
    }

    #[test]
    fn the_flags_agree_with_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_with_arguments_shows_an_example_in_its_long_help() {
        for command in Cli::command().get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            assert!(name == "devices" || help.contains("Example"), "{name}: {help}");
        }
    }

    #[test]
    fn help_offers_no_flag_that_does_nothing_and_it_is_taken_all_the_same() {
        for (command, idle) in IDLE {
            let help = parse(&[command, "--help"]).unwrap_err().to_string();
            for flag in ["state", "config", "verbose"] {
                assert_eq!(help.contains(&format!("--{flag}")), !idle.contains(&flag), "{command} --{flag}: {help}");
            }
        }
        for arguments in [&["devices", "-v"][..], &["-v", "--config", "c", "list"], &["--state", "s", "devices"]] {
            let common = parse(arguments).unwrap().common;
            assert!(common.verbose == 1 || common.state.is_some(), "{arguments:?}");
        }
    }

    #[test]
    fn what_only_a_call_needs_is_refused_without_one() {
        for flag in
            ["--mic=none", "--listen=127.0.0.1", "--window=none", "--turn=turn:u@h", "--relay-only", "--unpaused"]
        {
            assert!(parse(&["find", "anna", flag]).is_err(), "{flag}");
            assert!(parse(&["find", "anna", "--call", flag]).is_ok(), "{flag}");
        }
        for flag in ["--server=https://h", "--port=1", "--ca=f", "--json"] {
            assert!(parse(&["find", "anna", flag]).is_ok(), "{flag}");
        }
        let mut command = Cli::command();
        let help = command.find_subcommand_mut("find").unwrap().render_help().to_string();
        let (always, with_call) = help.split_once("With --call:").unwrap();
        assert!(always.contains("--ca ") && !always.contains("--mic") && with_call.contains("--mic"), "{help}");
    }

    #[test]
    fn talk_takes_what_the_manual_says() {
        let flags = [
            "tim",
            "--port",
            "0",
            "--listen",
            "127.0.0.1",
            "--mic",
            "test:440",
            "--camera",
            "test:RED",
            "--speaker",
            "none",
            "--window",
            "test",
            "--stun",
            "stun:a",
            "--turn",
            "turn:u@c",
            "--json",
            "-vv",
        ];
        let talk = talk(&flags);
        assert_eq!(talk.what.as_deref(), Some("tim"));
        let means = talk.means;
        assert_eq!((means.host.port, means.media.window, means.json), (Some(0), Window::Test, true));
        assert_eq!(
            (means.media.mic.as_deref(), means.media.stun.is_some(), means.media.turn.len()),
            (Some("test:440"), true, 1)
        );
    }

    #[test]
    fn what_contradicts_itself_or_is_no_value_is_refused() {
        for arguments in [
            &["talk", "--server", "https://h", "--port", "1"][..],
            &["talk", "--server", "nonsense"],
            &["talk", "--port", "65536"],
            &["talk", "--stun", "http://x"],
            &["talk", "--stun", "stun:a", "--stun", "stun:b"],
            &["talk", "a", "b"],
            &["rename", "a"],
            &["sing"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
