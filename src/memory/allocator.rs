//! The system's allocator with a limit on what large allocations take together. Functions of SQL, and
//! decoders, ask for as much as their arguments say, and the standard library aborts the process where an
//! allocation fails; on most machines none does, and the kernel ends it later. A limit ends it with a
//! message and an exit code before the memory is taken, and an allocation that fails does so, too.
//!
//! The binary installs it; a program that links the library keeps its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::low_level;

/// Smaller allocations are not counted: those that fill the memory at once are large, and a counter
/// that all threads share is not free.
const LARGE_BYTES: usize = 64 << 10;

/// No machine has so much memory: such a size is read from a damaged file.
const IMPOSSIBLE_BYTES: usize = 1 << 42;

/// Exit codes: of a query that needs more than its limit, of bad data, and of what may work later.
const USAGE: i32 = 64;
const BAD_DATA: i32 = 65;
const TRANSIENT: i32 = 75;

static IN_USE_BYTES: AtomicUsize = AtomicUsize::new(0);
static LIMIT_BYTES: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator; see [`limit_allocations`].
#[derive(Debug)]
pub struct LimitedAllocator;

/// The limit, until it is dropped.
#[derive(Debug)]
pub struct AllocationLimit(());

/// Limits the large allocations of the process to so many bytes beyond those that it has. One that does
/// not fit ends the process with exit code 64 and says that `--memory-limit` is too low. A later limit
/// takes the place of this one.
pub fn limit_allocations(more_bytes: usize) -> AllocationLimit {
    let in_use = IN_USE_BYTES.load(Ordering::Relaxed);
    LIMIT_BYTES.store(in_use.saturating_add(more_bytes), Ordering::Relaxed);
    AllocationLimit(())
}

impl Drop for AllocationLimit {
    fn drop(&mut self) {
        LIMIT_BYTES.store(usize::MAX, Ordering::Relaxed);
    }
}

fn counted(bytes: usize) -> usize {
    if bytes < LARGE_BYTES { 0 } else { bytes }
}

fn take(bytes: usize) {
    if bytes == 0 {
        return;
    }
    let in_use = IN_USE_BYTES.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
    if in_use > LIMIT_BYTES.load(Ordering::Relaxed) {
        end(bytes, in_use - bytes);
    }
}

fn give_back(bytes: usize) {
    if bytes > 0 {
        IN_USE_BYTES.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Ends the process within the limit: an allocator may not unwind, and who asks for memory expects it.
#[cold]
fn end(bytes: usize, in_use: usize) -> ! {
    if bytes >= IMPOSSIBLE_BYTES {
        failed(bytes);
    }
    say(format_args!(
        "the query needs more memory than --memory-limit allows: {} MB at once, beside {} MB in use; raise the \
         limit, or make shorter texts and lists",
        megabytes(bytes),
        megabytes(in_use)
    ));
    low_level::exit(USAGE)
}

/// Ends the process where the system has no memory.
#[cold]
fn failed(bytes: usize) -> ! {
    if bytes >= IMPOSSIBLE_BYTES {
        say(format_args!(
            "a file cannot be decoded: it says that {} MB are to be reserved, most likely because it is damaged; read \
             the files one by one to find it",
            megabytes(bytes)
        ));
        low_level::exit(BAD_DATA)
    }
    say(format_args!(
        "there is no memory for {} MB more; raise the limit of the process (ulimit -v, or that of a container), \
         or give less work at once (--memory-limit, --workers, --threads), and run again",
        megabytes(bytes)
    ));
    low_level::exit(TRANSIENT)
}

fn megabytes(bytes: usize) -> usize {
    bytes.div_ceil(1_000_000)
}

/// Writes an error. Allocates nothing.
fn say(what: fmt::Arguments<'_>) {
    // Nobody may be reading it.
    let _ = writeln!(std::io::stderr(), "ERROR {what}");
}

// SAFETY: every call goes to `System` with the caller's arguments, whose contract is the same; what is
// counted beside it does not touch the memory.
unsafe impl GlobalAlloc for LimitedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let bytes = counted(layout.size());
        take(bytes);
        // SAFETY: see above.
        let memory = unsafe { System.alloc(layout) };
        if memory.is_null() {
            failed(layout.size());
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let bytes = counted(layout.size());
        take(bytes);
        // SAFETY: see above.
        let memory = unsafe { System.alloc_zeroed(layout) };
        if memory.is_null() {
            failed(layout.size());
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        give_back(counted(layout.size()));
        // SAFETY: see above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (old, new) = (counted(layout.size()), counted(new_size));
        take(new.saturating_sub(old));
        // SAFETY: see above.
        let moved = unsafe { System.realloc(memory, layout, new_size) };
        if moved.is_null() {
            failed(new_size);
        }
        give_back(old.saturating_sub(new));
        moved
    }
}
