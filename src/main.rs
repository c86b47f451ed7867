//! The program `twocan`: parse, do, print one error, exit.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{CommandFactory, Parser};
use twocan::{
    bookmarks::Bookmarks,
    cli::{Cli, Command},
    config,
    exit::{self, Exit},
    run::{self, Error},
};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if exit::is_reader_gone(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let exit = Exit::of(&error);
            let hint = exit.hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
            // Without standard error there is nobody to tell.
            let _ = write!(io::stderr(), "twocan: {error}\n{hint}");
            exit.into()
        }
    }
}

fn run(cli: &Cli) -> Result<(), Error> {
    let state = || config::state_folder(cli.common.state.as_deref()).map_err(Error::from);
    let bookmarks = || Ok::<_, Error>(Bookmarks::open(&state()?)?);
    let out = &mut io::stdout();
    let Some(command) = &cli.command else { return Ok(Cli::command().print_help()?) };
    match command {
        Command::List(options) => run::bookmarks::list(&bookmarks()?, options, now(), out),
        Command::Rename(options) => run::bookmarks::rename(&bookmarks()?, options, out),
        Command::Forget(options) => run::bookmarks::forget(&bookmarks()?, options, out),
        Command::Talk(_) | Command::Serve(_) | Command::Devices => Ok(()),
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the one place where the program asks for the date")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
