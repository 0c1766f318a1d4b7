//! Rows that lack some modality: the columns by the lattice of those that they have.

use std::sync::OnceLock;

use crate::engine::BatchOutputs;
use crate::error::{Error, Result};
use crate::interaction::lattice::{Antichain, AtomPlan, Lattice};
use crate::interaction::{PairPart, Pointwise, Quantity, Subset, decompose};

/// The columns of rows that have a part of the modalities only, by that part.
#[derive(Debug)]
pub(super) struct ReducedColumns {
    modalities: usize,
    columns: Vec<Quantity>,
    /// By the place of the set among all proper ones; made for the first row that has these modalities, as
    /// most runs meet none.
    plans: Vec<OnceLock<Result<ReducedPlan>>>,
}

/// The columns of rows that have the modalities of one set.
#[derive(Debug)]
struct ReducedPlan {
    /// The places of its subsets' classifiers and densities, in the order of its own lattice; the last
    /// classifier is of the set itself, whose density cancels.
    subsets: Vec<usize>,
    atoms: AtomPlan,
    /// Atoms that are finite where a row is good.
    defaults: usize,
    sources: Vec<ReducedSource>,
}

/// Where the value of a column comes from.
#[derive(Debug, Clone, Copy)]
enum ReducedSource {
    /// By its place among the plan's atoms.
    Atom(usize),
    /// By the place of the classifier.
    Information(usize),
    /// By the place of the density.
    Specificity(usize),
    /// By the places of the two modalities and of both.
    Pair([usize; 3], PairPart, [u8; 2]),
    Prior,
    /// By the place of the classifier.
    Posterior(usize),
    /// By the place of the set's classifier.
    LabelEntropy(usize),
    /// By the place of the set's classifier.
    TopClass(usize),
    /// By the place of the set's classifier.
    TopProbability(usize),
    /// The number of modalities that are missing.
    Missing(usize),
    /// Not a column of these modalities.
    None,
    /// Not of the modalities: the value stays as it is.
    Unchanged,
}

/// The values of a row.
pub(super) struct ReducedRow {
    /// One for each column, NaN where these modalities have none; `None` of a column that does not depend
    /// on the modalities.
    pub(super) values: Vec<Option<f32>>,
    /// Whether the atoms that make r, u and s are finite.
    pub(super) is_finite: bool,
}

impl ReducedColumns {
    /// These columns of M modalities.
    pub(super) fn new(columns: &[Quantity], modalities: usize) -> Self {
        let plans = Subset::proper(modalities).into_iter().map(|_| OnceLock::new()).collect();
        Self { modalities, columns: columns.to_vec(), plans }
    }

    /// The values of a row that has the modalities of this set and no others; `None` where it has all.
    ///
    /// # Errors
    /// [`Error::Internal`] for a column that M modalities do not have; as for
    /// [`AtomPlan::decompose`].
    pub(super) fn row(
        &self,
        set: Subset,
        row: usize,
        outputs: &BatchOutputs,
        log_prior: f64,
    ) -> Result<Option<ReducedRow>> {
        let Some(plan) = self.plans.get(set.index(self.modalities)) else { return Ok(None) };
        let plan = plan.get_or_init(|| ReducedPlan::new(&self.columns, set, self.modalities));
        plan.as_ref().map_err(Error::clone)?.row(row, outputs, log_prior).map(Some)
    }
}

impl ReducedPlan {
    fn new(columns: &[Quantity], set: Subset, modalities: usize) -> Result<Self> {
        let members: Vec<usize> = set.members().collect();
        let count = members.len();
        let global =
            |local: Subset| Subset::new(local.members().filter_map(|index| members.get(index).copied()));
        let lattice = Lattice::of(count)?;
        let mut nodes = lattice.default_nodes();
        let defaults = nodes.len();
        let mut place_of = |node: Antichain| {
            let known = nodes.iter().position(|other| *other == node);
            known.unwrap_or_else(|| {
                nodes.push(node);
                nodes.len() - 1
            })
        };
        // Of one modality there is only its own information, which is unique to it.
        let shared = |node: Option<&Antichain>| node.filter(|_| count > 1).cloned();
        let within = |of: Subset| of.is_subset_of(set).then(|| of.index(modalities));
        let sources = columns.iter().map(|column| {
            let node = match column {
                Quantity::R => shared(lattice.nodes().first()),
                Quantity::S => shared(lattice.nodes().last()),
                Quantity::U(_) | Quantity::Atom(_) => {
                    column.node(modalities).and_then(|node| local(node, set, &members))
                }
                _ => None,
            };
            let source = match column {
                Quantity::R | Quantity::S | Quantity::U(_) | Quantity::Atom(_) => {
                    node.map(|node| ReducedSource::Atom(place_of(node)))
                }
                Quantity::I(of) => within(*of).map(ReducedSource::Information),
                Quantity::H(of) => within(*of).map(ReducedSource::Specificity),
                Quantity::Pair(of, part) => pair(*of, *part, set, modalities),
                Quantity::Prior => Some(ReducedSource::Prior),
                Quantity::Posterior(of) => within(*of).map(ReducedSource::Posterior),
                Quantity::LabelEntropy => Some(ReducedSource::LabelEntropy(set.index(modalities))),
                Quantity::TopClass => Some(ReducedSource::TopClass(set.index(modalities))),
                Quantity::TopProbability => Some(ReducedSource::TopProbability(set.index(modalities))),
                Quantity::Missing => Some(ReducedSource::Missing(modalities - count)),
                Quantity::Fold => Some(ReducedSource::Unchanged),
            };
            source.unwrap_or(ReducedSource::None)
        });
        let sources = sources.collect();
        let subsets =
            Subset::all(count).into_iter().filter_map(global).map(|of| of.index(modalities)).collect();
        let atoms = AtomPlan::new(lattice, &nodes)?;
        Ok(Self { subsets, atoms, defaults, sources })
    }

    fn row(&self, row: usize, outputs: &BatchOutputs, log_prior: f64) -> Result<ReducedRow> {
        let value = |of: &[Vec<f32>], place: usize| {
            of.get(place).and_then(|values| values.get(row)).map_or(f64::NAN, |value| f64::from(*value))
        };
        let top = |place: usize| {
            let of_row = |values: &[f32]| values.get(row).map_or(f64::NAN, |value| f64::from(*value));
            outputs.top_class(place).map(of_row)
        };
        let i = |place: usize| value(outputs.log_prob(), place) - log_prior;
        let h = |place: usize| value(outputs.h(), place);
        let all_i: Vec<f64> = self.subsets.iter().map(|place| i(*place)).collect();
        let proper = self.subsets.split_last().map_or(&[][..], |(_, proper)| proper);
        let all_h: Vec<f64> = proper.iter().map(|place| h(*place)).collect();
        let atoms = self.atoms.decompose(&all_i, &all_h)?;
        let is_finite = atoms.iter().take(self.defaults).all(|atom| atom.is_finite());
        let value_of = |source: &ReducedSource| match source {
            ReducedSource::Atom(place) => atoms.get(*place).copied().unwrap_or(f64::NAN),
            ReducedSource::Information(place) => i(*place),
            ReducedSource::Specificity(place) => h(*place),
            ReducedSource::Pair([one, two, both], part, [first, _]) => {
                let (h1, h2) = (h(*one), h(*two));
                let parts = decompose(Pointwise { i1: i(*one), i2: i(*two), i12: i(*both), h1, h2 });
                match part {
                    PairPart::R => parts.r,
                    PairPart::U(index) if index == first => parts.u1,
                    PairPart::U(_) => parts.u2,
                    PairPart::S => parts.s,
                }
            }
            ReducedSource::Prior => log_prior.exp(),
            ReducedSource::Posterior(place) => value(outputs.log_prob(), *place).exp(),
            ReducedSource::LabelEntropy(place) => -value(outputs.log_prob(), *place),
            ReducedSource::TopClass(place) => top(*place)[0],
            ReducedSource::TopProbability(place) => top(*place)[1].exp(),
            ReducedSource::Missing(count) => *count as f64,
            ReducedSource::None | ReducedSource::Unchanged => f64::NAN,
        };
        let is_of_set = |source: &ReducedSource| !matches!(source, ReducedSource::Unchanged);
        let sources = self.sources.iter();
        let values = sources.map(|source| is_of_set(source).then(|| value_of(source) as f32)).collect();
        Ok(ReducedRow { values, is_finite })
    }
}

/// A node of all modalities as one of the set's own lattice, where it is of these.
fn local(node: &Antichain, set: Subset, members: &[usize]) -> Option<Antichain> {
    let place = |index: usize| members.iter().position(|member| *member == index);
    let sets = node.sets().iter().filter(|of| of.is_subset_of(set));
    let sets = sets.filter_map(|of| Subset::new(of.members().filter_map(place)));
    Antichain::new(sets).filter(|found| found.sets().len() == node.sets().len())
}

fn pair(of: Subset, part: PairPart, set: Subset, modalities: usize) -> Option<ReducedSource> {
    let members: Vec<usize> = of.members().filter(|_| of.is_subset_of(set)).collect();
    let &[one, two] = &members[..] else { return None };
    let single = |index| Some(Subset::new([index])?.index(modalities));
    let numbers = [u8::try_from(one).ok()?, u8::try_from(two).ok()?];
    Some(ReducedSource::Pair([single(one)?, single(two)?, of.index(modalities)], part, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Subset {
        text.parse().unwrap()
    }

    /// Outputs of three modalities of one row, all different.
    fn outputs() -> BatchOutputs {
        let mut outputs = BatchOutputs::new(3);
        for (place, values) in outputs.all_mut().iter_mut().enumerate() {
            values.push((place * place % 11) as f32 / 4.0 - 2.5);
        }
        outputs
    }

    #[test]
    fn two_of_three_are_decomposed_as_two() {
        let columns: Vec<Quantity> = Quantity::defaults(3)
            .into_iter()
            .chain(Quantity::atoms(3))
            .chain(Quantity::pairs(3))
            .chain(Quantity::extras(3))
            .collect();
        let reduced = ReducedColumns::new(&columns, 3);
        let outputs = outputs();
        let row = reduced.row(set("13"), 0, &outputs, -1.0).unwrap().unwrap();
        assert!(row.is_finite);
        let value = |name: &str| {
            let place = columns.iter().position(|column| column.name(3) == name).unwrap();
            row.values[place].unwrap()
        };
        let i = |of: &str| f64::from(outputs.log_prob()[set(of).index(3)][0]) + 1.0;
        let h = |of: &str| f64::from(outputs.h()[set(of).index(3)][0]);
        let parts = decompose(Pointwise { i1: i("1"), i2: i("3"), i12: i("13"), h1: h("1"), h2: h("3") });
        for (name, truth) in [
            ("r", parts.r),
            ("u1", parts.u1),
            ("u3", parts.u2),
            ("s", parts.s),
            ("a_1_3", parts.r),
            ("a_1", parts.u1),
            ("a_13", parts.s),
            ("r_13", parts.r),
            ("u3_13", parts.u2),
            ("i_13", i("13")),
            ("h_13", h("13")),
            ("prior_y", (-1.0_f64).exp()),
            ("p_y_13", (i("13") - 1.0).exp()),
        ] {
            assert!((f64::from(value(name)) - truth).abs() < 1e-6, "{name}: {} {truth}", value(name));
        }
        for name in ["u2", "a_2", "a_1_2_3", "a_123", "a_12", "r_12", "s_23", "i_2", "i_123", "h_23", "p_y_2"]
        {
            assert!(value(name).is_nan(), "{name}: {}", value(name));
        }
        let fold = columns.iter().position(|column| *column == Quantity::Fold).unwrap();
        assert_eq!(row.values[fold], None);
        assert!(reduced.row(set("123"), 0, &outputs, -1.0).unwrap().is_none());
    }

    #[test]
    fn of_one_its_information_is_unique_to_it() {
        let columns = Quantity::defaults(2);
        let reduced = ReducedColumns::new(&columns, 2);
        let mut outputs = BatchOutputs::new(2);
        outputs.all_mut().iter_mut().for_each(|values| values.push(-0.25));
        let row = reduced.row(set("2"), 0, &outputs, -1.0).unwrap().unwrap();
        assert!(row.is_finite && row.values[2] == Some(0.75));
        let is_none = |place: &usize| row.values[*place].is_some_and(f32::is_nan);
        assert!([0, 1, 3].iter().all(is_none), "{:?}", row.values);
    }
}
