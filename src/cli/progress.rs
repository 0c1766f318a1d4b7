//! A progress display for fitting and annotating: a bar where stderr is a terminal, otherwise log
//! lines at intervals.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressState, ProgressStyle};

use crate::printable::{counted, escape_line};
use crate::samples::FateCounts;
use crate::telemetry::{ProgressFormat, progress_format};
use crate::{annotate, fit, threads};

/// Displays the progress of fitting and of annotating.
pub(super) struct ProgressBar<'a> {
    bar: indicatif::ProgressBar,
    format: ProgressFormat,
    /// When a line was logged, and which.
    last_line: Mutex<(Instant, String)>,
    row_bytes: AtomicU64,
    stop: &'a AtomicBool,
}

impl<'a> ProgressBar<'a> {
    pub(super) fn new(stop: &'a AtomicBool) -> Self {
        let format = progress_format();
        let bar = match format {
            ProgressFormat::Bar => indicatif::ProgressBar::new_spinner(),
            ProgressFormat::Text(_) | ProgressFormat::Json(_) | ProgressFormat::Quiet => {
                indicatif::ProgressBar::hidden()
            }
        };
        Self {
            bar,
            format,
            last_line: Mutex::new((Instant::now(), String::new())),
            row_bytes: AtomicU64::new(0),
            stop,
        }
    }

    fn is_drawn(&self) -> bool {
        self.format == ProgressFormat::Bar
    }

    /// Logs a line if there is no bar, the interval has elapsed, and it is another than the last.
    fn log_line(&self, unit: &str, done: u64, total: Option<u64>, text: impl FnOnce() -> String) {
        let (ProgressFormat::Text(every) | ProgressFormat::Json(every)) = self.format else { return };
        // A line stays valid when its lock is poisoned.
        let mut last = self.last_line.lock().unwrap_or_else(|e| e.into_inner());
        let (logged, last_text) = &mut *last;
        if logged.elapsed() < every {
            return;
        }
        let text = text();
        if *last_text != text {
            match self.format {
                ProgressFormat::Json(_) => tracing::info!(done, total, unit, "{text}"),
                _ => tracing::info!("{text}"),
            }
            (*logged, *last_text) = (Instant::now(), text);
        }
    }

    /// Shows how many files are done, of work on other machines.
    #[cfg(feature = "cluster")]
    pub(super) fn files(&self, done: usize, of: usize) {
        self.bar.set_style(style("{spinner} {wide_bar} {human_pos}/{human_len} files"));
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        self.log_line("files", done as u64, Some(of as u64), || format!("{done} of {of} files"));
    }

    /// The time that is left as text; nothing before it can be told.
    fn left(&self) -> String {
        match self.bar.per_sec() > 0.0 {
            true => format!("{} s left", self.bar.eta().as_secs()),
            false => String::new(),
        }
    }

    /// Removes the bar from the screen.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for ProgressBar<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Whether progress is drawn.
pub(super) fn draws_progress() -> bool {
    progress_format() == ProgressFormat::Bar
}

/// A line on the terminal of a text that is set.
pub(super) fn text_line() -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new_spinner();
    bar.set_style(style("{spinner} {wide_msg}"));
    bar
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; an invalid one falls back to the default style.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl annotate::Progress for ProgressBar<'_> {
    fn begin(&self, start: annotate::InputStart) {
        let template = match start.rows {
            Some(_) => "{msg} {wide_bar} {human_pos}/{human_len} rows  {speed}  {eta} left",
            None => "{spinner} {msg}  {human_pos} rows  {speed}",
        };
        let row_bytes = start.row_bytes;
        self.row_bytes.store(row_bytes, Ordering::Relaxed);
        let speed = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A formatting error of the display must not end the run.
            let _ = out.write_str(&speed(state.per_sec(), row_bytes));
        };
        self.bar.set_style(style(template).with_key("speed", speed));
        self.bar.set_message(escape_line(&start.file).into_owned());
        match start.rows {
            Some(rows) => self.bar.set_length(rows),
            None => self.bar.unset_length(),
        }
        self.bar.set_position(start.resumed_rows);
        self.bar.reset_eta();
    }

    fn advance(&self, fates: &FateCounts) {
        // What executors have computed is known after the end.
        if self.bar.is_finished() {
            return;
        }
        self.bar.inc(fates.rows());
        let (done, of) = (self.bar.position(), self.bar.length());
        self.log_line("rows", done, of, || {
            let file = self.bar.message();
            let (rate, row_bytes) = (self.bar.per_sec(), self.row_bytes.load(Ordering::Relaxed));
            let (speed, left) = (speed(rate, row_bytes), self.left());
            match of {
                Some(of) => line(format!("{file}: {done} of {of} rows"), &[&speed, &left]),
                None => line(format!("{file}: {}", counted(done, "row")), &[&speed]),
            }
        });
    }
}

/// A line of what there is to say.
fn line(begin: String, parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).fold(begin, |line, part| format!("{line}, {part}"))
}

/// Throughput in rows and in bytes of embeddings per second; nothing before there is any.
fn speed(rows: f64, row_bytes: u64) -> String {
    if rows < 1.0 {
        return String::new();
    }
    format!("{rows:.0} rows/s, {:.2} GB/s", rows * row_bytes as f64 / 1e9)
}

impl fit::FitProgress for ProgressBar<'_> {
    fn stage(&self, name: &str) {
        self.bar.set_style(style("{spinner} {prefix}  {msg}"));
        self.bar.set_prefix(format!("fitting {name}"));
        // The bar starts a thread for it.
        if self.is_drawn() && threads::can_start(1).is_ok() {
            self.bar.enable_steady_tick(Duration::from_millis(100));
        }
        tracing::info!("fitting {name}");
    }

    fn epoch(&self, model: &str, step: usize, of: usize, held_out_nats: f64) {
        let text = || format!("{model}: {step}/{of}, held-out loss {held_out_nats:.4} nats");
        if self.is_drawn() {
            self.bar.set_message(text());
        }
        self.log_line("steps", step as u64, Some(of as u64), text);
    }

    fn rows(&self, pass: &str, rows: u64, of: u64) {
        if rows == of || self.bar.length() != Some(of) || self.bar.position() > rows {
            self.bar.set_style(style(
                "{spinner} {prefix}  {msg} {wide_bar} {human_pos}/{human_len} rows  {eta} left",
            ));
            self.bar.set_length(of);
            self.bar.reset_eta();
        }
        self.bar.set_position(rows);
        if self.is_drawn() {
            self.bar.set_message(pass.to_owned());
        }
        self.log_line("rows", rows, Some(of), || {
            line(format!("{pass}: {rows} of {of} rows"), &[&self.left()])
        });
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
