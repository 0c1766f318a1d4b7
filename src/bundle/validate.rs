//! Parser and validator of the manifest: rejects a newer format, an inconsistent field, and
//! models that are not complete.

use std::collections::HashSet;

use crate::error::Result;
use crate::interaction::lattice::Lattice;

use super::files::BundleFiles;
use super::format_1::Format1;
use super::manifest::{FORMAT_VERSION, MANIFEST, Manifest, Modality, RowHash, Units};
use super::{Label, ModelKind, Role};

/// The most folds of a bundle.
const MOST_FOLDS: usize = 100;

/// The most values of an embedding. A batch has 64 rows or more.
pub(super) const MOST_VALUES: usize = 1 << 20;

/// Parses and validates a manifest.
///
/// # Errors
/// [`Error::Bundle`](crate::Error::Bundle) with the field.
pub(super) fn manifest(bytes: &[u8], files: &BundleFiles) -> Result<Manifest> {
    let manifest = parse(bytes).map_err(|(field, what)| files.refuse(MANIFEST, field, what))?;
    let refuse = |(field, what)| files.refuse(MANIFEST, Some(field), what);
    validate(&manifest).map_err(refuse)?;
    models(&manifest).map_err(refuse)?;
    training_rows(&manifest).map_err(refuse)?;
    figures(&manifest).map_err(refuse)?;
    Ok(manifest)
}

type Refusal<Field> = (Field, String);

fn parse(bytes: &[u8]) -> std::result::Result<Manifest, Refusal<Option<String>>> {
    // The version first: a newer format may not parse.
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|e| (None, format!("not valid JSON: {e}")))?;
    let version = value.get("format_version").and_then(serde_json::Value::as_u64);
    if version.is_some_and(|v| v > u64::from(FORMAT_VERSION)) {
        return Err((
            Some("format_version".into()),
            format!(
                "format {} is newer than this program reads ({FORMAT_VERSION}); update lsmi-etl",
                version.unwrap_or_default()
            ),
        ));
    }
    let invalid = |e: serde_path_to_error::Error<serde_json::Error>| {
        (Some(e.path().to_string()), format!("{}; compare with schemas/bundle.schema.json", e.inner()))
    };
    if version.is_some_and(|v| v < 2) {
        return serde_path_to_error::deserialize(value).map(|read: Format1| read.into()).map_err(invalid);
    }
    serde_path_to_error::deserialize(value).map_err(invalid)
}

fn validate(manifest: &Manifest) -> std::result::Result<(), Refusal<String>> {
    let refuse = |field: &str, what: &str| Err((field.to_owned(), what.to_owned()));
    if !(2..=Lattice::MODALITIES).contains(&manifest.modalities.len()) {
        let what = format!(
            "must be two to {} modalities, and are {}; pack a bundle for each pair of them",
            Lattice::MODALITIES,
            manifest.modalities.len()
        );
        return refuse("modalities", &what);
    }
    for (m, modality) in manifest.modalities.iter().enumerate() {
        if modality.dim == 0 || modality.dim > MOST_VALUES {
            let what = format!("is {}, and must be 1 to {MOST_VALUES}; restore bundle.json", modality.dim);
            return refuse(&format!("modalities[{m}].dim"), &what);
        }
        if modality.units == Units::Centred && modality.mean_h_nats.is_none_or(|h| !h.is_finite()) {
            return refuse(&format!("modalities[{m}].mean_h_nats"), "centred units need the mean of h");
        }
    }
    let units = |modality: &Modality| modality.units;
    let other = manifest.modalities.windows(2).position(|pair| units(&pair[0]) != units(&pair[1]));
    if let Some(before) = other {
        let what = "all modalities must have the same convention";
        return refuse(&format!("modalities[{}].units", before + 1), what);
    }
    check_label(&manifest.label).map_err(|(field, what)| (format!("label.{field}"), what.to_owned()))
}

/// Checks classes and prior.
///
/// # Errors
/// The field that is wrong, and what it must be.
pub fn check_label(label: &Label) -> std::result::Result<(), (&'static str, &'static str)> {
    let Label { classes, prior, .. } = label;
    let distinct: HashSet<_> = classes.iter().collect();
    if classes.len() < 2 || distinct.len() != classes.len() {
        return Err(("classes", "must be two or more classes, all different"));
    }
    let mut kinds = classes.iter().map(std::mem::discriminant);
    let first = kinds.next();
    if kinds.any(|kind| Some(kind) != first) {
        return Err(("classes", "must be all integers, all strings or all booleans"));
    }
    if prior.len() != classes.len() {
        return Err(("prior", "must have one probability a class"));
    }
    let sum: f64 = prior.iter().sum();
    if prior.iter().any(|p| p.is_nan() || *p <= 0.0) || (sum - 1.0).abs() > 1e-6 {
        return Err(("prior", "must be positive probabilities that sum to one"));
    }
    Ok(())
}

/// Checks that the list of models has each main model once, and those of each fold.
fn models(manifest: &Manifest) -> std::result::Result<(), Refusal<String>> {
    let mut listed = HashSet::new();
    for (place, model) in manifest.models.iter().enumerate() {
        let refuse = |field: &str, what: String| Err((format!("models[{place}].{field}"), what));
        let count = manifest.modalities.len();
        let Some(role) = model.role(count) else {
            let (kind, sets) = match model.kind {
                ModelKind::Density => ("density", "sets but the one of all"),
                ModelKind::Classifier => ("classifier", "sets"),
            };
            let what = format!(
                "no {kind} of these modalities is evaluated: they must be one of the {sets} of the indices 0 to {}, \
                 ascending",
                count - 1
            );
            return refuse("modalities", what);
        };
        if model.output.is_some() == role.is_density() {
            let what =
                if role.is_density() { "a density has no output kind" } else { "must be log_prob or logits" };
            return refuse("output", what.to_owned());
        }
        let is_centred = manifest.modalities.iter().any(|modality| modality.units == Units::Centred);
        let needs_mean =
            is_centred && role.is_density() && role.modalities().len() > 1 && model.fold.is_none();
        if needs_mean && model.mean_h_nats.is_none_or(|h| !h.is_finite()) {
            return refuse("mean_h_nats", "centred units need the mean of h".to_owned());
        }
        if model.fold.is_some_and(|fold| fold >= MOST_FOLDS) {
            return refuse("fold", format!("must be below {MOST_FOLDS}"));
        }
        if !listed.insert((role, model.fold)) {
            return refuse("file", format!("a second {}; list each model once", role.file_name(model.fold)));
        }
    }
    for fold in std::iter::once(None).chain((0..manifest.folds()).map(Some)) {
        if let Some(role) = manifest.roles().into_iter().find(|role| !listed.contains(&(*role, fold))) {
            let of = fold.map_or("the main models have".to_owned(), |fold| format!("fold {fold} has"));
            return Err(("models".to_owned(), format!("{of} no {role}; restore bundle.json, or fit again")));
        }
    }
    Ok(())
}

/// Checks that the figures of a fit are of as many models as there are.
fn figures(manifest: &Manifest) -> std::result::Result<(), Refusal<String>> {
    let Some(training) = &manifest.training else { return Ok(()) };
    let (densities, classifiers): (Vec<Role>, Vec<Role>) =
        manifest.roles().into_iter().partition(|role| role.is_density());
    let found = [
        ("densities", training.validation.densities.len(), densities.len()),
        ("classifiers", training.validation.classifiers.len(), classifiers.len()),
    ];
    match found.into_iter().find(|(_, found, needed)| found != needed) {
        None => Ok(()),
        Some((kind, found, needed)) => Err((
            format!("training.validation.{kind}"),
            format!("{found} entries for {needed} {kind}; restore bundle.json, or fit again"),
        )),
    }
}

/// Checks that there is one filter of rows for each fold.
fn training_rows(manifest: &Manifest) -> std::result::Result<(), Refusal<String>> {
    let folds = manifest.folds();
    let Some(rows) = &manifest.training_rows else {
        return match folds {
            0 => Ok(()),
            _ => Err((
                "training_rows".to_owned(),
                "the models of folds need the rows of each; restore bundle.json, or fit again".to_owned(),
            )),
        };
    };
    if (rows.hash == RowHash::Xxh3OfKey) == rows.key.is_empty() {
        let what =
            "must name columns exactly where the hash is xxh3_64_of_key; restore bundle.json, or fit again";
        return Err(("training_rows.key".to_owned(), what.to_owned()));
    }
    if folds < 2 {
        return Err(("models".to_owned(), format!("{folds} folds; rows of training need two or more")));
    }
    let mut listed = HashSet::new();
    for (place, filter) in rows.filters.iter().enumerate() {
        if filter.fold >= folds || !listed.insert(filter.fold) {
            let what = format!("must be one for each of the {folds} folds");
            return Err((format!("training_rows.filters[{place}].fold"), what));
        }
    }
    if listed.len() != folds {
        let what = format!("{} filters for {folds} folds; restore bundle.json, or fit again", listed.len());
        return Err(("training_rows.filters".to_owned(), what));
    }
    Ok(())
}
