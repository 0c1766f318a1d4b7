//! The affine map of a product, laid out for a kernel.

/// The instructions of a kernel. Exists only where the processor has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instructions(Set);

/// A set of instructions that there is a kernel for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Avx512,
    Avx2,
}

impl Instructions {
    /// The widest that the processor has; `None` where there is no kernel for it.
    pub(super) fn detect() -> Option<Self> {
        Self::all().into_iter().next()
    }

    /// All that the processor has, the widest first.
    pub(super) fn all() -> Vec<Self> {
        let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let sets = [(is_x86_feature_detected!("avx512f"), Set::Avx512), (has_avx2, Set::Avx2)];
        sets.into_iter().filter(|(has, _)| *has).map(|(_, set)| Self(set)).collect()
    }

    /// The set.
    pub(super) fn set(self) -> Set {
        self.0
    }

    /// Outputs per tile, descending: as many as the registers hold beside the vectors read.
    fn tiles(self) -> [usize; 3] {
        match self.0 {
            Set::Avx512 => [8, 4, 2],
            Set::Avx2 => [6, 4, 2],
        }
    }

    /// Columns per vector.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            Set::Avx512 => 16,
            Set::Avx2 => 8,
        }
    }
}

/// The affine map of a product, in the order in which a kernel reads it.
pub(super) struct AffineMap {
    pub(super) instructions: Instructions,
    /// Values per column of the input that the map reads.
    pub(super) inputs: usize,
    pub(super) tiles: Vec<Tile>,
    /// The weights `[inputs, size]` and the bias `[size]` of tile after tile.
    pub(super) weights: Vec<f32>,
    pub(super) finish: Finish,
}

/// What becomes of the values of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// They are the output.
    Values,
    /// Negative ones become zero.
    Relu,
    /// They are of so many components, one after the other; the output is the sum of squares of each.
    SquaredNorms(usize),
}

/// Outputs that a kernel computes at once.
pub(super) struct Tile {
    /// Weights per input: the outputs, and zeros up to the next size of a tile.
    pub(super) size: usize,
    /// Number of outputs.
    pub(super) outputs: usize,
    /// The first row of the output that it contributes to.
    pub(super) row: usize,
}

impl AffineMap {
    /// A map whose weight of an input and an output is `weight(input, output)`.
    pub(super) fn new(
        instructions: Instructions,
        inputs: usize,
        bias: &[f32],
        weight: impl Fn(usize, usize) -> f32,
        finish: Finish,
    ) -> Self {
        let components = if let Finish::SquaredNorms(components) = finish { components.max(1) } else { 1 };
        let height = bias.len() / components;
        let mut map = Self { instructions, inputs, tiles: vec![], weights: vec![], finish };
        for component in 0..components {
            let mut start = 0;
            while start < height {
                let left = height - start;
                // One output of zeros is cheaper than a smaller tile.
                let size = instructions.tiles().into_iter().find(|&size| size <= left + 1).unwrap_or(2);
                let outputs = size.min(left);
                let first = component * height + start;
                let row = if let Finish::SquaredNorms(_) = finish { component } else { first };
                let zeros = std::iter::repeat_n(0.0, size - outputs);
                for input in 0..inputs {
                    map.weights.extend((first..first + outputs).map(|output| weight(input, output)));
                    map.weights.extend(zeros.clone());
                }
                map.weights.extend_from_slice(&bias[first..first + outputs]);
                map.weights.extend(zeros);
                map.tiles.push(Tile { size, outputs, row });
                start += outputs;
            }
        }
        map
    }

    /// Rows of the output.
    pub(super) fn rows(&self) -> usize {
        match self.finish {
            Finish::SquaredNorms(components) => components,
            _ => self.tiles.iter().map(|tile| tile.outputs).sum(),
        }
    }
}
