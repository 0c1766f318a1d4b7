//! The quantities that can be computed as columns: names, descriptions, dataset shift.

use std::str::FromStr;

/// A quantity that can be computed as a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Redundancy.
    R,
    /// Uniqueness of x1.
    U1,
    /// Uniqueness of x2.
    U2,
    /// Synergy.
    S,
    /// Pointwise mutual information of x1 and y.
    I1,
    /// Pointwise mutual information of x2 and y.
    I2,
    /// Pointwise mutual information of (x1, x2) and y.
    I12,
    /// Specificity of x1.
    H1,
    /// Specificity of x2.
    H2,
    /// The class prior.
    PY,
    /// The fold whose models, which have not seen the row, evaluated it.
    Fold,
    /// Entropy of the label given both modalities: a column of rows whose labels are not read.
    LabelEntropy,
}

impl Quantity {
    /// The four columns that are always added, in their order.
    pub const PARTS: [Self; 4] = [Self::R, Self::U1, Self::U2, Self::S];
    /// The columns that are added on request.
    pub const EXTRAS: [Self; 7] = [Self::I1, Self::I2, Self::I12, Self::H1, Self::H2, Self::PY, Self::Fold];

    /// The name of the column.
    pub fn name(self) -> &'static str {
        match self {
            Self::R => "r",
            Self::U1 => "u1",
            Self::U2 => "u2",
            Self::S => "s",
            Self::I1 => "i1",
            Self::I2 => "i2",
            Self::I12 => "i12",
            Self::H1 => "h1",
            Self::H2 => "h2",
            Self::PY => "p_y",
            Self::Fold => "fold",
            Self::LabelEntropy => "label_entropy",
        }
    }

    /// Description of the column, for the metadata of its field.
    pub fn description(self) -> &'static str {
        match self {
            Self::R => "redundancy: information about the label that both modalities hold",
            Self::U1 => "uniqueness of modality 1: i1 - r",
            Self::U2 => "uniqueness of modality 2: i2 - r",
            Self::S => "synergy: information that only the pair holds, i12 - i1 - i2 + r",
            Self::I1 => "pointwise mutual information ln p(y|x1) - ln p(y)",
            Self::I2 => "pointwise mutual information ln p(y|x2) - ln p(y)",
            Self::I12 => "pointwise mutual information ln p(y|x1,x2) - ln p(y)",
            Self::H1 => "specificity -ln p(x1)",
            Self::H2 => "specificity -ln p(x2)",
            Self::PY => "class prior p(y) of the bundle",
            Self::Fold => {
                "fold of a row that was trained on: the models that have not seen it computed its values"
            }
            Self::LabelEntropy => "entropy of p(y|x1,x2), over which the other columns are expectations",
        }
    }

    /// Whether it is a number with a mean; else it is an index.
    pub fn has_moments(self) -> bool {
        self != Self::Fold
    }

    /// The amount that a shift of the dataset adds to it. The identities hold before and
    /// after.
    pub fn shifted_by(self, shift_nats: f64) -> f64 {
        match self {
            Self::R | Self::S => shift_nats,
            Self::U1 | Self::U2 => -shift_nats,
            _ => 0.0,
        }
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quantity {
    type Err = String;

    /// Parses one of [`Quantity::EXTRAS`].
    fn from_str(text: &str) -> Result<Self, String> {
        Self::EXTRAS
            .into_iter()
            .find(|c| c.name() == text)
            .ok_or_else(|| format!("expected one of {}", Self::EXTRAS.map(Self::name).join(", ")))
    }
}
