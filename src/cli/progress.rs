//! How far a run is: a bar where stderr is a terminal, a line every few seconds
//! where it is not.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{annotate, fit};

/// Between two lines in a log.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress of training and of annotating.
pub(super) struct Shown<'a> {
    bar: ProgressBar,
    terminal: bool,
    last_line: Mutex<Instant>,
    stop: &'a AtomicBool,
}

impl<'a> Shown<'a> {
    pub(super) fn new(stop: &'a AtomicBool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        Self { bar, terminal, last_line: Mutex::new(Instant::now()), stop }
    }

    /// A line now, where there is no bar and the last one was a while ago.
    fn line(&self, text: impl FnOnce() -> String) {
        if self.terminal {
            return;
        }
        // A poisoned clock is still a clock.
        let mut last = self.last_line.lock().unwrap_or_else(|e| e.into_inner());
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            tracing::info!("{}", text());
        }
    }

    /// Takes the bar off the screen.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file: a wrong one shows the plain style.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl annotate::Progress for Shown<'_> {
    fn begin(&self, file: &str, rows: u64) {
        self.bar.set_style(style("{msg} {wide_bar} {human_pos}/{human_len} rows  {per_sec}  {eta} left"));
        self.bar.set_message(file.to_owned());
        self.bar.set_length(rows);
        self.bar.set_position(0);
        self.bar.reset_eta();
    }

    fn advance(&self, rows: u64) {
        self.bar.inc(rows);
        self.line(|| {
            let (done, of) = (self.bar.position(), self.bar.length().unwrap_or_default());
            format!("{}: {done} of {of} rows, {:.0} rows/s", self.bar.message(), self.bar.per_sec())
        });
    }
}

impl fit::Progress for Shown<'_> {
    fn stage(&self, name: &str) {
        self.bar.set_style(style("{spinner} {prefix}  {msg}"));
        self.bar.set_prefix(format!("fitting {name}"));
        self.bar.enable_steady_tick(Duration::from_millis(100));
        tracing::info!("fitting {name}");
    }

    fn epoch(&self, model: &str, step: usize, of: usize, held_out_nats: f64) {
        let text = || format!("{model}: {step}/{of}, held-out loss {held_out_nats:.4} nats");
        if self.terminal {
            self.bar.set_message(text());
        }
        self.line(text);
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
