//! The origin of a data set: the provenance of its files, merged.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::provenance::{Adjustment, Provenance};
use crate::samples::FateCounts;

/// Bad rows by reason, according to the files' metadata; zeros are omitted.
pub type Reasons = BTreeMap<String, u64>;

/// Provenance according to the files' metadata. A list has one entry where all files agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Origin {
    /// Files without such metadata.
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
    /// Rows that the models were trained on, evaluated by models that have not seen them; absent
    /// where no file tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_rows: Option<u64>,
}

/// Maximum number of listed input hashes.
const LISTED_INPUTS: usize = 8;

/// Merges the provenance of file after file.
#[derive(Debug, Default)]
pub(super) struct OriginBuilder {
    silent_files: u64,
    sets: [BTreeSet<String>; 8],
    hashes: Vec<String>,
    shifts_nats: Vec<f64>,
    fates: FateCounts,
    trained_rows: Option<u64>,
}

impl OriginBuilder {
    /// Adds one file's provenance.
    pub(super) fn add(&mut self, file: Provenance) {
        if file.version.is_none() {
            self.silent_files += 1;
            return;
        }
        let (mut x, label, hash) = match file.input {
            Some(input) => (input.x.into_iter(), Some(input.label), input.footer_sha256),
            None => (Vec::new().into_iter(), None, None),
        };
        let (x1, x2) = (x.next(), x.next());
        let Provenance { version, bundle_sha256, engine, units, adjust, .. } = file;
        let values = [version, bundle_sha256, engine, units, adjust, x1, x2, label];
        for (set, value) in self.sets.iter_mut().zip(values) {
            set.extend(value);
        }
        if self.hashes.len() < LISTED_INPUTS {
            self.hashes.extend(hash);
        }
        if let Some(Adjustment { shift_nats, .. }) = file.adjustment
            && !self.shifts_nats.contains(&shift_nats)
        {
            self.shifts_nats.push(shift_nats);
        }
        self.fates.merge(&file.rows.unwrap_or_default());
        if let Some(rows) = file.trained_rows {
            *self.trained_rows.get_or_insert(0) += rows;
        }
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
            trained_rows: self.trained_rows,
        }
    }
}

impl Origin {
    /// Whether the parts were shifted by a constant of the data set, as far as is known.
    pub(super) fn is_adjusted(&self) -> bool {
        self.adjust.iter().any(|adjust| adjust != "none")
    }
}
