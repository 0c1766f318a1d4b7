//! How annotated files were made: the `lsmi_etl.*` key-values of their footers, put
//! together over all files of a data set.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::parquet_file::Input;
use crate::samples::FateCounts;

/// Bad rows by reason, as the files' metadata tell, zeros left out.
pub type Reasons = BTreeMap<String, u64>;

/// What the files' metadata tell. A list has one entry where all files tell the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Origin {
    /// Files whose metadata tell nothing.
    pub silent_files: u64,
    /// Versions of lsmi-etl that computed the values.
    pub versions: Vec<String>,
    /// SHA-256 of the bundles' manifests.
    pub bundle_sha256: Vec<String>,
    /// Engines, as "NAME (VERSION) on DEVICE".
    pub engines: Vec<String>,
    /// Conventions of h: raw or centred.
    pub units: Vec<String>,
    /// Adjustments of the data set: none or dataset.
    pub adjust: Vec<String>,
    /// Columns of modality 1.
    pub x1: Vec<String>,
    /// Columns of modality 2.
    pub x2: Vec<String>,
    /// Label columns.
    pub labels: Vec<String>,
    /// SHA-256 of the inputs' footers; the first few.
    pub input_footer_sha256: Vec<String>,
    /// Shifts that were added to r and s and taken from u1 and u2, in nats.
    pub shifts_nats: Vec<f64>,
    /// Rows without values, by reason.
    pub bad_rows: Reasons,
}

/// Inputs whose hash is listed; of more there is only a number.
const LISTED_INPUTS: usize = 8;

#[derive(Deserialize)]
struct InputKey {
    footer_sha256: String,
    x1: String,
    x2: String,
    label: String,
}

#[derive(Deserialize)]
struct AdjustmentKey {
    shift_nats: f64,
}

/// Gathers what file after file tells.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    silent_files: u64,
    sets: [BTreeSet<String>; 8],
    hashes: Vec<String>,
    shifts_nats: Vec<f64>,
    fates: FateCounts,
}

impl Gatherer {
    /// Takes in one file's metadata.
    pub(super) fn add(&mut self, input: &Input) {
        let pairs = input.metadata().file_metadata().key_value_metadata();
        let found = |key: &str| {
            let mut pairs = pairs.into_iter().flatten();
            pairs.find(|pair| pair.key.strip_prefix("lsmi_etl.") == Some(key))?.value.clone()
        };
        if found("version").is_none() {
            self.silent_files += 1;
            return;
        }
        let origin: Option<InputKey> = found("input").and_then(|json| serde_json::from_str(&json).ok());
        let (x1, x2, label, hash) = match origin {
            Some(key) => (Some(key.x1), Some(key.x2), Some(key.label), Some(key.footer_sha256)),
            None => (None, None, None, None),
        };
        let values = [
            found("version"),
            found("bundle_sha256"),
            found("engine"),
            found("units"),
            found("adjust"),
            x1,
            x2,
            label,
        ];
        for (set, value) in self.sets.iter_mut().zip(values) {
            set.extend(value);
        }
        if self.hashes.len() < LISTED_INPUTS {
            self.hashes.extend(hash);
        }
        let adjustment: Option<AdjustmentKey> =
            found("adjustment").and_then(|json| serde_json::from_str(&json).ok());
        if let Some(AdjustmentKey { shift_nats }) = adjustment
            && !self.shifts_nats.contains(&shift_nats)
        {
            self.shifts_nats.push(shift_nats);
        }
        let fates: Option<FateCounts> = found("rows").and_then(|json| serde_json::from_str(&json).ok());
        self.fates.merge(&fates.unwrap_or_default());
    }

    pub(super) fn finish(self) -> Origin {
        let [versions, bundle_sha256, engines, units, adjust, x1, x2, labels] =
            self.sets.map(|set| set.into_iter().collect());
        let bad = self.fates.bad_by_reason().into_iter().filter(|(_, rows)| *rows > 0);
        Origin {
            silent_files: self.silent_files,
            versions,
            bundle_sha256,
            engines,
            units,
            adjust,
            x1,
            x2,
            labels,
            input_footer_sha256: self.hashes,
            shifts_nats: self.shifts_nats,
            bad_rows: bad.map(|(fate, rows)| (fate.name().to_owned(), rows)).collect(),
        }
    }
}

impl Origin {
    /// Whether the parts were shifted by a constant of the data set, as far as is known.
    pub(super) fn is_adjusted(&self) -> bool {
        self.adjust.iter().any(|adjust| adjust != "none")
    }
}
