//! A progress line for queries that take long, on a terminal only. It is gone before the rows come.

use std::io::{IsTerminal, stdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::HumanCount;

use crate::sql::{QueryProgress, QueryRows};

use super::progress::{draws_progress, text_line};

/// The time after which a query is a long one.
const LONG: Duration = Duration::from_secs(2);

/// Shows how long a statement takes and how many rows it has come to.
#[derive(Debug)]
pub(super) struct QueryProgressBar {
    /// The statement that is shown; none where there is nothing to show.
    statement: Mutex<Option<Statement>>,
    /// Whether rows leave the terminal free for the line.
    is_to_file: bool,
}

#[derive(Debug)]
struct Statement {
    begun: Instant,
    /// From the time on at which the statement is a long one.
    bar: Option<indicatif::ProgressBar>,
}

impl QueryProgressBar {
    /// The line of queries whose rows go to a file or else to stdout; none where progress is not shown, or
    /// stdout is a pipe: what reads it may draw on the same terminal.
    pub(super) fn on_terminal(is_to_file: bool) -> Option<Arc<dyn QueryProgress>> {
        let is_shown = draws_progress() && (is_to_file || stdout().is_terminal());
        is_shown.then(|| Arc::new(Self { statement: Mutex::new(None), is_to_file }) as Arc<dyn QueryProgress>)
    }

    /// The lock is held while the line is drawn or cleared, so that none is drawn over rows.
    fn statement(&self) -> MutexGuard<'_, Option<Statement>> {
        self.statement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl QueryProgress for QueryProgressBar {
    fn begin(&self) {
        let mut statement = self.statement();
        // The line of the last is cleared first.
        *statement = None;
        *statement = Some(Statement { begun: Instant::now(), bar: None });
    }

    fn advance(&self, rows: QueryRows) {
        let mut statement = self.statement();
        let Some(Statement { begun, bar }) = statement.as_mut() else { return };
        let elapsed = begun.elapsed();
        if elapsed >= LONG {
            let bar = bar.get_or_insert_with(text_line);
            bar.set_message(text(elapsed, rows));
            bar.tick();
        }
    }

    fn output(&self) {
        if !self.is_to_file {
            *self.statement() = None;
        }
    }

    fn end(&self) {
        *self.statement() = None;
    }
}

/// What there is to say, in one line.
fn text(elapsed: Duration, QueryRows { read, of, evaluated }: QueryRows) -> String {
    let seconds = elapsed.as_secs();
    let mut text = match seconds {
        0..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    };
    match of.filter(|of| *of >= read && *of > 0) {
        Some(of) => {
            let share = read as f64 / of as f64 * 100.0;
            let (read, of) = (HumanCount(read), HumanCount(of));
            text.push_str(&format!("  {read} of {of} rows read ({share:.0} %)"));
        }
        None if read > 0 => text.push_str(&format!("  {} rows read", HumanCount(read))),
        None => {}
    }
    if evaluated > 0 {
        text.push_str(&format!(", {} evaluated", HumanCount(evaluated)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let at = |seconds, read, of, evaluated| {
            text(Duration::from_secs(seconds), QueryRows { read, of, evaluated })
        };
        assert_eq!(at(2, 0, None, 0), "2 s");
        assert_eq!(at(61, 1_500, None, 0), "1 min 01 s  1,500 rows read");
        assert_eq!(at(9, 1_500, Some(3_000), 1_000), "9 s  1,500 of 3,000 rows read (50 %), 1,000 evaluated");
        // A file that is read twice has more rows than it says.
        assert_eq!(at(9, 4_000, Some(3_000), 0), "9 s  4,000 rows read");
    }
}
