//! Loops in the widest vectors of the processor.

use pulp::{Arch, NullaryFnOnce};

/// Runs a kernel compiled for the processor's vector instructions (AVX2 where it has them). The kernel has to
/// be a closure marked `#[inline(always)]`, and so what it calls.
#[inline(always)]
pub fn vectorised<R>(kernel: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Kernel(kernel))
}

/// A kernel, called by reference. A closure that is called as `FnOnce` is called by a function which the
/// compiler adds, and which has neither its attributes nor the instructions of its caller.
struct Kernel<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Kernel<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
