//! The columns that a run reads and those that it adds: those of the options, else the bundle's.

use std::collections::BTreeMap;

use arrow::datatypes::{Field, Schema};

use crate::bundle::{Bundle, Class, Modality, repeated_column};
use crate::error::{Error, Place, Result};
use crate::evaluate::{compared_quantities, field};
use crate::interaction::{ColumnName, ColumnPrefix, MomentSummary, Quantity};
use crate::parquet_file::{ColumnNames, Input, check_new_fields};
use crate::provenance::{ColumnMoments, IdentityColumns};
use crate::samples::{ColumnRequest, OnMissingModality, Roles};

use super::options::{Adjust, AnnotateOptions};
use super::row_stats::RowStats;

/// The columns that a run reads and those that it adds.
#[derive(Debug, Clone)]
pub(super) struct RequestedColumns {
    /// The columns of the modalities, and their dimensions.
    x: Vec<(String, usize)>,
    pub(super) label: String,
    /// Those of both that only the bundle names.
    of_bundle: Vec<String>,
    prefix: ColumnPrefix,
    /// Whether columns of an earlier run make way.
    pub(super) replaces: bool,
    /// The bundle's.
    classes: Vec<Class>,
    pub(super) computed: Vec<Quantity>,
    /// What rows are compared with the validation rows by, as far as it is not among the computed columns: see
    /// [`compared_quantities`]. Of rows that may lack modalities, how many these are.
    compared: Vec<Quantity>,
}

/// The fields of the columns that a run with these options adds, in their order.
///
/// # Errors
/// [`Error::Usage`] of columns that the bundle does not have, and of options that contradict it.
pub fn new_fields(bundle: &Bundle, options: &AnnotateOptions) -> Result<Vec<Field>> {
    RequestedColumns::of(bundle, options).map(|columns| columns.fields())
}

/// The columns that a run with these options reads, without repetitions.
///
/// # Errors
/// As for [`new_fields`].
pub fn columns_read(bundle: &Bundle, options: &AnnotateOptions) -> Result<Vec<String>> {
    let columns = RequestedColumns::of(bundle, options)?;
    let mut names: Vec<String> = Vec::new();
    let key = bundle.row_key().iter().map(String::as_str);
    for name in columns.read().into_iter().chain(key).filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The input with those of its columns that a run with these options keeps, where it can be annotated by what its
/// footer says.
///
/// # Errors
/// As for [`new_fields`]; [`Error::BadData`] where a column that is read is missing or of another type;
/// [`Error::Usage`] of columns that are not replaced.
pub fn kept_columns(bundle: &Bundle, options: &AnnotateOptions, input: &Input) -> Result<Input> {
    let columns = RequestedColumns::of(bundle, options)?;
    let (input, _) = columns.without_replaced(input)?;
    let roles = Roles::find(input.schema(), &input.place(), &columns.request(bundle, options));
    roles.map_err(|error| columns.missing(error, input.schema(), bundle))?;
    check_new_fields(input.schema(), &input.place(), &columns.fields())?;
    Ok(input)
}

/// The positions of those columns of rows in memory that a run with these options keeps, and the schema of these: the
/// new columns follow them.
///
/// # Errors
/// As for [`new_fields`]; [`Error::Usage`] of columns that are not replaced, and of those that have a new one's name.
pub fn kept_in_memory(
    bundle: &Bundle,
    options: &AnnotateOptions,
    schema: &Schema,
) -> Result<(Vec<usize>, Schema)> {
    let (columns, place) = (RequestedColumns::of(bundle, options)?, Place::in_memory());
    let kept = columns.replaced_of_schema(schema, &place)?.kept(schema);
    check_new_fields(&kept.1, &place, &columns.fields())?;
    Ok(kept)
}

/// The moments of the columns, and of what else rows are compared by.
pub(super) struct ColumnSummaries {
    pub(super) columns: BTreeMap<String, MomentSummary>,
    pub(super) information: BTreeMap<String, MomentSummary>,
}

impl RequestedColumns {
    /// The columns of the options, else the bundle's.
    ///
    /// # Errors
    /// [`Error::Usage`] where neither names one, where two modalities have the same, and where columns are
    /// asked for that the bundle's modalities or its models do not have.
    pub(super) fn of(bundle: &Bundle, options: &AnnotateOptions) -> Result<Self> {
        let manifest = bundle.manifest();
        let modalities = manifest.modalities.len();
        if options.extras.iter().any(ColumnName::is_fold) && bundle.training_rows().is_none() {
            return Err(Error::Usage(format!(
                "--columns fold: the bundle {} has no folds, so which rows its models were trained on is unknown; \
                 omit the column, or fit again with --folds 5",
                bundle.dir().display()
            )));
        }
        if options.label_free && options.extras.iter().any(ColumnName::is_of_label) {
            let what = "--label-free does not go with --columns prior_y, p_y1 and so on: no label is read; omit them";
            return Err(Error::Usage(what.into()));
        }
        if options.adjust == Adjust::Dataset && modalities != 2 {
            return Err(Error::Usage(format!(
                "--adjust dataset is defined for r, u1, u2 and s of two modalities, and the bundle {} has \
                 {modalities}: of more, one constant among r, u and s changes the information of their sets; omit it, \
                 or annotate with a bundle of two of them, as fit --x1 COLUMN --x2 COLUMN makes",
                bundle.dir().display()
            )));
        }
        let is_of_all = options.x.len() == modalities || options.x.iter().any(Option::is_none);
        if !options.x.is_empty() && (options.x.len() > modalities || !is_of_all) {
            return Err(Error::Usage(format!(
                "{} named, and the bundle {} has {modalities} modalities; give --x COLUMN once for each of them, in \
                 their order",
                match options.x.len() {
                    1 => "1 embedding column is".to_owned(),
                    count => format!("{count} embedding columns are"),
                },
                bundle.dir().display()
            )));
        }
        let named = |flag: &str, option: Option<&String>, default: &Option<String>| {
            option.or(default.as_ref()).cloned().ok_or_else(|| {
                let advice = match flag {
                    "x1" | "x2" | "label" => format!("give --{flag} COLUMN"),
                    _ => "give --x COLUMN once for each modality".to_owned(),
                };
                Error::Usage(format!("the bundle names no column for {flag}; {advice}"))
            })
        };
        let column = |(m, modality): (usize, &Modality)| {
            let given = options.x.get(m).and_then(Option::as_ref);
            Ok((named(&format!("x{}", m + 1), given, &modality.column)?, modality.dim))
        };
        let x: Vec<(String, usize)> =
            manifest.modalities.iter().enumerate().map(column).collect::<Result<_>>()?;
        if let Some(what) = repeated_column(x.iter().map(|(name, _)| Some(name.as_str()))) {
            let flags = if modalities == 2 { "--x1 and --x2" } else { "--x once for each" };
            return Err(Error::Usage(format!("{what} with {flags}")));
        }
        let mut computed = Quantity::defaults(modalities);
        for extra in &options.extras {
            let quantities = extra.resolve(modalities);
            let quantities = quantities.map_err(|what| Error::Usage(format!("--columns {extra}: {what}")))?;
            for quantity in quantities {
                if !computed.contains(&quantity) {
                    computed.push(quantity);
                }
            }
        }
        if options.pairs && modalities == 2 {
            return Err(Error::Usage(format!(
                "--pairs is for more than two modalities, and the bundle {} has two, whose r, u1, u2 and s are \
                 written anyway; omit it",
                bundle.dir().display()
            )));
        }
        computed.extend(Quantity::pairs(modalities).into_iter().filter(|_| options.pairs));
        computed.extend(options.label_free.then_some(Quantity::LabelEntropy));
        let mut compared = compared_quantities(modalities);
        compared.retain(|quantity| !computed.contains(quantity));
        compared.extend((options.on_missing == OnMissingModality::Reduce).then_some(Quantity::Missing));
        let label = match options.label_free {
            false => named("label", options.label.as_ref(), &manifest.label.column)?,
            true => String::new(),
        };
        let of_bundle = x.iter().enumerate().filter(|(m, _)| !matches!(options.x.get(*m), Some(Some(_))));
        let of_bundle = of_bundle.map(|(_, (name, _))| name.clone());
        let of_bundle = of_bundle.chain(options.label.is_none().then(|| label.clone())).collect();
        Ok(Self {
            x,
            label,
            of_bundle,
            prefix: options.prefix.clone(),
            replaces: options.replace_columns,
            classes: manifest.label.classes.clone(),
            computed,
            compared,
        })
    }

    /// The columns that are evaluated: the computed ones, and behind them those that no output has.
    pub(super) fn evaluated(&self) -> Vec<Quantity> {
        [self.computed.as_slice(), &self.compared].concat()
    }

    /// The moments of the evaluated columns.
    pub(super) fn summaries(&self, stats: &RowStats, shift_nats: f64) -> ColumnSummaries {
        let modalities = self.modalities();
        let all = stats.summaries(&self.evaluated(), modalities, shift_nats);
        let of = |quantities: &[Quantity]| {
            let names = quantities.iter().map(|quantity| quantity.name(modalities).into_owned());
            names.filter_map(|name| Some((name.clone(), *all.get(&name)?))).collect()
        };
        ColumnSummaries { columns: of(&self.computed), information: of(&compared_quantities(modalities)) }
    }

    /// The columns of the modalities.
    pub(super) fn x(&self) -> Vec<&str> {
        self.x.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The prefix of the names of the new columns.
    pub(super) fn prefix(&self) -> &ColumnPrefix {
        &self.prefix
    }

    /// The classes of the label, in the order of the models' outputs.
    pub(super) fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The number of modalities.
    pub(super) fn modalities(&self) -> usize {
        self.x.len()
    }

    /// The columns of the modalities and the label.
    pub(super) fn read(&self) -> Vec<&str> {
        let x = self.x.iter().map(|(name, _)| name.as_str());
        x.chain([self.label.as_str()]).collect()
    }

    /// The columns that the computed ones reveal something of, the most revealed first.
    pub(super) fn revealed(&self) -> Vec<&str> {
        let x = self.x.iter().map(|(name, _)| name.as_str());
        std::iter::once(self.label.as_str()).chain(x).collect()
    }

    /// The fields of the computed columns.
    pub(super) fn fields(&self) -> Vec<Field> {
        let field = |quantity: &Quantity| {
            let field = field(*quantity, self.modalities(), &self.classes);
            let name = self.prefix.name(field.name());
            field.with_name(name)
        };
        self.computed.iter().map(field).collect()
    }

    /// The computed columns with those moments of them that may be shown.
    pub(super) fn moments(&self, shown: &BTreeMap<String, MomentSummary>) -> ColumnMoments {
        let names = self.names_of(&self.computed).into_iter();
        names.map(|name| (name.clone(), shown.get(&name).copied())).collect()
    }

    /// Names of the computed columns, as the output has them.
    pub(super) fn names(&self) -> Vec<String> {
        self.names_of(&self.computed).iter().map(|name| self.prefix.name(name)).collect()
    }

    /// What a run reads and computes, for its identity.
    pub(super) fn identity(&self) -> IdentityColumns<'_> {
        IdentityColumns {
            x: self.x(),
            label: &self.label,
            prefix: &self.prefix,
            computed: self.names(),
            compared: self.names_of(&self.compared),
            on_missing: self.compared.contains(&Quantity::Missing).then(|| OnMissingModality::Reduce.name()),
        }
    }

    fn names_of(&self, quantities: &[Quantity]) -> Vec<String> {
        quantities.iter().map(|quantity| quantity.name(self.modalities()).into_owned()).collect()
    }

    /// The columns as samples are read from them.
    pub(super) fn request<'a>(&'a self, bundle: &'a Bundle, options: &AnnotateOptions) -> ColumnRequest<'a> {
        ColumnRequest {
            x: &self.x,
            label: (!options.label_free).then_some(self.label.as_str()),
            classes: bundle.classes(),
            key: bundle.row_key(),
            on_missing: options.on_missing,
        }
    }

    /// An error of columns; that of one which is missing says where only the bundle names it.
    pub(super) fn missing(&self, error: Error, schema: &Schema, bundle: &Bundle) -> Error {
        let is_of_bundle =
            |name: &String| self.of_bundle.contains(name) && ColumnNames(schema).find(name).is_err();
        match error {
            Error::BadData { place, what } if place.column.as_ref().is_some_and(is_of_bundle) => {
                let dir = bundle.dir().display();
                Error::bad_data(
                    place,
                    format!("{what}; the bundle {dir} names this one, --bundle another bundle"),
                )
            }
            other => other,
        }
    }
}
