//! The identity of a piece of work: everything that a computed value depends on. A finished
//! output is recognised by it through its footer, an unfinished one through its journal.

use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::error::Result;
use crate::interaction::{ColumnPrefix, Quantity};
use crate::parquet_file::Input;
use crate::storage::FileVersion;

use super::footer::{Provenance, units_name};
use super::origin::InputOrigin;

/// Everything that a computed value depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    input: InputOrigin,
    /// Journals of older versions have none.
    #[serde(default)]
    input_version: Option<FileVersion>,
    bundle_sha256: String,
    /// As the output has them.
    columns: Vec<String>,
    #[serde(default, skip_serializing_if = "ColumnPrefix::is_empty")]
    prefix: ColumnPrefix,
    /// Names of what is computed beside the columns, and in no output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    compared: Vec<String>,
    /// The treatment of rows that lack a modality, where they are good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_missing_modality: Option<String>,
    engine: String,
    version: String,
}

/// The columns that a piece of work reads and those that it computes, by their names.
#[derive(Debug, Clone)]
pub struct IdentityColumns<'a> {
    /// Those of the modalities.
    pub x: Vec<&'a str>,
    /// That of the label.
    pub label: &'a str,
    /// The prefix of the new ones.
    pub prefix: &'a ColumnPrefix,
    /// The new ones, as the output has them.
    pub computed: Vec<String>,
    /// What is computed beside them, and in no output.
    pub compared: Vec<String>,
    /// The treatment of rows that lack a modality, where they are good.
    pub on_missing: Option<&'static str>,
}

impl Identity {
    /// The work on a file; `engine` is the engine's description.
    ///
    /// # Errors
    /// Of reading the file's footer.
    pub fn new(input: &Input, bundle: &Bundle, columns: IdentityColumns<'_>, engine: String) -> Result<Self> {
        let IdentityColumns { x, label, prefix, computed, compared, on_missing } = columns;
        Ok(Self {
            input: InputOrigin::of_file(input, &x, label)?,
            input_version: Some(input.file().version().clone()),
            bundle_sha256: bundle.digest().to_owned(),
            columns: computed,
            prefix: prefix.clone(),
            compared,
            on_missing_modality: on_missing.map(str::to_owned),
            engine,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// The number of values that are computed for a row.
    pub fn width(&self) -> usize {
        self.columns.len() + self.compared.len()
    }

    /// Whether another identity differs at most in the version of the input, whose footer is the same.
    pub fn is_same_work(&self, other: &Self) -> bool {
        *self == Self { input_version: self.input_version.clone(), ..other.clone() }
    }

    /// What is computed beside the columns, apart from what the treatment of a missing modality adds.
    fn others(&self) -> Vec<&String> {
        let missing = Quantity::Missing.name(self.input.x.len());
        self.compared.iter().filter(|name| **name != missing).collect()
    }

    /// The parts in which another identity differs, for a message.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let is_of_same_columns = self.input.x == other.input.x && self.input.label == other.input.label;
        let file = |it: &Self| (it.input.rows, it.input.bytes, it.input.footer_sha256.clone());
        [
            ("input", file(self) == file(other) && self.input_version == other.input_version),
            ("choice of embeddings or label", is_of_same_columns),
            ("bundle", self.bundle_sha256 == other.bundle_sha256),
            ("choice of columns", self.columns == other.columns && self.others() == other.others()),
            ("--on-missing-modality", self.on_missing_modality == other.on_missing_modality),
            ("engine", self.engine == other.engine),
            ("version of this program", self.version == other.version),
        ]
        .into_iter()
        .filter_map(|(name, same)| (!same).then_some(name))
        .collect()
    }

    /// The provenance of the output before its rows are computed; `adjust` is the name of the
    /// adjustment.
    pub fn provenance(&self, bundle: &Bundle, adjust: &str) -> Provenance {
        let stream = Provenance::of_stream(bundle, self.input.clone(), self.engine.clone(), &self.prefix);
        Provenance {
            version: Some(self.version.clone()),
            adjust: Some(adjust.to_owned()),
            on_missing_modality: self.on_missing_modality.clone(),
            ..stream
        }
    }

    /// Recognises an existing output as made by this work, with any shift, or says what it is.
    pub fn recognise(&self, output: &Input, adjust: &str) -> Recognition {
        let found = Provenance::read(output, &self.prefix);
        let Some(version) = &found.version else {
            return Recognition::Other(of_another_prefix(output, &self.prefix));
        };
        let columns = |input: &InputOrigin| input.x.iter().chain([&input.label]).cloned().collect::<Vec<_>>();
        let of_columns = found.input.as_ref().map(columns);
        let is_same_input = found.input.as_ref() == Some(&self.input);
        let missing = self.columns.iter().filter(|name| output.column(name).is_err());
        let missing: Vec<String> = missing.cloned().collect();
        let are_as_many = found.columns.as_ref().is_some_and(|added| added.len() == self.columns.len());
        let differences = [
            (*version != self.version).then(|| format!("made by version {version} of this program")),
            (found.bundle_sha256.as_ref() != Some(&self.bundle_sha256))
                .then(|| "made with another bundle".to_owned()),
            of_columns
                .as_ref()
                .filter(|of_columns| **of_columns != columns(&self.input))
                .map(|columns| format!("made from the columns {}", listed(columns))),
            (!is_same_input && of_columns.is_none_or(|of_columns| of_columns == columns(&self.input)))
                .then(|| Recognition::INPUT_CHANGED.to_owned()),
            (found.adjust.as_deref() != Some(adjust)).then(|| {
                format!("made with --adjust {}", found.adjust.as_deref().unwrap_or("of another version"))
            }),
            (found.on_missing_modality != self.on_missing_modality)
                .then(|| "made with another --on-missing-modality".to_owned()),
            (!missing.is_empty()).then(|| format!("without {}", listed(&missing))),
            (missing.is_empty() && !are_as_many).then(|| "with other new columns than this run's".to_owned()),
            (is_same_input && Some(output.rows()) != self.input.rows)
                .then(|| "with other rows than it was made with".to_owned()),
        ];
        let differences: Vec<String> = differences.into_iter().flatten().collect();
        let found = Box::new(found);
        match &differences[..] {
            [] => Recognition::Same(found),
            some => Recognition::Other(some.join(", ")),
        }
    }
}

/// What an output is that annotate has not made with this prefix.
fn of_another_prefix(output: &Input, prefix: &ColumnPrefix) -> String {
    let named = |prefix: &ColumnPrefix| match prefix.is_empty() {
        true => "without a prefix".to_owned(),
        false => format!("of the prefix {prefix}"),
    };
    match &Provenance::prefixes(output)[..] {
        [] => "which annotate has not made".to_owned(),
        prefixes => format!(
            "with annotate's columns {}, and this run's are {} (to have both, annotate that file into a new one)",
            listed(&prefixes.iter().map(named).collect::<Vec<_>>()),
            named(prefix)
        ),
    }
}

/// Names as in "a, b and c".
fn listed(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}

/// What an existing output is to a piece of work.
#[derive(Debug)]
pub enum Recognition {
    /// This work made it, with any shift, of an input with this footer. The columns may be others.
    Same(Box<Provenance>),
    /// Something else: what, for a message.
    Other(String),
}

impl Recognition {
    /// What an output is whose input has other content now.
    pub const INPUT_CHANGED: &str = "made from an input that has changed since, or from another one";
}

impl Provenance {
    /// The provenance of rows out of a stream.
    pub fn of_stream(bundle: &Bundle, input: InputOrigin, engine: String, prefix: &ColumnPrefix) -> Self {
        Self {
            prefix: prefix.clone(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            bundle_sha256: Some(bundle.digest().to_owned()),
            input: Some(input),
            adjust: Some("none".to_owned()),
            engine: Some(engine),
            units: bundle.manifest().modalities.first().map(|first| units_name(first.units).to_owned()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An identity that differs from others by its bundle.
    pub(crate) fn identity(bundle: &str, columns: usize) -> Identity {
        let text = str::to_owned;
        Identity {
            input: InputOrigin {
                rows: Some(8),
                bytes: Some(100),
                footer_sha256: Some(text("f")),
                ..InputOrigin::of_stream(&["x1", "x2"], "y")
            },
            input_version: None,
            bundle_sha256: text(bundle),
            columns: (0..columns).map(|column| column.to_string()).collect(),
            prefix: ColumnPrefix::default(),
            compared: Vec::new(),
            on_missing_modality: None,
            engine: text("e"),
            version: text("v"),
        }
    }

    #[test]
    fn differences_are_named() {
        let (mine, mut other) = (identity("a", 2), identity("b", 3));
        assert_eq!(mine.differences(&other), ["bundle", "choice of columns"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        let version = crate::storage::SourceFile::open(file.path()).unwrap().version().clone();
        other = Identity { input_version: Some(version), ..identity("a", 2) };
        assert_eq!(mine.differences(&other), ["input"]);
        let mut relabelled = identity("a", 2);
        relabelled.input.label = "z".to_owned();
        assert_eq!(mine.differences(&relabelled), ["choice of embeddings or label"]);
        assert!(mine.is_same_work(&other) && !mine.is_same_work(&identity("b", 2)));
    }

    #[test]
    fn a_treatment_of_missing_modalities_is_no_choice_of_columns() {
        let plain = identity("a", 2);
        let reduced = Identity {
            compared: vec![Quantity::Missing.name(2).into_owned()],
            on_missing_modality: Some("reduce".to_owned()),
            ..plain.clone()
        };
        assert_eq!(plain.differences(&reduced), ["--on-missing-modality"]);
        assert_eq!(reduced.differences(&identity("a", 3)), ["choice of columns", "--on-missing-modality"]);
    }

    #[test]
    fn an_origin_has_the_bytes_that_it_always_had() {
        let file = identity("a", 1).input;
        let json = r#"{"rows":8,"bytes":100,"footer_sha256":"f","x1":"x1","x2":"x2","label":"y"}"#;
        assert_eq!(file.to_json().unwrap(), json);
        let stream = InputOrigin::of_stream(&["x1", "x2"], "y").to_json().unwrap();
        assert_eq!(stream, r#"{"label":"y","x1":"x1","x2":"x2"}"#);
        for text in [json, &stream] {
            let read: InputOrigin = serde_json::from_str(text).unwrap();
            assert_eq!(read.to_json().unwrap(), *text);
        }
        assert_eq!(serde_json::from_str::<InputOrigin>(json).unwrap(), file);
        let three = InputOrigin::of_stream(&["image", "text", "audio"], "y");
        assert_eq!(
            serde_json::to_string(&three).unwrap(),
            r#"{"x1":"image","x2":"text","x3":"audio","label":"y"}"#
        );
        assert!(serde_json::from_str::<InputOrigin>(r#"{"x1":"a","label":"y"}"#).is_err());
    }
}
