//! What is known of a value: its element type, its shape, and its numbers where they are few and
//! follow from the shapes alone. Attributes of a node, and axes.

use std::collections::HashMap;

use tract_onnx::pb::{AttributeProto, NodeProto, ValueInfoProto, tensor_proto::DataType};

use super::super::onnx::declared;

/// Rows of the batch that is inferred, those of a check on numbers.
pub(super) const ROWS: u64 = 64;

/// The most numbers of one value, for [`ROWS`] rows: 4 million a row, 1 GiB in all.
pub(super) const MOST_NUMBERS: u64 = 1 << 28;

/// Longer constants are not followed.
pub(super) const MOST_FOLLOWED: usize = 1024;

/// The values of a graph by name.
pub(super) type Scope = HashMap<String, Value>;

/// The outputs of an operator; `None` where it is another file's.
pub(super) type Inferred = Result<Option<Vec<Value>>, String>;

/// A shape; `None` for a dimension that is not known.
pub(super) type Shape = Vec<Option<u64>>;

/// What is known of a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Value {
    pub(super) element: Option<DataType>,
    pub(super) shape: Option<Shape>,
    /// Its numbers. Whole ones, however large, are exact enough to bound sizes.
    pub(super) numbers: Option<Vec<f64>>,
}

impl Value {
    pub(super) fn new(element: Option<DataType>, shape: Option<Shape>) -> Self {
        Self { element, shape, numbers: None }
    }

    /// An input of a model: the declared rank, with so many rows of such a length.
    pub(super) fn input(input: &ValueInfoProto, rows: u64, dim: u64) -> Self {
        let element = declared(input).and_then(|(element, _)| DataType::try_from(element).ok());
        Self::new(element, Some(vec![Some(rows), Some(dim)]))
    }

    /// A vector of known integers.
    pub(super) fn integers(numbers: Vec<f64>) -> Self {
        let shape = Some(vec![Some(numbers.len() as u64)]);
        Self { element: Some(DataType::Int64), shape, numbers: Some(numbers) }.bounded()
    }

    /// The same with these numbers, where they are as many as its shape says.
    pub(super) fn with_numbers(mut self, numbers: Option<Vec<f64>>) -> Self {
        self.numbers = numbers.filter(|numbers| self.count() == Some(numbers.len() as u64));
        self.bounded()
    }

    fn bounded(mut self) -> Self {
        self.numbers = self.numbers.filter(|numbers| numbers.len() <= MOST_FOLLOWED);
        self
    }

    /// The number of dimensions.
    pub(super) fn rank(&self) -> Option<usize> {
        self.shape.as_ref().map(Vec::len)
    }

    /// The number of its numbers.
    pub(super) fn count(&self) -> Option<u64> {
        self.shape.as_ref()?.iter().try_fold(1_u64, |count, dim| Some(count.saturating_mul((*dim)?)))
    }

    /// Its only number.
    pub(super) fn scalar(&self) -> Option<f64> {
        match self.numbers.as_deref() {
            Some(&[number]) => Some(number),
            _ => None,
        }
    }

    /// Whether it is known to hold integers.
    pub(super) fn is_integer(&self) -> bool {
        use DataType::{Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
        let integers = [Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64];
        self.element.is_some_and(|element| integers.contains(&element))
    }
}

/// A node with the values of its inputs.
pub(super) struct Call<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) inputs: Vec<Value>,
    pub(super) opset: i64,
}

impl Call<'_> {
    pub(super) fn op(&self) -> &str {
        &self.node.op_type
    }

    /// An input; of one that is left out nothing is known.
    pub(super) fn input(&self, place: usize) -> Value {
        self.inputs.get(place).cloned().unwrap_or_default()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|attribute| attribute.i)
    }

    /// Integers of an attribute, or of the input that newer opsets have in its place. `Err` where the
    /// input is there and not known.
    pub(super) fn integers(&self, name: &str, place: usize) -> Result<Option<Vec<i64>>, Unknown> {
        if let Some(attribute) = self.attribute(name) {
            return Ok(Some(attribute.ints.clone()));
        }
        match self.node.input.get(place).map(String::as_str) {
            None | Some("") => Ok(None),
            Some(_) => match self.input(place).numbers {
                Some(numbers) => Ok(Some(numbers.into_iter().map(|number| number as i64).collect())),
                None => Err(Unknown),
            },
        }
    }
}

/// Numbers that depend on the data.
pub(super) struct Unknown;

/// The place of an axis among so many dimensions; `Err` where there is no such axis.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let from_end = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(from_end) {
        Ok(place) if place < rank => Ok(place),
        _ => Err(format!("axis {axis} is none of the {rank} dimensions of its input")),
    }
}

/// The shape of two values in one elementwise operation.
pub(super) fn broadcast(a: &Shape, b: &Shape) -> Result<Shape, String> {
    let rank = a.len().max(b.len());
    let dim = |shape: &Shape, place: usize| -> Option<u64> {
        match (place + shape.len()).checked_sub(rank) {
            Some(place) => shape.get(place).copied().flatten(),
            None => Some(1),
        }
    };
    let both = |place| match (dim(a, place), dim(b, place)) {
        (Some(1), other) | (other, Some(1)) => Ok(other),
        (Some(a), Some(b)) if a != b => {
            Err(format!("its inputs have {a} and {b} values along one dimension"))
        }
        (Some(a), _) => Ok(Some(a)),
        (None, b) => Ok(b),
    };
    (0..rank).map(both).collect()
}

/// Sizes of an attribute as a shape.
pub(super) fn dims(sizes: &[i64]) -> Result<Shape, String> {
    sizes.iter().map(|size| size_of(*size as f64)).collect()
}

pub(super) fn size_of(size: f64) -> Result<Option<u64>, String> {
    match size >= 0.0 {
        true => Ok(Some(size as u64)),
        false => Err(format!("a dimension of {size} values; export the model again")),
    }
}

/// The shape that the numbers of an input name.
pub(super) fn asked(input: &Value) -> Result<Option<Shape>, String> {
    let sizes = input.numbers.as_ref();
    sizes.map(|sizes| sizes.iter().map(|size| size_of(*size)).collect()).transpose()
}
