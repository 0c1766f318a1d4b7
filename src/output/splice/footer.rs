//! Where the footer goes. The crate's writer takes its offsets from the bytes that it has
//! counted, but most of a file's have not passed through it.

use std::io::{self, Write};

use parquet::file::writer::TrackedWrite;

use crate::storage::block_writer::BlockWriter;

/// Takes no notice of what is there already.
pub(super) struct Behind {
    out: BlockWriter,
    left: u64,
}

impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return self.out.write(bytes);
        }
        let passed = self.left.min(bytes.len() as u64);
        self.left -= passed;
        Ok(passed as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A writer that has counted all that `out` has taken.
pub(super) fn begin(out: BlockWriter) -> io::Result<TrackedWrite<Behind>> {
    let mut left = out.position();
    let mut tracked = TrackedWrite::new(Behind { out, left });
    let uncounted = vec![0; 1 << 20];
    while left > 0 {
        let most = left.min(uncounted.len() as u64);
        tracked.write_all(uncounted.get(..most as usize).unwrap_or_default())?;
        left -= most;
    }
    tracked.flush()?;
    Ok(tracked)
}
