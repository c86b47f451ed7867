//! The program `twocan`: parse, do, print one error, exit.

use std::{
    io::{self, IsTerminal, Write},
    os::unix::process::CommandExt,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use clap::CommandFactory;
use tracing_subscriber::EnvFilter;
use twocan::{
    bookmarks::Bookmarks,
    cli::{self, Cli, Command, Common, Host, Refusal},
    config::{self, Config, Turn},
    conversation::Gate,
    exit::{self, Exit},
    media::{self, Choice, Kind},
    rt,
    run::{
        self, Error, Means,
        bookmarks::{Consent, Format},
        call::{self, Who},
        room, talk,
    },
    screen::Face,
    server::{self, DEFAULT_PORT, Finding},
    socket,
};

fn main() {
    let started = rt::now();
    keep_one_heap();
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => leave(refuse(&error)),
    };
    leave(match run(cli, started) {
        Ok(code) => code,
        Err(error) if exit::is_reader_gone(&error) => 0,
        Err(error) => {
            let exit = Exit::of(&error);
            tell(&error.to_string(), exit.hint);
            exit.kind.code()
        }
    })
}

/// Ends the program, without the exit handlers of the libraries below it.
///
/// GStreamer's threads outlast what they were made for by half a second and more, and those of a device that hangs by as
/// long as they like. Whichever of them uses OpenSSL, or just ends and gives back what OpenSSL keeps for it, while
/// OpenSSL's exit handler takes all that apart, has the program end by a signal.
fn leave(code: u8) -> ! {
    // Whoever would be told that it cannot be written is gone.
    let _ = io::stdout().flush();
    signal_hook::low_level::exit(code.into())
}

/// Prints the help that was asked for, or says what is wrong with the flags.
fn refuse(error: &clap::Error) -> u8 {
    match Refusal::of(error) {
        // Whoever does not read it has no need of it.
        Refusal::Asked => {
            let _ = error.print();
            0
        }
        Refusal::Wrong { what, hint } => {
            tell(&what, Some(&hint));
            exit::Kind::Usage.code()
        }
    }
}

/// Gives back to the system what a crowd of clients took, once they have gone; most of it would stay in glibc's heap,
/// below some small piece still in use.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts this program anew, once, with one heap for all its threads.
///
/// A call makes some forty threads. glibc spreads them over eight heaps for each core, and every one of those keeps
/// what its busiest moment needed: several times the memory, for no gain in speed. It can only be told so from outside.
fn keep_one_heap() {
    const ONE_HEAP: &str = "MALLOC_ARENA_MAX";
    if cfg!(target_env = "gnu") && std::env::var_os(ONE_HEAP).is_none() {
        let mut arguments = std::env::args_os();
        let mut anew = std::process::Command::new("/proc/self/exe");
        anew.arg0(arguments.next().unwrap_or_else(|| "twocan".into())).args(arguments).env(ONE_HEAP, "1");
        // Rust's own heap: in pages of 2 MiB it would take 10 MiB from the start.
        anew.env("MIMALLOC_ALLOW_THP", "0");
        // It returns only if it could not: then this program goes on as it is.
        let _ = anew.exec();
    }
}

/// Does what is asked for, and tells the exit code.
fn run(cli: Cli, started: Instant) -> Result<u8, Error> {
    let Cli { command, common } = cli;
    let bookmarks = || Ok::<_, Error>(Bookmarks::open(&config::state_folder(common.state.as_deref())?)?);
    let out = &mut io::stdout();
    match command {
        None => Cli::command().print_help().map_err(Error::Output),
        Some(Command::Talk(talk)) => rt::run(talk::talk(talk_options(*talk, &common, started)?))?,
        Some(Command::Call(call)) => rt::run(call::call(call_options(*call, &common, started)?))?,
        Some(Command::Room(room)) => rt::run(room::room(room_options(*room, &common, started)?))?,
        Some(Command::Find(find)) if find.call => {
            let cli::Find { text, unpaused, means, .. } = *find;
            let call = cli::Call { uid: None, name: None, find: Some(text), listed: None, unpaused, means };
            rt::run(call::call(call_options(call, &common, started)?))?
        }
        Some(Command::Find(find)) => find_somebody(*find, &common, out),
        Some(Command::List(list)) => {
            run::bookmarks::list(&bookmarks()?, if list.json { Format::Json } else { Format::Table }, now(), out)
        }
        Some(Command::Rename(rename)) => run::bookmarks::rename(&bookmarks()?, &rename.old, &rename.new, out),
        Some(Command::Forget(forget)) => {
            let consent = if forget.yes { Consent::Given } else { Consent::Ask };
            run::bookmarks::forget(&bookmarks()?, &forget.name, consent, out)
        }
        Some(Command::Serve(serve)) if serve.check => return check(serve_options(*serve, &common), out),
        Some(Command::Serve(serve)) => {
            log_of_server(&serve, common.verbose);
            let options = serve_options(*serve, &common);
            Ok(run::serve::serve(options?, out)?)
        }
        Some(Command::Devices) => run::devices::devices(out),
    }
    .map(|()| 0)
}

fn serve_options(serve: cli::Serve, common: &Common) -> Result<server::Options, Error> {
    let config = settings(common)?;
    let settings = run::serve::settings(&serve.settings.or(config.serve.clone()))?;
    Ok(server::Options { settings, ..server_options(serve.host, &config, common)? })
}

/// Says line by line whether a server could start so, and how well; the exit code is 1 if it could not.
fn check(options: Result<server::Options, Error>, out: &mut impl Write) -> Result<u8, Error> {
    let mut code = 0;
    for (what, outcome) in run::serve::check(options) {
        let lines = match outcome {
            Ok(Finding::Good(how)) => format!("good  {what}: {how}\n"),
            Ok(Finding::Doubtful(doubts)) => doubts
                .iter()
                .map(|doubt| format!("warn  {what}: {}\n      hint: {}\n", doubt.message, doubt.hint))
                .collect(),
            Err(error) => {
                code = 1;
                let hint = Exit::of(&error).hint.map(|hint| format!("      hint: {hint}\n")).unwrap_or_default();
                format!("BAD   {what}: {error}\n{hint}")
            }
        };
        out.write_all(lines.as_bytes()).map_err(Error::Output)?;
    }
    Ok(code)
}

fn talk_options(talk: cli::Talk, common: &Common, started: Instant) -> Result<talk::Options, Error> {
    let claim = if talk.take_over { talk::Claiming::TakeOver } else { talk::Claiming::IfFree };
    Ok(talk::Options { what: talk.what, claim, means: means(talk.means, common, started)? })
}

fn call_options(call: cli::Call, common: &Common, started: Instant) -> Result<call::Options, Error> {
    let gate = if call.unpaused { Gate::Open } else { Gate::Closed };
    if call.uid.is_some() && call.uid == call.name {
        return Err(Error::OwnUid);
    }
    let who = match (call.uid, call.find, call.listed) {
        (Some(peer), ..) => Who::Peer(peer),
        (_, Some(text), _) => Who::Found(text),
        (.., Some(name)) => Who::Listed(name),
        (None, None, None) => Who::Anybody,
    };
    Ok(call::Options { who, name: call.name, gate, means: means(call.means, common, started)? })
}

fn room_options(room: cli::Room, common: &Common, started: Instant) -> Result<room::Options, Error> {
    let gate = if room.unpaused { Gate::Open } else { Gate::Closed };
    Ok(room::Options { room: room.room, gate, means: means(room.means, common, started)? })
}

fn means(flags: cli::Means, common: &Common, started: Instant) -> Result<Means, Error> {
    let face = if flags.json { Face::Json } else { Face::for_person() };
    // The screen belongs to the terminal face; a log would tear it.
    if face != Face::Terminal || !io::stderr().is_terminal() {
        log(common.verbose);
    }
    let config = settings(common)?;
    let is_host = flags.host.port.is_some() || flags.host.listen.is_some();
    let host = server_options(flags.host, &config, common)?;
    let server = flags.server.or_else(|| config.server.clone().filter(|_| !is_host));
    Ok(Means { server, host, media: media_options(&flags.media, config)?, face, started })
}

fn find_somebody(find: cli::Find, common: &Common, out: &mut impl Write) -> Result<(), Error> {
    let (config, means) = (settings(common)?, find.means);
    if let Some(authority) = means.media.ca.as_ref().or(config.ca.as_ref()) {
        socket::trust_also(authority)?;
    }
    let port = means.host.port;
    let server = match means.server.or(config.server.filter(|_| port.is_none())) {
        Some(server) => server,
        None => format!("http://localhost:{}", port.or(config.port).unwrap_or(DEFAULT_PORT)).parse()?,
    };
    let format = if means.json { Format::Json } else { Format::Table };
    rt::run(run::find::find(&server, &find.text, format, out))?
}

fn media_options(flags: &cli::Media, config: Config) -> Result<media::Options, Error> {
    let password = std::env::var("TWOCAN_TURN_PASSWORD").ok();
    let given = flags.turn.iter().map(|flag| Turn::from_flag(flag, password.as_deref(), &config.turn));
    let turn = if flags.turn.is_empty() { config.turn.clone() } else { given.collect::<Result<_, _>>()? };
    let stun = flags.stun.as_ref().or(config.stun.as_ref());
    if let Some(authority) = flags.ca.as_ref().or(config.ca.as_ref()) {
        socket::trust_also(authority)?;
    }
    Ok(media::Options {
        microphone: choice(Kind::Microphone, flags.mic.as_ref(), config.microphone)?,
        camera: choice(Kind::Camera, flags.camera.as_ref(), config.camera)?,
        speaker: choice(Kind::Speaker, flags.speaker.as_ref(), config.speaker)?,
        window: match flags.window {
            cli::Window::Auto => Choice::Auto,
            cli::Window::Test => Choice::Test(None),
            cli::Window::None => Choice::None,
        },
        stun: stun.map(|server| server.address().to_owned()),
        turn: turn.iter().map(|server| server.address().to_string()).collect(),
        address: flags.address,
        relay_only: flags.relay_only || config.relay_only,
        far: media::Far::Twocan,
    })
}

fn choice(kind: Kind, flag: Option<&String>, settled: Option<Choice>) -> Result<Choice, Error> {
    Ok(flag.map(|text| Choice::of(kind, text)).transpose()?.or(settled).unwrap_or_default())
}

fn server_options(host: Host, config: &Config, common: &Common) -> Result<server::Options, Error> {
    Ok(server::Options {
        listen: host.listen.or(config.listen).into_iter().collect(),
        port: host.port.or(config.port).unwrap_or(DEFAULT_PORT),
        state: config::state_folder(common.state.as_deref())?,
        settings: server::Settings::default(),
    })
}

fn settings(common: &Common) -> Result<Config, Error> {
    let loaded = config::load(common.config.as_deref())?;
    if let Some(path) = loaded.exposed {
        let what = format!("{} holds a password, and others on this machine can read it", path.display());
        tell(&what, Some(&format!("chmod 600 {}", path.display())));
    }
    Ok(loaded.config)
}

/// Where nobody sits before it, a server's log tells what an operator looks for: starts, stops, certificates.
fn log_of_server(serve: &cli::Serve, verbose: u8) {
    let verbose = if io::stderr().is_terminal() { verbose } else { verbose.max(1) };
    match serve.log {
        cli::Log::Text => log(verbose),
        cli::Log::Json => {
            tracing_subscriber::fmt().json().with_env_filter(filter(verbose)).with_writer(io::stderr).init();
        }
    }
}

/// Logs to standard error: warnings, and the more, the more often `-v` was given.
///
/// Libraries are never heard at their most talkative: there they tell whole messages, to whoever reads a log.
fn log(verbose: u8) {
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter(verbose)).with_ansi(ansi).with_writer(io::stderr).init();
}

fn filter(verbose: u8) -> EnvFilter {
    EnvFilter::new(match verbose {
        0 => "twocan=warn",
        1 => "twocan=info",
        2 => "twocan=debug",
        3.. => "debug,twocan=trace",
    })
}

fn tell(what: &str, hint: Option<&str>) {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    // Without standard error there is nobody to tell.
    let _ = write!(io::stderr(), "twocan: {what}\n{hint}");
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "how long ago something was is for people, by the wall clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
