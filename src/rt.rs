//! The peer's runtime: tasks, timers and channels, on async-std.
//!
//! The one file that names it, so that another can take its place.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use async_std::channel::{Receiver, Sender, bounded as channel};
use async_std::{future, task};
use tokio::runtime::Handle;

/// A running task; dropping it lets the task run on.
pub type Task<T> = task::JoinHandle<T>;

/// Runs `main` to its end on this thread, with tasks and sockets at hand.
///
/// Errors: the system grants no thread or no event queue.
pub fn run<T>(main: impl Future<Output = T>) -> std::io::Result<T> {
    let reactor = reactor()?;
    let _entered = reactor.enter();
    async_global_executor::init_with_config(
        async_global_executor::GlobalExecutorConfig::default().with_min_threads(1).with_max_threads(1),
    );
    Ok(task::block_on(main))
}

/// One small reactor for sockets; async-std would otherwise start one with a thread for every core.
///
/// Its thread lasts as long as the program: async-std keeps to the first reactor that it has met.
fn reactor() -> std::io::Result<Handle> {
    static REACTOR: Mutex<Option<Handle>> = Mutex::new(None);
    let mut known = REACTOR.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reactor) = &*known {
        return Ok(reactor.clone());
    }
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = reactor.handle().clone();
    std::thread::Builder::new().name("reactor".into()).spawn(move || reactor.block_on(std::future::pending::<()>()))?;
    *known = Some(handle.clone());
    Ok(handle)
}

/// Runs a task beside the others.
#[expect(clippy::disallowed_methods, reason = "the one place where the peer's tasks begin")]
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> Task<T> {
    task::spawn(task)
}

/// Runs what blocks on a thread of its own.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    task::spawn_blocking(work).await
}

/// What time it is, on the clock that only goes forward.
#[expect(clippy::disallowed_methods, reason = "the one clock of the peer")]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits until `at`; for ever if there is none.
pub async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => task::sleep(at.saturating_duration_since(now())).await,
        None => std::future::pending().await,
    }
}

/// Waits until the system asks this program to end, by SIGTERM, SIGINT or SIGHUP.
///
/// Errors: the system does not let signals be watched.
pub fn terminated() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()]
        .into_iter()
        .map(signal)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(std::future::poll_fn(move |context| {
        let ready = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }))
}

/// What `work` gives if it ends within `limit`.
pub async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    future::timeout(limit, work).await.ok()
}
