//! What the libraries below GStreamer complain of.

use glib::LogLevel;

/// Takes complaints into the log. GLib would write them across the screen, and a far side can bring them about.
pub(super) fn listen() {
    glib::log_set_default_handler(take);
}

fn take(library: Option<&str>, level: LogLevel, message: &str) {
    match level {
        // The last that is heard of this program: GLib ends it.
        LogLevel::Error => tracing::error!(library, message, "a library gives up"),
        LogLevel::Critical | LogLevel::Warning => tracing::debug!(library, message, "a library complains"),
        // For those who work on the libraries; addresses and passwords may be in it.
        LogLevel::Message | LogLevel::Info | LogLevel::Debug => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("the log").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn complaints_go_to_the_log_and_idle_talk_nowhere() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        let subscriber = subscriber.with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            listen();
            glib::g_critical!("libnice", "assertion failed");
            glib::g_debug!("libnice", "password");
        });
        let said = String::from_utf8(log.0.lock().expect("the log").clone()).expect("text");
        assert!(said.contains("DEBUG") && said.contains("libnice") && said.contains("assertion failed"), "{said}");
        assert!(!said.contains("password"), "{said}");
    }
}
