//! Independent random streams: one per use, so that concurrent trainings give results that do
//! not depend on their order.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::interaction::Subset;

/// The use of a random stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RandomStream {
    /// The split of the rows.
    Split,
    /// The initialisation of the density of some modalities.
    Density(Subset),
    /// Initial weights and shuffles of a classifier's network at its j-th weight decay.
    Network(Subset, usize),
    /// The sample of training rows.
    Sample,
    /// The initialisation of the density of some modalities in fold f.
    FoldDensity(Subset, usize),
    /// The split of a fold's training rows for early stopping.
    Inner(usize),
    /// The start of a classifier's discriminant analysis of R centres in fold f.
    Discriminant(Subset, usize, usize),
    /// Initial weights and shuffles of a classifier's network in fold f.
    FoldNetwork(Subset, usize),
    /// The groups of a resample.
    Bootstrap(usize),
    /// The parts of the rows of a power curve.
    PowerCurve,
    /// The order of the rows on disk in an epoch.
    Pools(usize),
    /// The order of a pool's rows for one of the learners, of which there are at most 600.
    Pool { epoch: usize, pool: usize, learner: usize },
}

/// The first stream of sets of modalities that two modalities do not have.
const MORE_MODALITIES: u64 = 1 << 36;

/// The number of the stream of a set of modalities, for a use whose first number is `first` and which has
/// `count` streams for each set. The sets of the first two modalities lie beside each other, others in a
/// range of their own: a set has its stream whatever the number of modalities.
fn of_set(modalities: Subset, first: u64, count: u64) -> u64 {
    let place = modalities.index(Subset::MODALITIES) as u64;
    if modalities.members().all(|index| index < 2) {
        first + count * modalities.index(2) as u64
    } else {
        MORE_MODALITIES + (place << 24) + first
    }
}

/// The generator of a stream for a seed.
pub(crate) fn random_stream(seed: u64, stream: RandomStream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream.number());
    rng
}

impl RandomStream {
    /// Another number for every stream.
    fn number(self) -> u64 {
        match self {
            RandomStream::Split => 0,
            RandomStream::Density(modalities) => of_set(modalities, 1, 1),
            RandomStream::Network(modalities, decay) => of_set(modalities, 1000, 100) + decay as u64,
            RandomStream::Sample => 2000,
            RandomStream::FoldDensity(modalities, fold) => of_set(modalities, 5_000, 1000) + fold as u64,
            RandomStream::Inner(fold) => 10_000 + fold as u64,
            RandomStream::FoldNetwork(modalities, fold) => of_set(modalities, 20_000, 1000) + fold as u64,
            RandomStream::Discriminant(modalities, fold, centres) => {
                of_set(modalities, 1_000_000, 100_000) + 100 * fold as u64 + centres as u64
            }
            RandomStream::PowerCurve => 2001,
            RandomStream::Bootstrap(resample) => 500_000 + resample as u64,
            RandomStream::Pools(epoch) => 30_000 + epoch as u64,
            RandomStream::Pool { epoch, pool, learner } => {
                let (batch, learner) = (learner as u64 >> 8, learner as u64 & 0xff);
                (1 << 40) + (batch << 58) + ((epoch as u64) << 50) + ((pool as u64) << 8) + learner
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sets_of_modalities_have_streams_of_their_own() {
        let mut numbers = HashSet::new();
        let mut add = |stream: RandomStream| assert!(numbers.insert(stream.number()), "{stream:?}");
        let of_all = [RandomStream::Split, RandomStream::Sample, RandomStream::PowerCurve];
        of_all.into_iter().for_each(&mut add);
        (0..20).map(RandomStream::Inner).chain((0..200).map(RandomStream::Bootstrap)).for_each(&mut add);
        (0..9).map(RandomStream::Pools).for_each(&mut add);
        for set in Subset::all(Subset::MODALITIES) {
            add(RandomStream::Density(set));
            (0..9).for_each(|decay| add(RandomStream::Network(set, decay)));
            for fold in 0..20 {
                add(RandomStream::FoldDensity(set, fold));
                add(RandomStream::FoldNetwork(set, fold));
                (1..9).for_each(|centres| add(RandomStream::Discriminant(set, fold, centres)));
            }
        }
        for (epoch, pool, learner) in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 255), (0, 0, 256), (1, 2, 599)]
        {
            add(RandomStream::Pool { epoch, pool, learner });
        }
    }
}
