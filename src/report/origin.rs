//! The origin of a data set: the provenance of its files, merged.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::interaction::lattice::Lattice;
use crate::interaction::{MomentSummary, Moments};
use crate::provenance::{Adjustment, Provenance};
use crate::samples::FateCounts;

use super::parts::described;

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
    /// Columns of each modality.
    #[serde(flatten)]
    pub x: ModalityColumns,
    /// Label columns.
    pub labels: Vec<String>,
    /// SHA-256 of the inputs' footers; the first few.
    pub input_footer_sha256: Vec<String>,
    /// Shifts that were added to r and s and taken from u1 and u2, in nats.
    pub shifts_nats: Vec<f64>,
    /// Rows without values, by reason; none where a file has not the rows that its metadata speak of.
    pub bad_rows: Reasons,
    /// Rows that the models were trained on, evaluated by models that have not seen them; absent
    /// where no file tells, or one has not the rows that its metadata speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained_rows: Option<u64>,
    /// Whether all files have the rows that their metadata speak of, as far as their number tells.
    #[serde(skip)]
    pub(super) is_whole: bool,
    /// Moments of h of each modality, by the name of its column, of files whose metadata have them.
    #[serde(skip)]
    pub(super) h: BTreeMap<String, MomentSummary>,
}

/// Columns of each modality. In JSON the keys are x1, x2, …; the first two are always there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModalityColumns(pub Vec<Vec<String>>);

impl ModalityColumns {
    /// The columns of the modality of this index from 0.
    pub fn of(&self, index: usize) -> &[String] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }
}

impl Serialize for ModalityColumns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let listed = self.0.len().max(2);
        serializer.collect_map((0..listed).map(|index| (column_key(index), self.of(index))))
    }
}

impl JsonSchema for ModalityColumns {
    fn schema_name() -> Cow<'static, str> {
        "ModalityColumns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = serde_json::Map::new();
        for index in 0..Lattice::MODALITIES {
            let description = format!("Columns of modality {}.", index + 1);
            properties.insert(column_key(index), described::<Vec<String>>(generator, description));
        }
        json_schema!({
            "type": "object",
            "properties": properties,
            "required": [column_key(0), column_key(1)]
        })
    }
}

fn column_key(index: usize) -> String {
    format!("x{}", index + 1)
}

/// Maximum number of listed input hashes.
const LISTED_INPUTS: usize = 8;

/// Merges the provenance of file after file.
#[derive(Debug, Default)]
pub(super) struct OriginBuilder {
    silent_files: u64,
    sets: [BTreeSet<String>; 6],
    x: Vec<BTreeSet<String>>,
    hashes: Vec<String>,
    shifts_nats: Vec<f64>,
    fates: FateCounts,
    trained_rows: Option<u64>,
    /// Whether a file has other rows than its metadata speak of, or these of none.
    is_part: bool,
    h: BTreeMap<String, Moments>,
}

impl OriginBuilder {
    /// Adds the provenance of one file of so many rows.
    pub(super) fn add(&mut self, file: Provenance, rows: u64) {
        if file.version.is_none() {
            self.silent_files += 1;
            self.is_part = true;
            return;
        }
        let (x, label, hash) = match file.input {
            Some(input) => (input.x, Some(input.label), input.footer_sha256),
            None => (Vec::new(), None, None),
        };
        let Provenance { version, bundle_sha256, engine, units, adjust, .. } = file;
        let values = [version, bundle_sha256, engine, units, adjust, label];
        for (set, value) in self.sets.iter_mut().zip(values) {
            set.extend(value);
        }
        self.x.resize_with(self.x.len().max(x.len()), BTreeSet::new);
        for (set, column) in self.x.iter_mut().zip(x) {
            set.insert(column);
        }
        if self.hashes.len() < LISTED_INPUTS {
            self.hashes.extend(hash);
        }
        if let Some(Adjustment { shift_nats, .. }) = file.adjustment
            && !self.shifts_nats.contains(&shift_nats)
        {
            self.shifts_nats.push(shift_nats);
        }
        let h = file.information.into_iter().flatten().filter(|(name, _)| name.starts_with('h'));
        h.for_each(|(name, moments)| self.h.entry(name).or_default().merge(&Moments::from(&moments)));
        let fates = file.rows.unwrap_or_default();
        self.is_part |= fates.rows() != rows;
        self.fates.merge(&fates);
        if let Some(rows) = file.trained_rows {
            *self.trained_rows.get_or_insert(0) += rows;
        }
    }

    pub(super) fn finish(self) -> Origin {
        let [versions, bundle_sha256, engines, units, adjust, labels] =
            self.sets.map(|set| set.into_iter().collect());
        let bad = self.fates.bad_by_reason().into_iter().filter(|(_, rows)| *rows > 0 && !self.is_part);
        Origin {
            silent_files: self.silent_files,
            versions,
            bundle_sha256,
            engines,
            units,
            adjust,
            x: ModalityColumns(self.x.into_iter().map(|set| set.into_iter().collect()).collect()),
            labels,
            input_footer_sha256: self.hashes,
            shifts_nats: self.shifts_nats,
            bad_rows: bad.map(|(fate, rows)| (fate.name().to_owned(), rows)).collect(),
            trained_rows: self.trained_rows.filter(|_| !self.is_part),
            is_whole: !self.is_part,
            h: self.h.into_iter().map(|(name, moments)| (name, moments.summary())).collect(),
        }
    }
}

impl Origin {
    /// Whether the parts were shifted by a constant of the data set, as far as is known.
    pub(super) fn is_adjusted(&self) -> bool {
        self.adjust.iter().any(|adjust| adjust != "none")
    }
}
