//! How often a batch of embeddings is copied on its way to the engine: the bytes that the
//! program itself allocates while it evaluates, counted by its allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float32Array};
use arrow::datatypes::{DataType, Field, Float32Type};
use lsmi_etl::bundle::Bundle;
use lsmi_etl::engine::{BatchInputs, BatchOutputs, Engine, EngineChoice, EngineOptions};
use lsmi_etl::samples::{EmbeddingType, extract};

use crate::harness::{bundle, runtime};

/// The system's allocator, counting for each thread what it asks for.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(size: usize) {
    // A thread that is ending has no counter any more.
    let _ = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + size));
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn allocated(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.get();
    work();
    ALLOCATED.get() - before
}

#[test]
fn onnx_runtime_reads_arrows_buffers_where_they_lie() {
    let options = EngineOptions {
        engine: EngineChoice::OnnxRuntime,
        library: Some(library(runtime())),
        ..EngineOptions::default()
    };
    let engine = Engine::find(&options).unwrap();
    let bundle = Bundle::open(&bundle()).unwrap();
    let mut session = engine.sessions(&bundle.program(), 1).unwrap().remove(0);
    let mut out = BatchOutputs::new(2);

    let rows = 20_000;
    let column = |seed: usize| -> ArrayRef {
        let values: Float32Array = (0..rows * 4).map(|i| ((i * 7 + seed) % 23) as f32 / 8.0 - 1.0).collect();
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        Arc::new(FixedSizeListArray::new(item, 4, Arc::new(values), None))
    };
    let (x1, x2, y) = (column(0), column(1), vec![0; rows]);
    let mut evaluate = || {
        let kind = EmbeddingType::of(x1.data_type()).unwrap();
        let (e1, e2) = (extract(&x1, kind, 4).unwrap(), extract(&x2, kind, 4).unwrap());
        let batch = BatchInputs { rows, x: &[&e1.values, &e2.values], y: &y };
        session.evaluate(&batch, &mut out).unwrap();
        let lies_at = |array: &ArrayRef| {
            array.as_fixed_size_list().values().as_primitive::<Float32Type>().values().as_ptr()
        };
        assert_eq!((e1.values.as_ptr(), e2.values.as_ptr()), (lies_at(&x1), lies_at(&x2)));
    };
    // The first run sizes the buffers for what comes out.
    evaluate();
    let embeddings = 2 * rows * 4 * size_of::<f32>();
    let taken = allocated(evaluate);
    assert!(taken < embeddings / 50, "{taken} bytes were allocated for {embeddings} of embeddings");
    // The counter counts: one copy would have shown.
    assert!(allocated(|| drop(y.clone())) >= rows * 8);
}

/// ONNX Runtime's library in the folder it was installed into.
fn library(folder: &Path) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if name.starts_with("libonnxruntime.") {
                return entry.path();
            }
        }
    }
    panic!("no ONNX Runtime in the folder");
}
