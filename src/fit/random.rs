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
    /// The initialisation of modality m's density in fold f.
    FoldDensity(usize, usize),
    /// The split of a fold's training rows for early stopping.
    Inner(usize),
    /// The start of classifier i's discriminant analysis of R centres in fold f.
    Discriminant(usize, usize, usize),
    /// Initial weights and shuffles of classifier i's network in fold f.
    FoldNetwork(usize, usize),
    /// The groups of a resample.
    Bootstrap(usize),
    /// The parts of the rows of a power curve.
    PowerCurve,
    /// The order of the rows on disk in an epoch.
    Pools(usize),
    /// The order of a pool's rows for one of the learners, of which there are at most 120.
    Pool { epoch: usize, pool: usize, learner: usize },
}

/// The generator of a stream for a seed.
pub(crate) fn random_stream(seed: u64, stream: RandomStream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(match stream {
        RandomStream::Split => 0,
        RandomStream::Density(modality) => 1 + modality as u64,
        RandomStream::Network(classifier, decay) => 1000 + 100 * classifier as u64 + decay as u64,
        RandomStream::Sample => 2000,
        RandomStream::FoldDensity(modality, fold) => 5_000 + 1000 * modality as u64 + fold as u64,
        RandomStream::Inner(fold) => 10_000 + fold as u64,
        RandomStream::FoldNetwork(classifier, fold) => 20_000 + 1000 * classifier as u64 + fold as u64,
        RandomStream::Discriminant(classifier, fold, centres) => {
            1_000_000 + 100_000 * classifier as u64 + 100 * fold as u64 + centres as u64
        }
        RandomStream::PowerCurve => 2001,
        RandomStream::Bootstrap(resample) => 500_000 + resample as u64,
        RandomStream::Pools(epoch) => 30_000 + epoch as u64,
        RandomStream::Pool { epoch, pool, learner } => {
            (1 << 40) + ((epoch as u64) << 50) + ((pool as u64) << 8) + learner as u64
        }
    });
    rng
}
