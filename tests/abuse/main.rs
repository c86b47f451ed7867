//! What clients may try, and what becomes of the others meanwhile: a server in a process of its own, so that its memory
//! can be seen. A binary of its own as well, for what it measures would suffer beside other tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test says by panicking that it cannot go on, may start what it likes, and shows what it measures"
)]

mod attacks;
mod herd;
#[allow(dead_code, reason = "the bench uses all of it")]
#[path = "../load/line.rs"]
mod line;
mod others;
#[allow(dead_code, reason = "the bench uses all of it")]
#[path = "../load/process.rs"]
mod process;

use std::path::Path;

use line::{Dialect, Target};
use process::Process;
use rustix::process::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Held by the test that measures: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A server with a folder of its own.
struct Running {
    process: Process,
    home: TempDir,
}

impl Running {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(flags: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { process: start(home.path(), 0, flags), home }
    }

    /// Ends it as `kill -9` does, and starts it anew on the same port.
    fn restart(&mut self) {
        let port = self.process.address().port();
        self.process.kill().unwrap();
        self.process = start(self.home.path(), port, &[]);
    }

    fn target(&self) -> Target {
        Target { address: self.process.address(), dialect: Dialect::Rendezvous, tls: None }
    }
}

fn start(home: &Path, port: u16, flags: &[&str]) -> Process {
    Process::twocan(Path::new(env!("CARGO_BIN_EXE_twocan")), home, port, flags).unwrap()
}

/// As many sockets as this user may have.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}
