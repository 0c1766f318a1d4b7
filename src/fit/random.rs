//! Streams of random numbers: one for each use of chance, so that trainings which run side
//! by side do not depend on each other's order.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for. Every use of chance has a stream of its
/// own, so that trainings which run side by side don't depend on each other's order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Chance {
    /// Splitting rows.
    Split,
    /// The start of modality m's density.
    Density(usize),
    /// Initial weights and shuffles of classifier i's network at its j-th weight decay.
    Network(usize, usize),
    /// Drawing the rows to train on.
    Sample,
}

/// The generator of one stream under a seed.
pub(crate) fn chance(seed: u64, stream: Chance) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        Chance::Split => 0,
        Chance::Density(modality) => 1 + modality as u64,
        Chance::Network(classifier, decay) => 1000 + 100 * classifier as u64 + decay as u64,
        Chance::Sample => 2000,
    });
    rng
}
