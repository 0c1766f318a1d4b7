//! The way to a GPU, on the processor: batches through memory of the engine's own and
//! bound inputs must give what views of the batch give, bit for bit.

use lsmi_etl::bundle::Bundle;
use lsmi_etl::engine::{BatchInputs, BatchOutputs, Device, Engine, EngineChoice, EngineOptions};

use crate::harness::{bundle, runtime};

#[test]
fn bound_memory_gives_the_same_numbers() {
    let library = Some(runtime().join("cpu"));
    let options = EngineOptions { engine: EngineChoice::OnnxRuntime, library, ..EngineOptions::default() };
    let engine = Engine::find(&options).unwrap();
    assert_eq!(engine.device(), Device::Cpu);
    let opened = Bundle::open(&bundle()).unwrap();
    let program = opened.program();
    let [d1, d2] = opened.dims()[..] else { panic!("two modalities") };
    let mut plain = engine.sessions(&program, 1).unwrap();
    let mut staged = engine.staged_sessions(&program, 2).unwrap();
    assert_eq!((plain.len(), staged.len()), (1, 2));

    let (mut expected, mut found) = (BatchOutputs::new(2), BatchOutputs::new(2));
    // As row groups end: whole batches, a shorter one, whole ones again.
    for (round, rows) in [64, 64, 7, 64, 1, 200, 200, 64].into_iter().enumerate() {
        let values = |count: usize, step: usize| -> Vec<f32> {
            (0..count).map(|i| ((i * step + round * 11) % 29) as f32 / 14.0 - 1.0).collect()
        };
        let (x1, x2) = (values(rows * d1, 3), values(rows * d2, 5));
        let y: Vec<i64> = (0..rows).map(|row| ((row + round) % program.classes) as i64).collect();
        let batch = BatchInputs { rows, x: &[&x1, &x2], y: &y };
        plain[0].evaluate(&batch, &mut expected).unwrap();
        assert!(expected.h()[0].iter().all(|h| h.is_finite()));
        for session in &mut staged {
            session.evaluate(&batch, &mut found).unwrap();
            assert_eq!(found.h(), expected.h(), "round {round}");
            assert_eq!(found.log_prob(), expected.log_prob(), "round {round}");
        }
    }
    // A batch that does not have the bundle's shape is refused, and the session lives on.
    let (x1, x2) = (vec![0.0; d1], vec![0.0; d2]);
    let wrong = BatchInputs { rows: 2, x: &[&x1, &x2], y: &[0, 0] };
    assert_eq!(staged[0].evaluate(&wrong, &mut found).unwrap_err().exit_code(), 70);
    let right = BatchInputs { rows: 1, x: &[&x1, &x2], y: &[0] };
    plain[0].evaluate(&right, &mut expected).unwrap();
    staged[0].evaluate(&right, &mut found).unwrap();
    assert_eq!(found.h(), expected.h());
}
