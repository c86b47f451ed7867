//! One round of measurements of one server.

use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    line::{Dialect, Line, Target},
    process::Process,
};

/// How many connections are being made at the same time.
const AT_ONCE: usize = 64;

/// How many pairs talk at the same time.
const PAIRS: usize = 50;

/// How long a relayed message is, in bytes.
const MESSAGE: usize = 300;

/// Within how long a server that looks after itself now and then has done so.
const LOOKED_AFTER: Duration = Duration::from_secs(10);

/// Figures by what they measure, unit included.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// How much is measured.
pub(crate) struct Size {
    /// How many connections.
    pub(crate) clients: usize,
    /// How many messages.
    pub(crate) messages: usize,
}

/// Measures one server that has just begun.
pub(crate) async fn measure(process: &Process, target: &Target, size: &Size) -> io::Result<Figures> {
    let mut figures = Figures::new();
    // What every server does once: code read in, tables made.
    let warm = crowd(target, "warm", 0, 200).await?;
    relay(target, "warm", warm, 2_000).await?;
    let before = process.settled_memory().await?;
    figures.insert("memory of the server alone, MiB", mebibytes(before));

    let clock = process.processor_time()?;
    let idle = crowd(target, "idle", 200, size.clients).await?;
    figures.insert("processor time for each connect, µs", micros(process.processor_time()? - clock, size.clients));
    let full = process.settled_memory().await?;
    figures
        .insert("memory for each idle connection, KiB", (full as f64 - before as f64) / 1024.0 / size.clients as f64);

    let (clock, began) = (process.processor_time()?, Instant::now());
    let idle = relay(target, "idle", idle, size.messages).await?;
    let spent = process.processor_time()? - clock;
    figures.insert("processor time for each message, µs", micros(spent, size.messages));
    figures.insert("messages relayed in a second", size.messages as f64 / began.elapsed().as_secs_f64());
    drop(idle);
    process.settled_memory().await?;

    let began = Instant::now();
    churn(target, size.clients).await?;
    figures.insert("connected, registered and dropped, s", began.elapsed().as_secs_f64());
    tokio::time::sleep(LOOKED_AFTER).await;
    let after = process.settled_memory().await?;
    figures.insert("memory when all have gone, of that alone, %", 100.0 * after as f64 / before as f64);
    Ok(figures)
}

/// That many registered clients; the sources of their addresses begin at `first`.
async fn crowd(target: &Target, name: &str, first: usize, count: usize) -> io::Result<Vec<Line>> {
    let connects = (0..count).map(|n| {
        let uid = format!("{name}-{n}");
        async move { target.register(first + n, &uid).await }
    });
    stream::iter(connects).buffered(AT_ONCE).try_collect().await
}

/// Has clients come and go until that many have.
async fn churn(target: &Target, count: usize) -> io::Result<()> {
    let visits = (0..count).map(|n| async move { target.register(20_000 + n, &format!("churn-{n}")).await.map(drop) });
    stream::iter(visits).buffer_unordered(AT_ONCE).try_collect().await
}

/// Has the first of these clients, whose uids begin with `name`, talk in pairs until that many messages have arrived, by turns.
async fn relay(target: &Target, name: &str, mut lines: Vec<Line>, messages: usize) -> io::Result<Vec<Line>> {
    let rest = lines.split_off(2 * PAIRS.min(lines.len() / 2));
    let each = messages / PAIRS;
    let mut pairs = Vec::new();
    let mut lines = lines.into_iter().enumerate();
    while let (Some((a, one)), Some((b, other))) = (lines.next(), lines.next()) {
        pairs.push(async move {
            let mut pair = [one, other];
            let names = [format!("{name}-{a}"), format!("{name}-{b}")];
            if target.dialect == Dialect::Rendezvous {
                pair[0].ask(&format!("SESSION {}", names[1]), "SESSION_OK").await?;
            }
            for n in 0..each {
                let (from, to) = (n % 2, 1 - n % 2);
                pair[from].say(message(target.dialect, &names[to])).await?;
                let heard = pair[to].hear().await?;
                if heard.len() < MESSAGE {
                    return Err(io::Error::other(format!("not the message: {heard}")));
                }
            }
            Ok(pair)
        });
    }
    let talked = stream::iter(pairs).buffer_unordered(PAIRS).try_collect::<Vec<_>>().await?;
    Ok(talked.into_iter().flatten().chain(rest).collect())
}

/// What a client says so that the other gets it.
fn message(dialect: Dialect, to: &str) -> String {
    let (head, tail) = match dialect {
        Dialect::Rendezvous => (r#"{"sdp":{"type":"offer","sdp":""#.to_owned(), r#""}}"#),
        Dialect::Peer => (format!(r#"{{"type":"OFFER","dst":"{to}","payload":{{"sdp":""#), r#""}}"#),
    };
    let filling = "x".repeat(MESSAGE - head.len() - tail.len());
    head + &filling + tail
}

fn micros(time: Duration, times: usize) -> f64 {
    time.as_secs_f64() * 1e6 / times as f64
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
