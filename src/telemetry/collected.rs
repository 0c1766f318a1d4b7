//! Log lines that are kept in memory, for a program that links this library and shows them itself.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::printable::{escape_for_json, redact};

/// Lines that are kept until they are taken; the oldest make way.
const MOST_LINES: usize = 1000;

static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Keeps the log lines of this process, each a JSON object with the level, the message and other fields, as
/// `--log-format json` writes them. `LSMI_ETL_LOG` takes a filter of `tracing`. Where the program has a
/// subscriber of its own, that one gets the events.
pub fn collect_logs() {
    let filter = super::log_filter("warn,lsmi_etl=info");
    let lines = fmt::layer().with_target(false).json().flatten_event(true);
    let lines = lines.with_current_span(false).with_span_list(false).with_writer(|| CollectedLines);
    // Another subscriber is no fault.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

/// Takes the lines since the last call.
pub fn take_log_lines() -> Vec<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}

struct CollectedLines;

impl Write for CollectedLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = escape_for_json(&redact(&text)).into_owned();
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
