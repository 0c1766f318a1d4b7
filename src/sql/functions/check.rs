//! The scalar function `lsmi_check(atoms …, i …)`: how far the columns of a row are from the identities of the
//! redundancy lattice.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;
use crate::interaction::lattice::Lattice;
use crate::interaction::{Quantity, Subset};

use super::super::errors::to_datafusion_error;

/// The columns of the identities of so many modalities: the information of a set is the sum of the atoms of
/// all nodes up to its own.
#[derive(Debug)]
struct Identities {
    modalities: usize,
    /// The atoms, the most redundant first; behind them i of every set.
    columns: Vec<Quantity>,
    /// The identities of a row that has the modalities of a set, for each set: those of the set's own lattice.
    of_present: Vec<(Subset, Vec<Identity>)>,
}

/// The places of an i and of the atoms that add up to it.
#[derive(Debug)]
struct Identity {
    information: usize,
    atoms: Vec<usize>,
}

impl Identities {
    fn new(modalities: usize) -> Self {
        let atoms = Quantity::atoms(modalities);
        let sets = Subset::all(modalities);
        let adds_up = |atom: &Quantity, set: Subset, present: Subset| {
            let node = atom.node(modalities).filter(|node| node.is_within(set));
            node.is_some_and(|node| node.sets().iter().all(|of| of.is_subset_of(present)))
        };
        let of_present = |present: Subset| {
            let within = sets.iter().enumerate().filter(|(_, set)| set.is_subset_of(present));
            let identities = within.map(|(place, &set)| {
                let own = atoms.iter().enumerate().filter(|(_, atom)| adds_up(atom, set, present));
                Identity { information: atoms.len() + place, atoms: own.map(|(place, _)| place).collect() }
            });
            (present, identities.collect())
        };
        let of_present = sets.iter().map(|&present| of_present(present)).collect();
        let information = sets.into_iter().map(Quantity::I);
        Self { modalities, columns: atoms.into_iter().chain(information).collect(), of_present }
    }

    /// Those with so many columns, if there are any.
    fn of(columns: usize) -> Option<&'static Self> {
        static ALL: LazyLock<Vec<Identities>> =
            LazyLock::new(|| (2..=Lattice::MODALITIES).map(Identities::new).collect());
        ALL.iter().find(|of| of.columns.len() == columns)
    }

    /// The names of a column: those of annotate's default columns before those of atoms, which are the same.
    fn names(&self, column: Quantity) -> Vec<String> {
        let node = column.node(self.modalities);
        let defaults = Quantity::defaults(self.modalities).into_iter();
        let same = defaults.filter(|of| node.is_some() && of.node(self.modalities) == node);
        same.chain([column]).map(|of| of.name(self.modalities).into_owned()).collect()
    }

    /// The largest difference of a row between an i and its sum of atoms; not finite where a value is not.
    /// A row has the modalities of which i is not null. `None` where there are none, a value of theirs is null, or
    /// i of a set that it lacks is not.
    fn difference(&self, row: &[Option<f64>]) -> Option<f64> {
        let atoms = self.columns.len().checked_sub(self.of_present.len())?;
        // The sets of one modality are the first.
        let has = |set: &usize| row.get(atoms + set).is_some_and(Option::is_some);
        let present = Subset::new((0..self.modalities).filter(has))?;
        let mut lacked = self.of_present.iter().enumerate().filter(|(_, (of, _))| !of.is_subset_of(present));
        if lacked.any(|(place, _)| has(&place)) {
            return None;
        }
        let (_, identities) = self.of_present.iter().find(|(of, _)| *of == present)?;
        let mut most = 0.0;
        for Identity { information, atoms } in identities {
            let mut off = (*row.get(*information)?)?;
            for place in atoms {
                off -= (*row.get(*place)?)?;
            }
            // A NaN is kept, which `f64::max` would drop.
            if off.abs() > most || off.is_nan() {
                most = off.abs();
            }
        }
        Some(most)
    }

    /// # Errors
    /// [`Error::Usage`] where a column of another place is given: the sum would be wrong, not the columns.
    fn check_names(&self, fields: &[FieldRef]) -> crate::Result<()> {
        for (place, (field, &column)) in fields.iter().zip(&self.columns).enumerate() {
            let names = self.names(column);
            let is_other = || {
                let mut others = self.columns.iter().flat_map(|&other| self.names(other));
                others.any(|other| other == *field.name())
            };
            if !names.contains(field.name()) && is_other() {
                return Err(Error::Usage(format!(
                    "lsmi_check: argument {} is {}, and the column of this place is {}; write lsmi_check({})",
                    place + 1,
                    field.name(),
                    names.join(" or "),
                    self.example()
                )));
            }
        }
        Ok(())
    }

    /// The arguments, as they are written.
    fn example(&self) -> String {
        let of = |column: &Quantity| self.names(*column).into_iter().next();
        self.columns.iter().filter_map(of).collect::<Vec<_>>().join(", ")
    }
}

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LsmiCheck {
    signature: Signature,
    documentation: Documentation,
}

impl LsmiCheck {
    pub(super) fn new() -> Self {
        let documentation = Documentation::builder(
            DOC_SECTION_OTHER,
            "How far a sample is from the identities: the largest absolute difference in nats between the information \
             of a set of modalities and the sum of the parts that it is made of (i1 = r + u1, i2 = r + u2, i12 = r + u1 \
             + u2 + s), which are single precision. Of three modalities all 18 atoms and i_1 to i_123, of four all 166 \
             and i_1 to i_1234, in the order of annotate --columns atoms,i_1,…. A row that lacks a modality, whose i is \
             null, is compared with the identities of the others; null where another value is null",
            "lsmi_check(r, u1, u2, s, i1, i2, i12)",
        )
        .with_argument("r", "Redundancy; of more modalities the atoms from a_1_2_3 to a_123 in place of parts")
        .with_argument("u1", "Uniqueness of x1")
        .with_argument("u2", "Uniqueness of x2")
        .with_argument("s", "Synergy")
        .with_argument("i1", "Information of x1; of more modalities i of all sets, i_1 to i_123")
        .with_argument("i2", "Information of x2")
        .with_argument("i12", "Information of both")
        .build();
        Self { signature: Signature::user_defined(Volatility::Immutable), documentation }
    }

    fn check(fields: &[FieldRef]) -> crate::Result<()> {
        let identities = Identities::of(fields.len()).ok_or_else(|| {
            Error::Usage(format!(
                "lsmi_check: it takes 7 columns of two modalities, lsmi_check(r, u1, u2, s, i1, i2, i12), 25 of three \
                 (the 18 atoms, then i_1 to i_123) or 181 of four, not {}",
                fields.len()
            ))
        })?;
        if let Some(field) = fields.iter().find(|field| *field.data_type() != DataType::Float64) {
            let (name, data_type) = (field.name(), field.data_type());
            return Err(Error::Usage(format!("lsmi_check: {name} is no number, but {data_type}")));
        }
        identities.check_names(fields)
    }
}

impl ScalarUDFImpl for LsmiCheck {
    fn name(&self) -> &str {
        "lsmi_check"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Numbers become doubles; what is none is refused with its name.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let coerced = types.iter().map(|data_type| match data_type.is_numeric() || data_type.is_null() {
            true => DataType::Float64,
            false => data_type.clone(),
        });
        Ok(coerced.collect())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Self::check(args.arg_fields).map_err(to_datafusion_error)?;
        Ok(Arc::new(Field::new(self.name(), DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let identities = Identities::of(args.args.len());
        let identities = identities.ok_or_else(|| Error::Internal("lsmi_check was not checked".to_owned()));
        let identities = identities.map_err(to_datafusion_error)?;
        let arrays = args.args.iter().map(|value| value.to_array(args.number_rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let columns = arrays.iter().map(|array| as_float64_array(array)).collect::<Result<Vec<_>>>()?;
        let mut row = vec![None; columns.len()];
        let differences = (0..args.number_rows).map(|at| {
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column.is_valid(at).then(|| column.value(at));
            }
            identities.difference(&row)
        });
        let differences: ArrayRef = Arc::new(differences.collect::<Float64Array>());
        Ok(ColumnarValue::Array(differences))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: &str) -> Vec<FieldRef> {
        let field = |name| Arc::new(Field::new(name, DataType::Float64, true));
        names.split(", ").map(field).collect()
    }

    #[test]
    fn parts_of_two_modalities_add_up_to_their_information() {
        let two = Identities::of(7).unwrap();
        assert_eq!(two.example(), "r, u1, u2, s, i1, i2, i12");
        let of = |row: [f64; 7]| two.difference(&row.map(Some)).unwrap();
        assert_eq!(of([1.0, 0.5, -0.25, 2.0, 1.5, 0.75, 3.25]), 0.0);
        assert_eq!(of([1.0, 0.5, -0.25, 2.0, 1.5, 0.5, 3.0]), 0.25);
        assert!(of([f64::NAN, 0.5, -0.25, 2.0, 1.5, 0.5, 3.0]).is_nan());
        assert!(of([1.0, 0.5, -0.25, 2.0, f64::NAN, 0.5, 3.0]).is_nan());
    }

    #[test]
    fn a_row_has_the_identities_of_its_modalities() {
        let two = Identities::of(7).unwrap();
        let of = |row: [Option<f64>; 7]| two.difference(&row);
        assert_eq!(of([None, None, Some(0.5), None, None, Some(0.75), None]), Some(0.25));
        assert_eq!(of([None, None, None, None, None, Some(0.75), None]), None);
        assert_eq!(of([Some(1.0), Some(0.5), None, Some(2.0), Some(1.5), Some(0.75), Some(3.25)]), None);
        assert_eq!(of([Some(1.0), Some(0.5), Some(-0.25), Some(2.0), Some(1.5), Some(0.75), None]), None);
        assert_eq!(of([Some(1.0), Some(0.5), Some(-0.25), Some(2.0), None, Some(0.75), Some(3.25)]), None);
        assert_eq!(of([None; 7]), None);

        // x1 and x3 of three: a_1_3, a_1, a_3 and a_13, and at the place of a_1_2_3 their r.
        let three = Identities::of(25).unwrap();
        let mut row = [None; 25];
        for (name, value) in [
            ("r", 1.0),
            ("a_1_3", 1.0),
            ("u1", 0.5),
            ("u3", -2.0),
            ("a_13", 4.0),
            ("i_1", 1.5),
            ("i_3", -1.0),
            ("i_13", 3.5),
        ] {
            let named = |column: &&Quantity| three.names(**column).iter().any(|of| of == name);
            let column = three.columns.iter().find(named).unwrap();
            row[three.columns.iter().position(|of| of == column).unwrap()] = Some(value);
        }
        assert_eq!(three.difference(&row), Some(0.0));
    }

    #[test]
    fn atoms_of_more_modalities_add_up_to_the_information_of_each_set() {
        // The number of nodes up to {1}, {12} and {123}; those of four modalities.
        let counts = |columns| -> Vec<usize> {
            let (_, all) = Identities::of(columns).unwrap().of_present.last().unwrap();
            let mut counts: Vec<_> = all.iter().map(|identity| identity.atoms.len()).collect();
            counts.dedup();
            counts
        };
        assert_eq!(counts(25), [5, 13, 18]);
        assert_eq!(counts(181).last(), Some(&166));
        assert!([0, 4, 18, 24, 26].iter().all(|columns| Identities::of(*columns).is_none()));
    }

    #[test]
    fn a_column_at_the_place_of_another_is_refused() {
        LsmiCheck::check(&fields("r, u1, u2, s, i1, i2, i12")).unwrap();
        LsmiCheck::check(&fields("a_1_2, a_1, u2, s, one, two, both")).unwrap();
        let swapped = LsmiCheck::check(&fields("r, u2, u1, s, i1, i2, i12")).unwrap_err().to_string();
        assert!(swapped.contains("argument 2 is u2, and the column of this place is u1 or a_1"), "{swapped}");
        let three = Identities::of(25).unwrap();
        LsmiCheck::check(&fields(&three.example())).unwrap();
        let other = three.example().replace("a_1_3, a_2_3", "a_2_3, a_1_3");
        let swapped = LsmiCheck::check(&fields(&other)).unwrap_err().to_string();
        assert!(swapped.contains("argument 3 is a_2_3, and the column of this place is a_1_3;"), "{swapped}");
        let few = LsmiCheck::check(&fields("r, u1, u2, u3, s")).unwrap_err().to_string();
        assert!(few.contains("25 of three") && few.contains("not 5"), "{few}");
    }
}
