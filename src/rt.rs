//! The peer's runtime: tasks, timers and channels, on async-std.
//!
//! The one file that names it, so that another can take its place.

use std::{
    future::Future,
    time::{Duration, Instant},
};

pub use async_std::channel::{Receiver, Sender, bounded as channel};
use async_std::{future, task};

/// A running task; dropping it lets the task run on.
pub type Task<T> = task::JoinHandle<T>;

/// Runs `main` to its end on this thread, with tasks and sockets at hand.
///
/// Errors: the system grants no thread or no event queue.
pub fn run<T>(main: impl Future<Output = T>) -> std::io::Result<T> {
    // One small reactor for sockets; async-std would otherwise start one with a thread for every core.
    let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = reactor.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = std::thread::Builder::new().name("reactor".into()).spawn(move || {
        let _ = reactor.block_on(stopped);
        // A name that is still being looked up must not keep the program.
        reactor.shutdown_background();
    })?;
    let _entered = handle.enter();
    async_global_executor::init_with_config(
        async_global_executor::GlobalExecutorConfig::default().with_min_threads(1).with_max_threads(1),
    );
    let result = task::block_on(main);
    drop(stop);
    let _ = driver.join();
    Ok(result)
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
