//! The names of the key-values. No other room contains these strings. Those of columns with a prefix have it
//! behind the first point: `lsmi_etl.img_txt_.version`.

use crate::interaction::ColumnPrefix;

/// What all names begin with.
const PROGRAM: &str = "lsmi_etl.";

/// The version of this program.
pub(super) const VERSION: &str = "lsmi_etl.version";
/// SHA-256 of the bundle's manifest.
pub(super) const BUNDLE_SHA256: &str = "lsmi_etl.bundle_sha256";
/// JSON of an [`InputOrigin`](super::InputOrigin).
pub(super) const INPUT: &str = "lsmi_etl.input";
/// `none` or `dataset`.
pub(super) const ADJUST: &str = "lsmi_etl.adjust";
/// The constant by which the columns were shifted, in nats.
pub(super) const SHIFT_NATS: &str = "lsmi_etl.shift_nats";
/// `spliced` or `re-encoded`.
pub(super) const WRITTEN: &str = "lsmi_etl.written";
/// "NAME (VERSION) on DEVICE".
pub(super) const ENGINE: &str = "lsmi_etl.engine";
/// `raw` or `centred`.
pub(super) const UNITS: &str = "lsmi_etl.units";
/// JSON of the computed columns and their moments.
pub(super) const COLUMNS: &str = "lsmi_etl.columns";
/// JSON of the moments of h of each modality and, of more than two, of i of each and of all.
pub(super) const INFORMATION: &str = "lsmi_etl.information";
/// JSON of the rows by fate.
pub(super) const ROWS: &str = "lsmi_etl.rows";
/// Good rows that the models were trained on, evaluated by those of a fold.
pub(super) const TRAINED_ROWS: &str = "lsmi_etl.trained_rows";
/// `reduce`, where rows that lack a modality have the values of the others.
pub(super) const ON_MISSING_MODALITY: &str = "lsmi_etl.on_missing_modality";
/// Good rows that lack a modality.
pub(super) const REDUCED_ROWS: &str = "lsmi_etl.reduced_rows";
/// JSON of an [`Adjustment`](super::Adjustment).
pub(super) const ADJUSTMENT: &str = "lsmi_etl.adjustment";
/// The file's [`UnshiftedMeans`](super::UnshiftedMeans), where there was a shift.
pub(super) const UNSHIFTED: &str = "lsmi_etl.unshifted";

/// All of them that are of computed columns.
pub(super) const ALL: [&str; 16] = [
    VERSION,
    BUNDLE_SHA256,
    INPUT,
    ADJUST,
    SHIFT_NATS,
    WRITTEN,
    ENGINE,
    UNITS,
    COLUMNS,
    INFORMATION,
    ROWS,
    TRAINED_ROWS,
    ON_MISSING_MODALITY,
    REDUCED_ROWS,
    ADJUSTMENT,
    UNSHIFTED,
];

/// The generator and settings of synthetic data, in files that `synth` writes.
pub const SYNTH: &str = "lsmi_etl.synth";

/// The inputs and options of a split, in its parts.
pub const SPLIT: &str = "lsmi_etl.split";

/// The name of a key-value of the columns of a prefix.
pub(super) fn of(prefix: &ColumnPrefix, key: &str) -> String {
    match key.strip_prefix(PROGRAM) {
        Some(rest) if !prefix.is_empty() => format!("{PROGRAM}{prefix}.{rest}"),
        _ => key.to_owned(),
    }
}

/// The prefix in a name of this key, empty where there is none; `None` of another name.
pub(super) fn prefix_of<'a>(name: &'a str, key: &str) -> Option<&'a str> {
    if name == key {
        return Some("");
    }
    let rest = name.strip_prefix(PROGRAM)?.strip_suffix(key.strip_prefix(PROGRAM)?)?;
    rest.strip_suffix('.')
}
