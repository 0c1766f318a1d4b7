//! The arguments of a call of `lsmi` by their places: embeddings, label, bundle and key.

use datafusion::arrow::datatypes::DataType;

use crate::interaction::Quantity;
use crate::samples::EmbeddingType;

/// The places of the arguments of a call: x1 … xM, y, the bundle and the key. M is the number of leading
/// arguments whose type is an embedding, at least two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CallShape {
    modalities: usize,
}

/// The arguments of a call.
pub(super) struct Arguments<'a, T> {
    pub(super) x: &'a [T],
    pub(super) label: &'a T,
    pub(super) bundle: Option<&'a T>,
    pub(super) key: &'a [T],
}

impl CallShape {
    /// The shape of a call of as many modalities as a bundle has.
    pub(super) fn of_modalities(modalities: usize) -> Self {
        Self { modalities }
    }

    /// The shape of a call with arguments of these types. One of them is the label, whatever its type.
    pub(super) fn of(types: &[DataType]) -> Self {
        let embeddings = types.iter().take_while(|data_type| EmbeddingType::of(data_type).is_some()).count();
        Self { modalities: embeddings.min(types.len().saturating_sub(1)).max(2) }
    }

    /// The number of modalities.
    pub(super) fn modalities(self) -> usize {
        self.modalities
    }

    /// The place of the bundle among the arguments, where there is one.
    pub(super) fn bundle_place(self) -> usize {
        self.modalities + 1
    }

    /// The arguments; `None` where they are too few.
    pub(super) fn split<T>(self, args: &[T]) -> Option<Arguments<'_, T>> {
        let (x, rest) = args.split_at_checked(self.modalities)?;
        let (label, more) = rest.split_first()?;
        let (bundle, key) = more.split_first().map_or((None, more), |(bundle, key)| (Some(bundle), key));
        Some(Arguments { x, label, bundle, key })
    }

    /// The arguments that are needed, as in `x1, x2, y`.
    pub(super) fn example(self) -> String {
        (1..=self.modalities).map(|m| format!("x{m}, ")).chain(["y".to_owned()]).collect()
    }
}

/// The struct fields of `lsmi(…)`, in order: r, u1 … uM, s, and i and h of sets of modalities.
pub(super) fn lsmi_fields(modalities: usize) -> Vec<Quantity> {
    let extras = Quantity::extras(modalities).into_iter();
    let pointwise = extras.filter(|extra| matches!(extra, Quantity::I(_) | Quantity::H(_)));
    Quantity::defaults(modalities).into_iter().chain(pointwise).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::Field;

    use super::*;

    #[test]
    fn leading_embeddings_are_the_modalities_and_one_argument_is_the_label() {
        let list = || DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true)));
        let (bytes, text) = (DataType::FixedSizeBinary(8), DataType::Utf8);
        for (types, modalities) in [
            (vec![list(), list(), text.clone()], 2),
            (vec![list(), list(), bytes.clone(), text.clone()], 3),
            (vec![list(), list(), list(), list(), text.clone(), text.clone()], 4),
            // A label that could be an embedding, and an embedding that is none.
            (vec![list(), list(), bytes], 2),
            (vec![list(), text.clone(), text.clone()], 2),
            (vec![], 2),
        ] {
            assert_eq!(CallShape::of(&types).modalities(), modalities, "{types:?}");
        }
        let shape = CallShape::of(&[list(), list(), list(), text]);
        assert_eq!((shape.bundle_place(), shape.example().as_str()), (4, "x1, x2, x3, y"));
        assert!(shape.split(&[1, 2, 3]).is_none());
        let args = shape.split(&[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!((args.x, args.label, args.bundle, args.key), (&[1, 2, 3][..], &4, Some(&5), &[6][..]));
    }

    #[test]
    fn of_two_modalities_there_are_nine_fields() {
        let names = |modalities| {
            let names = lsmi_fields(modalities).into_iter().map(|of| of.name(modalities).into_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(2), "r u1 u2 s i1 i2 i12 h1 h2");
        assert_eq!(names(3), "r u1 u2 u3 s i_1 i_2 i_3 i_12 i_13 i_23 i_123 h_1 h_2 h_3 h_12 h_13 h_23");
        assert_eq!(lsmi_fields(4).len(), 6 + 15 + 14);
    }
}
