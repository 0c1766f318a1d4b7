//! The settings of `annotate`: flags of `annotate` and `run`, and the table `annotate` of a
//! pipeline file.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::annotate::{
    Adjust, AnnotateOptions, ColumnName, ColumnPrefix, MaxBadRows, OnBadFile, OnBadRow, OnMissingModality,
    OnShift,
};
use crate::error::Result;
use crate::memory::{ByteSize, MemoryLimit};
use crate::parquet_file::EncryptionKeys;
use crate::storage::Share;

use super::bundle_path::{BundlePath, DEFAULT_BUNDLE};
use super::column_list::ColumnList;

/// The columns to read and to add, the handling of bad rows, and the resources of a run.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnnotateSettings {
    /// Bundle of models: a folder or a URL (s3://, gs://, az://, http(s)://)
    #[arg(long, env = "LSMI_ETL_BUNDLE", hide_env_values = true, default_value = DEFAULT_BUNDLE, value_name = "DIR|URL")]
    #[schemars(with = "PathBuf")]
    pub bundle: BundlePath,
    /// Embedding column of the first modality [default: the bundle's]
    #[arg(long, value_name = "COLUMN", env = "LSMI_ETL_X1", hide_env = true)]
    pub x1: Option<String>,
    /// Embedding column of the second modality [default: the bundle's]
    #[arg(long, value_name = "COLUMN", env = "LSMI_ETL_X2", hide_env = true)]
    pub x2: Option<String>,
    /// Embedding column, given once for each modality in the bundle's order [default: the bundle's]
    ///
    /// Instead of --x1 and --x2. On the command line and in the environment commas separate names, as in
    /// image,text,audio; a name with a comma in it stands in double quotes: '"a,b",text'.
    #[arg(long, value_name = "COLUMN,…", env = "LSMI_ETL_X", hide_env = true)]
    #[serde(with = "super::column_list")]
    #[schemars(with = "Vec<String>")]
    pub x: Vec<ColumnList>,
    /// Label column [default: the bundle's]
    #[arg(long, value_name = "COLUMN", env = "LSMI_ETL_LABEL", hide_env = true)]
    pub label: Option<String>,
    /// Read no label: r, u1, u2, s and --columns are expectations over the label given all modalities
    ///
    /// By p(y|x1,x2) of the bundle's classifier, whose entropy is the column label_entropy. Every class
    /// is evaluated, so that C classes take up to C times as long.
    #[arg(long, env = "LSMI_ETL_LABEL_FREE", hide_env = true, conflicts_with = "label")]
    pub label_free: bool,
    /// Additional columns: i1, i2, i12, h1, h2, prior_y, p_y1, p_y2, p_y12, top_class, p_top, fold
    ///
    /// Of three modalities i_1 to i_123, h_1 to h_23, atoms (all 18 atoms of the redundancy lattice, 166
    /// of four modalities), or one of them, such as a_1_23.
    ///
    /// prior_y is the share of the label's class among the training rows; p_y1, p_y2 and p_y12 (of three p_y_1 to
    /// p_y_123) are the probabilities that the models give to the label. top_class is the class that the joint model
    /// finds most probable, an integer, string or boolean, and p_top its probability.
    ///
    /// The fold is null for rows that the models were not trained on. A row that they were trained on
    /// is evaluated by the models of its fold, which have not seen it.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', env = "LSMI_ETL_COLUMNS", hide_env = true)]
    pub columns: Vec<ColumnName>,
    /// Prefix of the names of all new columns, such as img_txt_
    ///
    /// A table can then be annotated by several bundles: each set of columns has its prefix, and its own keys
    /// of origin in the footer. `report --prefix` reads one of them.
    #[arg(long, value_name = "PREFIX", env = "LSMI_ETL_PREFIX", hide_env = true)]
    pub prefix: Option<ColumnPrefix>,
    /// Replace the columns of an earlier annotate, in place of an error
    ///
    /// Those of the same prefix that an earlier annotate has written are left out of the output, also those that this
    /// one does not write, and the new ones stand behind all others; likewise columns of other origin that have the
    /// name of a new one and hold numbers.
    #[arg(long, env = "LSMI_ETL_REPLACE_COLUMNS", hide_env = true)]
    pub replace_columns: bool,
    /// Also r, u and s of every pair of more than two modalities on its own: r_12, u1_12, u2_12, s_12 …
    #[arg(long, env = "LSMI_ETL_PAIRS", hide_env = true)]
    pub pairs: bool,
    /// Keys of encrypted files: a JSON file with footer_key, column_keys and aad_prefix
    ///
    /// For example {"footer_key": "30313233343536373839303132333435", "column_keys":
    /// {"x1": "MDEyMzQ1Njc4OTAxMjM0NQ=="}}: keys of 16 or 32 bytes, hexadecimal or base64;
    /// column_keys only if columns have their own keys, aad_prefix only if the files need one. Keys
    /// wrapped by a key management service must be unwrapped first. The file may be a pipe. An
    /// encrypted input is not copied but decoded and encoded again, and the output is encrypted with
    /// the same keys; the new columns use the key of the label, else of x1, else of x2. Until a run
    /// is complete, its journal holds the computed values unencrypted, readable by its owner only.
    #[arg(long, env = "LSMI_ETL_PARQUET_KEYS", value_name = "FILE")]
    pub parquet_keys: Option<PathBuf>,
    /// Do not compare the pages of the input with their checksums, where they have any
    ///
    /// The comparison takes 4 to 9 % of the CPU time where the models are small, and nothing of files
    /// without checksums. Without it, damage that still decodes goes unnoticed.
    #[arg(long, env = "LSMI_ETL_NO_PAGE_CHECKSUMS", hide_env = true)]
    pub no_page_checksums: bool,
    /// Handling of a row whose embedding of some modality, and not of all, is null
    ///
    /// With reduce, r, u and s are those of the modalities that the row has, by the models of these; the
    /// uniqueness of a missing one is null, and of a single one r and s are. Such rows are counted.
    #[arg(long, value_enum, default_value = "null", env = "LSMI_ETL_ON_MISSING_MODALITY", hide_env = true)]
    pub on_missing_modality: OnMissingModality,
    /// Handling of a bad row (null, NaN, wrong length, unknown label)
    #[arg(long, value_enum, default_value = "null", env = "LSMI_ETL_ON_BAD_ROW", hide_env = true)]
    pub on_bad_row: OnBadRow,
    /// Write the bad rows to a file (file, row_group, row, reason, label), or to a folder of Parquet files
    /// if there are several inputs
    ///
    /// The file is Parquet, or CSV or lines of JSON where its name ends in .csv or .ndjson.
    #[arg(long, value_name = "PATH", env = "LSMI_ETL_REJECTS", hide_env = true)]
    pub rejects: Option<PathBuf>,
    /// Maximum number or share (0.5%) of bad rows of a file before it fails, and the run with exit code 65
    #[arg(long, value_name = "N|P%", env = "LSMI_ETL_MAX_BAD_ROWS", hide_env = true)]
    pub max_bad_rows: Option<MaxBadRows>,
    /// Handling of a bad file of a folder or glob: empty, not Parquet, damaged, without the columns
    ///
    /// The other files are annotated in either case, and each bad file is named. With fail, the run
    /// then ends with exit code 65; with skip, it ends with 0, unless none of its files could be
    /// annotated. A file with too many bad rows is not a bad file: see --max-bad-rows.
    #[arg(long, value_enum, default_value = "fail", env = "LSMI_ETL_ON_BAD_FILE", hide_env = true)]
    pub on_bad_file: OnBadFile,
    /// Handling of rows that the models do not describe: mean information below zero, or far below
    /// that of the fit's validation rows; mean h of a modality far from theirs
    ///
    /// Another bundle, swapped columns, embeddings on another scale or drift look like that. With warn, the
    /// log and the summary say it; with fail, the file is a bad file and gets no output.
    #[arg(long, value_enum, default_value = "warn", env = "LSMI_ETL_ON_SHIFT", hide_env = true)]
    pub on_shift: OnShift,
    /// Shift r, u1, u2 and s by one constant so that their means are not negative
    ///
    /// As in the reference implementation: if the mean R or S is negative, -min(R, S) is added to r
    /// and s and subtracted from u1 and u2; else if U1 or U2 is negative, min(U1, U2) is. In the second
    /// case the means become R = min(I1, I2), the smaller U = 0 and S = I12 - max(I1, I2), which no
    /// longer depend on the density models. All rows of all files are computed before the first file
    /// is written; a file that is added later and changes the constant causes all files to be
    /// computed and written again. Bad files (--on-bad-file) do not count for the constant. For two
    /// modalities: of more, one constant among r, u1 ... uM and s would change the information of sets of
    /// them, and the reference has no adjustment; take a bundle of two of them.
    #[arg(long, value_enum, default_value = "none", env = "LSMI_ETL_ADJUST", hide_env = true)]
    pub adjust: Adjust,
    /// Replace an existing output
    #[arg(long, env = "LSMI_ETL_OVERWRITE", hide_env = true)]
    pub overwrite: bool,
    /// Compare all of every input with the output that was made of it, before it is taken for done
    ///
    /// An output is taken for done where the footer of its input is the same and the input, by its
    /// times, is older; and where a sample of the columns is the same, a megabyte of blocks from all of
    /// them. If the input may be newer, all columns are compared in any case. The sample does not tell a
    /// few changed rows in a folder that was put in another's place with all its times.
    #[arg(long, env = "LSMI_ETL_VERIFY_INPUTS", hide_env = true)]
    pub verify_inputs: bool,
    /// Discard the journal of an unfinished run
    #[arg(long, env = "LSMI_ETL_RESTART", hide_env = true)]
    pub restart: bool,
    /// Memory limit for batches, such as 2GiB [default: a quarter of the machine's memory]
    #[arg(long, value_name = "SIZE", env = "LSMI_ETL_MEMORY_LIMIT", hide_env = true)]
    pub memory_limit: Option<MemoryLimit>,
    /// Number of workers, each with a single-threaded session [default: cores; three per GPU]
    #[arg(long, value_name = "N", env = "LSMI_ETL_WORKERS", hide_env = true)]
    pub workers: Option<NonZeroU16>,
    /// Rows per batch [default: by the dimensions; tuned by a trial at the start of long runs]
    #[arg(long, value_name = "N", env = "LSMI_ETL_BATCH_ROWS", hide_env = true)]
    pub batch_rows: Option<NonZeroU32>,
    /// Process the I-th of N shares of the files, balanced by bytes: for array jobs
    #[arg(long, value_name = "I/N", env = "LSMI_ETL_FILES_PER_JOB", hide_env = true)]
    pub files_per_job: Option<Share>,
    /// Size of a file beyond which a cluster divides its row groups among executors, such as 2GiB [default: 8GiB]
    #[arg(
        long,
        value_name = "SIZE",
        env = "LSMI_ETL_UNIT_BYTES",
        hide_env = true,
        hide = cfg!(not(feature = "cluster"))
    )]
    pub unit_bytes: Option<ByteSize>,
    /// Exit code if there is nothing to do: the folder or glob has no file, all are annotated already, or
    /// none has rows [default: 66 if it has no file, else 0]
    #[arg(long, value_enum, value_name = "CODE", env = "LSMI_ETL_IF_NOTHING", hide_env = true)]
    pub if_nothing: Option<IfNothing>,
    /// Write metrics for Prometheus to a file, also if the run fails
    ///
    /// For the textfile collector of node_exporter, such as
    /// /var/lib/node_exporter/textfile/nightly.prom; the series have the label pipeline="nightly".
    #[arg(long, env = "LSMI_ETL_METRICS", value_name = "PATH", hide_env = true)]
    pub metrics: Option<PathBuf>,
}

/// The exit code of a run that had nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IfNothing {
    /// 0, as after a successful run
    Exit0,
    /// 99, which Airflow treats as skipped
    Exit99,
}

impl AnnotateSettings {
    /// The columns of the modalities, `None` where one is not named.
    fn embeddings(&self) -> Vec<Option<String>> {
        if self.x.is_empty() {
            return vec![self.x1.clone(), self.x2.clone()];
        }
        ColumnList::names(&self.x).into_iter().map(Some).collect()
    }

    /// Whether the prior is asked for by its former name.
    pub fn asks_for_former_prior(&self) -> bool {
        self.columns.iter().any(ColumnName::is_former_prior)
    }

    /// The options of a run, with the keys read from their file.
    ///
    /// # Errors
    /// As for [`EncryptionKeys::open`].
    pub fn options(&self) -> Result<AnnotateOptions> {
        let mut extras = Vec::new();
        for column in &self.columns {
            if !extras.contains(column) {
                extras.push(column.clone());
            }
        }
        Ok(AnnotateOptions {
            x: self.embeddings(),
            label: self.label.clone(),
            keys: self.parquet_keys.as_deref().map(EncryptionKeys::open).transpose()?,
            extras,
            prefix: self.prefix.clone().unwrap_or_default(),
            replace_columns: self.replace_columns,
            pairs: self.pairs,
            no_page_checksums: self.no_page_checksums,
            on_missing: self.on_missing_modality,
            on_bad_row: self.on_bad_row,
            on_shift: self.on_shift,
            label_free: self.label_free,
            max_bad_rows: self.max_bad_rows,
            rejects: self.rejects.clone(),
            adjust: self.adjust,
            overwrite: self.overwrite,
            verify_inputs: self.verify_inputs,
            restart: self.restart,
            new_columns_only: false,
            memory_limit_bytes: self.memory_limit.map(|size| size.0),
            workers: self.workers.map(|n| usize::from(n.get())),
            batch_rows: self.batch_rows.map(|n| n.get() as usize),
        })
    }
}
