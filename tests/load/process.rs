//! A server as a process of its own, and what the system says it uses.

use std::{
    fs, io,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long memory has to stay the same to count as settled.
const SETTLED: Duration = Duration::from_millis(500);

/// A running server; killed when dropped.
pub(crate) struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts `twocan serve` on loopback, with these flags besides; port 0 takes a free one.
    pub(crate) fn twocan(program: &Path, state: &Path, port: u16, flags: &[&str]) -> io::Result<Self> {
        let port = port.to_string();
        let mut command = Command::new(program);
        // So that it sets up its heap as it does for a person.
        command.env_remove("MALLOC_ARENA_MAX");
        command.args(["serve", "--listen", "127.0.0.1", "--port", &port, "--state"]).arg(state).args(flags);
        Self::start(command)
    }

    /// Starts any server that says a line with `http://…:<port>/` once it listens.
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let said = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        for line in BufReader::new(said).lines() {
            let line = line?;
            let port = line.split_once("http://").and_then(|(_, url)| {
                url.split_once(':')?.1.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
            });
            if let Some(port) = port {
                return Ok(Self { child, port });
            }
        }
        Err(io::Error::other("the server said nothing of where it listens"))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (IpAddr::V4(Ipv4Addr::LOCALHOST), self.port).into()
    }

    /// What it has in memory, in bytes.
    pub(crate) fn memory(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or(io::ErrorKind::InvalidData)?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
        Ok(kib * 1024)
    }

    /// [`Self::memory`] once it has stopped changing, within a few seconds.
    pub(crate) async fn settled_memory(&self) -> io::Result<u64> {
        let began = Instant::now();
        let (mut last, mut since) = (self.memory()?, Instant::now());
        while since.elapsed() < SETTLED && began.elapsed() < 10 * SETTLED {
            tokio::time::sleep(SETTLED / 10).await;
            let now = self.memory()?;
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(last)
    }

    /// How long its threads have run on a processor.
    pub(crate) fn processor_time(&self) -> io::Result<Duration> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let spent = fs::read_to_string(task?.path().join("schedstat"))?;
            total += spent.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(Duration::from_nanos(total))
    }

    /// Ends it without a word, as `kill -9` does.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill(); // It may have ended by itself.
    }
}
