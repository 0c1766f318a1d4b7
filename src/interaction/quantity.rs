//! The quantities that can be computed as columns: names, descriptions, dataset shift. Names depend on
//! the number M of modalities: of two, i and h are i1, i12, h1; of more, i_1, i_13, h_13.

use std::borrow::Cow;

use super::lattice::{Antichain, Lattice, Subset};

/// A quantity that can be computed as a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Redundancy: the atom of the lattice's bottom.
    R,
    /// Uniqueness of the modality of this index from 0: the atom of the node that is its set alone.
    U(u8),
    /// Synergy: the atom of the lattice's top.
    S,
    /// The atom of a node, by its position among [`Lattice::nodes`].
    Atom(u8),
    /// A part of the decomposition of two of more modalities on their own.
    Pair(Subset, PairPart),
    /// Pointwise mutual information of a set of modalities and y.
    I(Subset),
    /// Specificity of a set of modalities.
    H(Subset),
    /// The prior of the row's label.
    Prior,
    /// The probability of the row's label given a set of modalities.
    Posterior(Subset),
    /// The class that is most probable given all modalities, by its place among the bundle's classes.
    TopClass,
    /// The probability of that class.
    TopProbability,
    /// The fold whose models, which have not seen the row, evaluated it.
    Fold,
    /// Entropy of the label given all modalities: a column of rows whose labels are not read.
    LabelEntropy,
    /// The number of modalities that the row lacks.
    Missing,
}

/// A part of the decomposition of a pair of modalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairPart {
    /// Redundancy of the two.
    R,
    /// Uniqueness of the one of this index from 0.
    U(u8),
    /// Synergy of the two.
    S,
}

/// The names of the uniqueness of each modality.
const UNIQUE: [&str; Lattice::MODALITIES] = ["u1", "u2", "u3", "u4"];

impl Quantity {
    /// The names of the default columns of as many modalities as there may be; fewer have some of them.
    pub const DEFAULT_NAMES: [&str; Lattice::MODALITIES + 2] = ["r", "u1", "u2", "u3", "u4", "s"];

    /// The columns that are always added, in their order: r, u1 … uM, s.
    pub fn defaults(modalities: usize) -> Vec<Self> {
        let unique = (0..modalities).filter_map(|index| u8::try_from(index).ok()).map(Self::U);
        std::iter::once(Self::R).chain(unique).chain([Self::S]).collect()
    }

    /// The atoms of all nodes of the lattice, the most redundant first.
    pub fn atoms(modalities: usize) -> Vec<Self> {
        let nodes = Lattice::of(modalities).map(Lattice::nodes).unwrap_or_default();
        (0..nodes.len()).filter_map(|node| u8::try_from(node).ok()).map(Self::Atom).collect()
    }

    /// The parts of all pairs of more than two modalities, pair by pair: r, the two u, s.
    pub fn pairs(modalities: usize) -> Vec<Self> {
        let pairs = Subset::all(modalities).into_iter().filter(|set| modalities > 2 && set.len() == 2);
        let parts = |pair: Subset| {
            let unique = pair.members().filter_map(|index| u8::try_from(index).ok()).map(PairPart::U);
            let parts: Vec<_> = std::iter::once(PairPart::R).chain(unique).chain([PairPart::S]).collect();
            parts.into_iter().map(move |part| Self::Pair(pair, part))
        };
        pairs.flat_map(parts).collect()
    }

    /// The columns that are added on request, beside [`Quantity::atoms`] and [`Quantity::pairs`].
    pub fn extras(modalities: usize) -> Vec<Self> {
        let information = Subset::all(modalities).into_iter().map(Self::I);
        let specificity = Subset::proper(modalities).into_iter().map(Self::H);
        let posterior = Subset::all(modalities).into_iter().map(Self::Posterior);
        information
            .chain(specificity)
            .chain([Self::Prior])
            .chain(posterior)
            .chain([Self::TopClass, Self::TopProbability, Self::Fold])
            .collect()
    }

    /// The node whose atom it is.
    pub fn node(self, modalities: usize) -> Option<&'static Antichain> {
        let nodes = Lattice::of(modalities).ok()?.nodes();
        match self {
            Self::R => nodes.first(),
            Self::S => nodes.last(),
            Self::U(index) => {
                let set = Subset::new([usize::from(index)])?;
                nodes.iter().find(|node| node.single() == Some(set))
            }
            Self::Atom(node) => nodes.get(usize::from(node)),
            _ => None,
        }
    }

    /// The name of the column.
    pub fn name(self, modalities: usize) -> Cow<'static, str> {
        let between = if modalities > 2 { "_" } else { "" };
        match self {
            Self::R => "r".into(),
            Self::U(index) => UNIQUE.get(usize::from(index)).copied().unwrap_or("u").into(),
            Self::S => "s".into(),
            Self::Atom(_) => match self.node(modalities) {
                Some(node) => format!("a_{node}").into(),
                None => "a".into(),
            },
            Self::Pair(pair, PairPart::R) => format!("r_{pair}").into(),
            Self::Pair(pair, PairPart::U(index)) => format!("u{}_{pair}", u16::from(index) + 1).into(),
            Self::Pair(pair, PairPart::S) => format!("s_{pair}").into(),
            Self::I(set) => format!("i{between}{set}").into(),
            Self::H(set) => format!("h{between}{set}").into(),
            Self::Prior => "prior_y".into(),
            Self::Posterior(set) => format!("p_y{between}{set}").into(),
            Self::TopClass => "top_class".into(),
            Self::TopProbability => "p_top".into(),
            Self::Fold => "fold".into(),
            Self::LabelEntropy => "label_entropy".into(),
            Self::Missing => "missing_modalities".into(),
        }
    }

    /// The names of the columns of single modalities: h_1, h_2 and h_3 of [`Quantity::H`] and three.
    pub fn single_names(of: fn(Subset) -> Self, modalities: usize) -> Vec<String> {
        Subset::singles(modalities).map(|set| of(set).name(modalities).into_owned()).collect()
    }

    /// Description of the column, for the metadata of its field.
    pub fn description(self, modalities: usize) -> Cow<'static, str> {
        let of_two = modalities == 2;
        let all = Subset::full(modalities).map(embeddings).unwrap_or_default();
        match self {
            Self::R if of_two => "redundancy: information about the label that both modalities hold".into(),
            Self::R => "redundancy: information about the label that every modality holds".into(),
            Self::U(index) if of_two => {
                format!("uniqueness of modality {0}: i{0} - r", u16::from(index) + 1).into()
            }
            Self::U(index) => {
                let m = u16::from(index) + 1;
                format!("uniqueness of modality {m}: information of {{{m}}} that no node below it holds")
                    .into()
            }
            Self::S if of_two => "synergy: information that only the pair holds, i12 - i1 - i2 + r".into(),
            Self::S => "synergy: information that only all modalities together hold".into(),
            Self::Atom(_) => {
                let node = self.node(modalities).map(Antichain::braces).unwrap_or_default();
                format!("atom of {node}: information of this node that no node below it holds").into()
            }
            Self::Pair(pair, part) => {
                let of = embeddings(pair);
                match part {
                    PairPart::R => format!("redundancy of {of} alone: information that both hold").into(),
                    PairPart::U(index) => {
                        format!("uniqueness of x{} beside the other of {of} alone", u16::from(index) + 1)
                            .into()
                    }
                    PairPart::S => {
                        format!("synergy of {of} alone: information that only the two hold").into()
                    }
                }
            }
            Self::I(set) => {
                format!("pointwise mutual information ln p(y|{}) - ln p(y)", embeddings(set)).into()
            }
            Self::H(set) => format!("specificity -ln p({})", embeddings(set)).into(),
            Self::Prior => "prior p(y) of the label, the bundle's share of its class".into(),
            Self::Posterior(set) => format!("probability p(y|{}) of the label", embeddings(set)).into(),
            Self::TopClass => format!("class of the largest p(y|{all})").into(),
            Self::TopProbability => format!("largest p(y|{all}), that of top_class").into(),
            Self::Fold => {
                "fold of a row that was trained on: the models that have not seen it computed its values"
                    .into()
            }
            Self::LabelEntropy => {
                format!("entropy of p(y|{all}), over which the other columns are expectations").into()
            }
            Self::Missing => "number of modalities that the row lacks".into(),
        }
    }

    /// Whether it is a number with a mean; else it is an index or a count.
    pub fn has_moments(self) -> bool {
        !matches!(self, Self::Fold | Self::Missing | Self::TopClass)
    }

    /// The amount that a shift of a dataset of two modalities adds to it. The identities hold before and
    /// after.
    pub fn shifted_by(self, shift_nats: f64) -> f64 {
        match self {
            Self::R | Self::S => shift_nats,
            Self::U(_) => -shift_nats,
            _ => 0.0,
        }
    }
}

/// The embeddings of a set, as in "x1,x3".
fn embeddings(set: Subset) -> String {
    set.members().map(|index| format!("x{}", index + 1)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(quantities: &[Quantity], modalities: usize) -> String {
        quantities.iter().map(|quantity| quantity.name(modalities)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_are_those_of_the_number_of_modalities() {
        assert_eq!(names(&Quantity::defaults(2), 2), "r u1 u2 s");
        assert_eq!(
            names(&Quantity::extras(2), 2),
            "i1 i2 i12 h1 h2 prior_y p_y1 p_y2 p_y12 top_class p_top fold"
        );
        assert_eq!(names(&Quantity::atoms(2), 2), "a_1_2 a_1 a_2 a_12");
        assert_eq!(names(&Quantity::defaults(3), 3), "r u1 u2 u3 s");
        assert_eq!(
            names(&Quantity::extras(3), 3),
            "i_1 i_2 i_3 i_12 i_13 i_23 i_123 h_1 h_2 h_3 h_12 h_13 h_23 prior_y p_y_1 p_y_2 p_y_3 p_y_12 p_y_13 p_y_23 \
             p_y_123 top_class p_top fold"
        );
        let atoms = Quantity::atoms(3);
        assert_eq!((atoms.len(), Quantity::atoms(4).len()), (18, 166));
        assert_eq!(
            names(&Quantity::pairs(3), 3),
            "r_12 u1_12 u2_12 s_12 r_13 u1_13 u3_13 s_13 r_23 u2_23 u3_23 s_23"
        );
        assert_eq!((Quantity::pairs(2).len(), Quantity::pairs(4).len()), (0, 24));
        assert_eq!(names(&[atoms[0], atoms[17]], 3), "a_1_2_3 a_123");
        assert_eq!(Quantity::single_names(Quantity::H, 2), ["h1", "h2"]);
        assert_eq!(Quantity::single_names(Quantity::I, 3), ["i_1", "i_2", "i_3"]);
        assert_eq!(Quantity::R.node(3), atoms[0].node(3));
        assert_eq!(Quantity::U(1).node(3).unwrap().to_string(), "2");
    }

    #[test]
    fn descriptions_say_what_two_and_more_modalities_are() {
        let of = |quantity: Quantity, modalities| quantity.description(modalities).into_owned();
        assert_eq!(of(Quantity::U(1), 2), "uniqueness of modality 2: i2 - r");
        assert_eq!(of(Quantity::extras(2)[2], 2), "pointwise mutual information ln p(y|x1,x2) - ln p(y)");
        assert_eq!(of(Quantity::extras(3)[11], 3), "specificity -ln p(x1,x3)");
        assert!(of(Quantity::Atom(17), 3).starts_with("atom of {123}:"));
    }
}
