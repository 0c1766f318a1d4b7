//! Starting of threads. A limit of processes (`ulimit -u`, a pids cgroup) makes a start fail, which
//! std, tokio and rayon answer with a panic; here it is an error.

use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use tokio::runtime::{self, Runtime};

use crate::error::{Error, Result};

/// Starts a thread of a scope.
///
/// # Errors
/// [`Error::NoThread`].
pub fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).map_err(Error::NoThread)
}

/// Starts a thread that nobody joins.
///
/// # Errors
/// [`Error::NoThread`].
pub fn spawn_detached(work: impl FnOnce() + Send + 'static) -> Result<()> {
    Builder::new().spawn(work).map(drop).map_err(Error::NoThread)
}

/// Stack of a runtime's threads, which evaluate deep expressions. Memory is taken as it is used.
const STACK_BYTES: usize = 16 << 20;

/// Memory for each of these threads beside its stack, for what it allocates until all have started.
const ROOM_BYTES: usize = 8 << 20;

/// A runtime with all drivers and this many workers, as many as there are cores by default.
///
/// # Errors
/// [`Error::NoThread`].
pub fn runtime(workers: Option<usize>, name: &str) -> Result<Runtime> {
    let workers = workers.unwrap_or_else(available);
    can_start_with(workers, STACK_BYTES + ROOM_BYTES)?;
    let mut builder = runtime::Builder::new_multi_thread();
    builder.worker_threads(workers).thread_name(name).thread_stack_size(STACK_BYTES).enable_all();
    // Another process may have taken the last threads since the probe.
    let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
    built.unwrap_or_else(|_| Err(would_block())).map_err(Error::NoThread)
}

/// Runs work on a stack that is large enough for it, where that of the thread (`ulimit -s`) is not.
pub fn with_enough_stack<T>(work: impl FnOnce() -> T) -> T {
    const ENOUGH_BYTES: usize = 1 << 20;
    stacker::maybe_grow(ENOUGH_BYTES, STACK_BYTES, work)
}

/// A value that each process makes for itself: threads, and what waits for them, do not survive a fork.
#[derive(Debug)]
pub struct PerProcess<T: 'static>(Mutex<Option<(u32, &'static T)>>);

impl<T> PerProcess<T> {
    /// No value yet.
    #[expect(clippy::new_without_default, reason = "a default is not const")]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The value of this process, which lives as long as that.
    pub fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        match *made {
            Some((owner, value)) if owner == process => value,
            _ => made.insert((process, Box::leak(Box::new(make())))).1,
        }
    }
}

/// Starts the pool of rayon, as large as there are cores. Without it, rayon starts its pool at the first
/// use.
///
/// # Errors
/// [`Error::NoThread`].
pub fn start_pool() -> Result<()> {
    can_start(available())?;
    match rayon::ThreadPoolBuilder::new().build_global() {
        // Another thread or process may have taken the last threads since the probe.
        Err(failed) if failed.source().is_some() => Err(Error::NoThread(would_block())),
        // The other error is that the pool has started already.
        _ => Ok(()),
    }
}

/// Whether the message of a panic says that a thread could not be started.
pub fn is_start_panic(message: &str) -> bool {
    const STARTS: [&str; 4] = [
        "OS can't spawn",
        "failed to spawn thread",
        "mmap failed to allocate stack",
        "global thread pool has not been initialized",
    ];
    STARTS.iter().any(|text| message.contains(text))
}

/// Starts this many threads at once, and ends them: for what starts its threads itself.
///
/// # Errors
/// [`Error::NoThread`]; [`Error::Usage`] of more than any machine can use.
pub fn can_start(threads: usize) -> Result<()> {
    can_start_with(threads, PROBED_STACK_BYTES)
}

/// The kernel has a limit of mappings, beyond which a thread that starts aborts the process.
const MOST_THREADS: usize = 4096;

/// The default of the standard library.
const PROBED_STACK_BYTES: usize = 2 << 20;

/// As [`can_start`], with stacks of this size. Where tokio starts some of its threads only, it waits for these forever.
fn can_start_with(threads: usize, stack_bytes: usize) -> Result<()> {
    if threads > MOST_THREADS {
        let what =
            format!("{threads} threads are too many; give at most {MOST_THREADS} --workers or --threads");
        return Err(Error::Usage(what));
    }
    let gate = RwLock::new(());
    std::thread::scope(|scope| {
        // All wait at the gate, so that all live at once.
        let closed = gate.write();
        let start = |_| {
            let builder = Builder::new().stack_size(stack_bytes);
            let wait = || {
                // The allocator reserves its memory for a thread at the first allocation, as the runtime's will.
                std::hint::black_box(Box::new(0_u8));
                drop(gate.read());
            };
            builder.spawn_scoped(scope, wait).map_err(Error::NoThread)
        };
        let started: Result<Vec<_>> = (0..threads).map(start).collect();
        drop(closed);
        started.map(drop)
    })
}

/// Cores that this process may use.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn would_block() -> std::io::Error {
    std::io::ErrorKind::WouldBlock.into()
}
