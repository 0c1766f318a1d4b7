//! Selection of the parts of a stack by out-of-fold loss: a part that does not lower it beyond doubt
//! is left out, and its cost with it.

use super::inference::combine;
use super::metrics::{losses, mean_and_error};
use super::stack::{Parts, fit_weights};

/// What a part's gain must exceed, in its standard errors and in nats: regression, network and
/// discriminant analysis. The networks of five folds are most of the run-time cost: at one standard
/// error they stay where they change no error of r and s. A regression beside a discriminant analysis
/// costs nothing, as both are one map.
const WORTH: [(f64, f64); 3] = [(0.0, 0.0), (2.0, 0.002), (0.5, 0.0)];
/// The order in which parts are tried without.
const ORDER: [usize; 3] = [1, 2, 0];

/// The stack weights of the parts that are worth their cost; 0 for the others.
pub(crate) fn select(mut parts: Parts<'_>, y: &[u32], classes: usize) -> [f32; 3] {
    let mut betas = fit_weights(parts, y, classes);
    for part in ORDER {
        if parts.iter().filter(|logits| !logits.is_empty()).count() < 2 || parts[part].is_empty() {
            continue;
        }
        let mut without = parts;
        without[part] = &[];
        let others = fit_weights(without, y, classes);
        let (gain, error) = gain((parts, betas), (without, others), y, classes);
        // Not so as to leave out a part whose gain is not a number.
        let (errors, nats) = WORTH[part];
        if gain <= (errors * error).max(nats) {
            (parts, betas) = (without, others);
        }
    }
    betas
}

/// Whether a network may prove to be worth its cost on more rows.
pub(crate) fn network_is_promising(parts: Parts<'_>, y: &[u32], classes: usize) -> bool {
    let [linear, _, discriminant] = parts;
    let without = [linear, &[], discriminant];
    let betas = [parts, without].map(|parts| fit_weights(parts, y, classes));
    let (gain, error) = gain((parts, betas[0]), (without, betas[1]), y, classes);
    let (errors, nats) = WORTH[1];
    gain + error > (errors * error).max(nats)
}

/// Mean and standard error over rows of what the first stack's loss is lower by.
fn gain(
    with: (Parts<'_>, [f32; 3]),
    without: (Parts<'_>, [f32; 3]),
    y: &[u32],
    classes: usize,
) -> (f64, f64) {
    let [with, without] = [with, without].map(|(parts, betas)| combine(betas, parts));
    let gains: Vec<f64> = losses(&without, y, classes)
        .zip(losses(&with, y, classes))
        .map(|(without, with)| without - with)
        .collect();
    mean_and_error(&gains)
}
