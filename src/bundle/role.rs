//! The roles of models in a bundle: the densities and classifiers of sets of modalities.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::interaction::Subset;

/// What a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// −ln p(x).
    Density,
    /// ln p(y|x), or its logits.
    Classifier,
}

/// A model's role: what it computes, and of which modalities. Densities come first, each kind in the
/// order of the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Role {
    kind: ModelKind,
    modalities: Subset,
}

impl Role {
    /// −ln p(x_A) of a set A of modalities.
    pub fn density(modalities: Subset) -> Self {
        Self { kind: ModelKind::Density, modalities }
    }

    /// ln p(y|x_A) of a set A of modalities.
    pub fn classifier(modalities: Subset) -> Self {
        Self { kind: ModelKind::Classifier, modalities }
    }

    /// The roles that M modalities need, in the order of a bundle's files and of an evaluation's outputs:
    /// the densities of all sets but the full one, whose density cancels, and the classifiers of all sets.
    pub fn all(modalities: usize) -> Vec<Self> {
        let densities = Subset::proper(modalities).into_iter().map(Self::density);
        densities.chain(Subset::all(modalities).into_iter().map(Self::classifier)).collect()
    }

    /// The place among [`Role::all`].
    pub fn index(self, modalities: usize) -> usize {
        match self.kind {
            ModelKind::Density => self.modalities.index(modalities),
            ModelKind::Classifier => Subset::proper(modalities).len() + self.modalities.index(modalities),
        }
    }

    /// The modalities that it reads.
    pub fn modalities(self) -> Subset {
        self.modalities
    }

    /// Density or classifier.
    pub fn kind(self) -> ModelKind {
        self.kind
    }

    /// The model's file in a bundle: a main model's, or that of a fold.
    pub fn file_name(self, fold: Option<usize>) -> String {
        match fold {
            None => format!("{self}.onnx"),
            Some(fold) => format!("fold_{fold}.{self}.onnx"),
        }
    }

    /// Whether it is a density; else it is a classifier.
    pub fn is_density(self) -> bool {
        self.kind == ModelKind::Density
    }
}

/// The model's name, and the stem of its file: `density_1`, `classifier_12`.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_density() { "density" } else { "classifier" };
        write!(f, "{kind}_{}", self.modalities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_those_that_the_modalities_need_in_order() {
        let names = |modalities| Role::all(modalities).iter().map(Role::to_string).collect::<Vec<_>>();
        assert_eq!(names(2), ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"]);
        assert_eq!(
            names(3).join(" "),
            "density_1 density_2 density_3 density_12 density_13 density_23 classifier_1 classifier_2 \
             classifier_3 classifier_12 classifier_13 classifier_23 classifier_123"
        );
        for modalities in 2..=4 {
            let all = Role::all(modalities);
            assert!(all.is_sorted());
            assert!(all.iter().enumerate().all(|(place, role)| role.index(modalities) == place));
        }
        assert_eq!(Role::all(3)[0].file_name(Some(2)), "fold_2.density_1.onnx");
    }
}
