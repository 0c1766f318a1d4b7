//! The classes that a graph states for its scores: in the attributes of a classifier or a
//! ZipMap of `ai.onnx.ml`, in the table from which the predicted label is gathered, or in the
//! names of one output per class.

use std::collections::HashSet;

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, tensor_proto::DataType};

use crate::bundle::Class;
use crate::bundle::onnx::{ints_attribute, producer, read_integers};

/// Operators that keep the order of the columns.
const SAME_COLUMNS: [&str; 8] =
    ["Normalizer", "Cast", "Identity", "Softmax", "LogSoftmax", "Clip", "Log", "Sigmoid"];
/// Operators between a table of labels and the predicted label.
const SAME_LABEL: [&str; 6] = ["Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/// Class labels as text, in the order of the scores.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClassLabels(Vec<String>);

/// The classes of the operator that computes these scores.
pub(super) fn of_scores(graph: &GraphProto, scores: &str) -> Option<ClassLabels> {
    walk(graph, scores, &SAME_COLUMNS, ClassLabels::of_node)
}

/// The classes of a predicted label.
pub(super) fn of_label(graph: &GraphProto, label: &str) -> Option<ClassLabels> {
    walk(graph, label, &SAME_LABEL, |node| match node.op_type.as_str() {
        "ArrayFeatureExtractor" | "Gather" => {
            let table = node.input.first()?;
            let tensor = graph.initializer.iter().find(|tensor| tensor.name == *table)?;
            labels_of_tensor(tensor).map(ClassLabels)
        }
        _ => ClassLabels::of_node(node),
    })
}

/// Numbers the classes of classifiers whose predicted label nothing reads: the scores are the
/// same, and tract has no labels of text.
pub(super) fn number_unread(graph: &mut GraphProto, changes: &mut Vec<String>) {
    let outputs = graph.output.iter().map(|output| &output.name);
    let read: HashSet<String> =
        graph.node.iter().flat_map(|node| &node.input).chain(outputs).cloned().collect();
    for node in &mut graph.node {
        let integers = match node.op_type.as_str() {
            "LinearClassifier" | "SVMClassifier" => "classlabels_ints",
            "TreeEnsembleClassifier" => "classlabels_int64s",
            _ => continue,
        };
        if node.output.first().is_some_and(|label| read.contains(label)) {
            continue;
        }
        for attribute in &mut node.attribute {
            if attribute.name == "classlabels_strings" && !attribute.strings.is_empty() {
                let numbers: Vec<i64> = (0..attribute.strings.len() as i64).collect();
                *attribute = ints_attribute(integers, &numbers);
                changes.push(format!(
                    "the classes of its {}, whose label is unread, are numbered",
                    node.op_type
                ));
            }
        }
    }
}

/// Goes from a value against the flow of the graph until `find` succeeds; only the operators
/// in `through` are passed.
fn walk(
    graph: &GraphProto,
    value: &str,
    through: &[&str],
    find: impl Fn(&NodeProto) -> Option<ClassLabels>,
) -> Option<ClassLabels> {
    let mut value = value;
    // A graph without circles is left in as many steps.
    for _ in 0..=graph.node.len() {
        let node = producer(graph, value)?;
        if let Some(found) = find(node) {
            return Some(found);
        }
        value = node.input.first().filter(|_| through.contains(&node.op_type.as_str()))?;
    }
    None
}

impl ClassLabels {
    /// The attribute of a ZipMap or of a classifier of `ai.onnx.ml`.
    pub(super) fn of_node(node: &NodeProto) -> Option<Self> {
        let attributes = node.attribute.iter().filter(|attribute| attribute.name.starts_with("classlabels_"));
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        attributes
            .map(|attribute| match attribute.strings.is_empty() {
                true => attribute.ints.iter().map(i64::to_string).collect::<Vec<_>>(),
                false => attribute.strings.iter().map(text).collect(),
            })
            .find(|labels| !labels.is_empty())
            .map(Self)
    }

    /// The names of outputs, each of which begins with i for an integer or s for a string.
    pub(super) fn of_columns(columns: &[String]) -> Option<Self> {
        let strip =
            |kind: char| columns.iter().map(|name| name.strip_prefix(kind).map(str::to_owned)).collect();
        let integers: Option<Vec<String>> = strip('i');
        let integers = integers.filter(|all| all.iter().all(|label| label.parse::<i64>().is_ok()));
        integers.or_else(|| strip('s')).map(Self)
    }

    /// Number of classes.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The column of each of the bundle's classes, `None` where the orders are the same. Where
    /// labels 0 to C − 1 are not the classes themselves, they are indices of the classes, as a
    /// label encoder gives them.
    pub(super) fn order(
        &self,
        classes: &[Class],
        changes: &mut Vec<String>,
    ) -> Result<Option<Vec<i64>>, String> {
        let Self(labels) = self;
        let shown = labels.join(",");
        let own = classes.iter().map(Class::to_string).collect::<Vec<_>>().join(",");
        let column = |class: &Class| labels.iter().position(|label| is_class(label, class)).map(|c| c as i64);
        let columns: Option<Vec<i64>> = classes.iter().map(column).collect();
        let columns = columns.filter(|_| labels.len() == classes.len());
        let are_indices = labels.iter().enumerate().all(|(index, label)| *label == index.to_string());
        match columns {
            Some(columns) if columns.iter().copied().eq(0..labels.len() as i64) => Ok(None),
            Some(columns) => {
                changes.push(format!("its columns, of the classes {shown}, are put into the order {own}"));
                Ok(Some(columns))
            }
            None if are_indices && labels.len() == classes.len() => {
                changes.push(format!("its classes {shown} are taken for the indices of {own}"));
                Ok(None)
            }
            None => Err(format!(
                "the model's classes are {shown}, and --classes names {own}; name them as the model does"
            )),
        }
    }
}

/// Whether a label is a class; scikit-learn writes booleans as 0 and 1.
fn is_class(label: &str, class: &Class) -> bool {
    match class {
        Class::Boolean(true) => matches!(label, "1" | "true" | "True"),
        Class::Boolean(false) => matches!(label, "0" | "false" | "False"),
        class => class.to_string() == label,
    }
}

fn labels_of_tensor(tensor: &TensorProto) -> Option<Vec<String>> {
    match DataType::try_from(tensor.data_type) {
        Ok(DataType::Int64) => Some(read_integers(tensor)?.iter().map(i64::to_string).collect()),
        Ok(DataType::Int32) if tensor.raw_data.is_empty() => {
            Some(tensor.int32_data.iter().map(i32::to_string).collect())
        }
        Ok(DataType::Int32) => {
            let (numbers, _) = tensor.raw_data.as_chunks::<4>();
            Some(numbers.iter().map(|bytes| i32::from_le_bytes(*bytes).to_string()).collect())
        }
        Ok(DataType::String) => {
            let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
            Some(tensor.string_data.iter().map(text).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(labels: &[&str]) -> ClassLabels {
        ClassLabels(labels.iter().map(|label| (*label).to_owned()).collect())
    }

    #[test]
    fn columns_are_found_by_label() {
        let integers = |values: &[i64]| values.iter().copied().map(Class::Integer).collect::<Vec<_>>();
        let strings = ["red", "blue"].map(|text| Class::String(text.into()));
        let order = |model: &[&str], bundle: &[Class]| labels(model).order(bundle, &mut Vec::new());
        assert_eq!(order(&["0", "1"], &integers(&[0, 1])), Ok(None));
        assert_eq!(order(&["0", "1", "2"], &integers(&[2, 0, 1])), Ok(Some(vec![2, 0, 1])));
        assert_eq!(order(&["blue", "red"], &strings), Ok(Some(vec![1, 0])));
        assert_eq!(order(&["0", "1"], &[true, false].map(Class::Boolean)), Ok(Some(vec![1, 0])));
        for encoded in [strings.to_vec(), integers(&[7, 5]), integers(&[1, 2])] {
            assert_eq!(order(&["0", "1"], &encoded), Ok(None));
        }
        for (model, bundle) in [(&["1", "2"][..], &[0, 1][..]), (&["0", "1", "2"], &[0, 1])] {
            let what = order(model, &integers(bundle)).unwrap_err();
            assert!(what.contains(&model.join(",")), "{what}");
        }
    }

    #[test]
    fn columns_name_their_classes() {
        let named = |names: [&str; 2]| ClassLabels::of_columns(&names.map(str::to_owned));
        assert_eq!(named(["i0", "i-7"]), Some(labels(&["0", "-7"])));
        assert_eq!(named(["sred", "sblue"]), Some(labels(&["red", "blue"])));
        assert_eq!(named(["red", "blue"]), None);
    }
}
