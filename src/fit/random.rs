//! Independent random streams: one per use, so that concurrent trainings give results that do
//! not depend on their order.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The use of a random stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RandomStream {
    /// The split of the rows.
    Split,
    /// The initialisation of modality m's density.
    Density(usize),
    /// Initial weights and shuffles of classifier i's network at its j-th weight decay.
    Network(usize, usize),
    /// The sample of training rows.
    Sample,
}

/// The generator of a stream for a seed.
pub(crate) fn random_stream(seed: u64, stream: RandomStream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        RandomStream::Split => 0,
        RandomStream::Density(modality) => 1 + modality as u64,
        RandomStream::Network(classifier, decay) => 1000 + 100 * classifier as u64 + decay as u64,
        RandomStream::Sample => 2000,
    });
    rng
}
