//! The settings of a report: the flags of `report`, and the table `report` of a pipeline file.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::memory::ByteSize;
use crate::report::{LinkTemplate, ReportOptions};
use crate::sql;

/// Samples in each list where nothing else is said.
const SAMPLES: u16 = 8;

/// What a report shows and where it goes.
#[derive(Debug, Clone, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSettings {
    /// The file to write, or - for stdout [default: report.html; stdout with --format json;
    /// nothing with --svg]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Write the pictures alone into a folder, as SVG
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
    /// Another run or date to show beside it: a file, a folder or a glob; may be repeated
    /// for its parts
    #[arg(long, value_name = "OTHER")]
    pub compare: Vec<PathBuf>,
    /// The heading [default: the input's name]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Label column [default: the one that annotate read]
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// Columns by which a sample is known [default: id and key where there; else its row]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub key: Vec<String>,
    /// A link for each sample, with columns in braces: 'https://host/{id}.jpg'
    #[arg(long, value_name = "URL")]
    pub link_template: Option<String>,
    /// Samples in each list
    #[arg(long, value_name = "N", default_value_t = SAMPLES,
          value_parser = clap::value_parser!(u16).range(0..=i64::from(Self::MOST_SAMPLES)))]
    #[schemars(range(max = 1000))]
    pub samples: u16,
    /// The models, for their validation figures [default: ./lsmi-bundle, where the files
    /// were computed by it]
    #[arg(long, env = "LSMI_ETL_BUNDLE", value_name = "DIR")]
    pub bundle: Option<PathBuf>,
    /// Memory for grouping (512MiB, 4GiB); past it, it spills to disk
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<ByteSize>,
    /// Worker threads [default: the machine's cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportFormat {
    /// One page that shows everything
    #[default]
    Html,
    /// The numbers behind every picture
    Json,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self {
            output: None,
            format: ReportFormat::default(),
            svg: None,
            compare: Vec::new(),
            title: None,
            label: None,
            key: Vec::new(),
            link_template: None,
            samples: SAMPLES,
            bundle: None,
            memory_limit: None,
            threads: None,
        }
    }
}

impl ReportSettings {
    /// As many samples are listed at most.
    pub const MOST_SAMPLES: u16 = 1000;

    /// The file to write, `-` for stdout; nothing where only pictures are asked for.
    pub fn written(&self) -> Option<&Path> {
        let default = match (self.format, &self.svg) {
            (ReportFormat::Json, _) => Some("-"),
            (ReportFormat::Html, Some(_)) => None,
            (ReportFormat::Html, None) => Some("report.html"),
        };
        self.output.as_deref().or(default.map(Path::new))
    }

    /// What a report of these files is told.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage) where the link's template is none.
    pub fn options(&self, inputs: &[PathBuf]) -> Result<ReportOptions> {
        Ok(ReportOptions {
            inputs: inputs.to_vec(),
            compare: self.compare.clone(),
            label: self.label.clone(),
            key: self.key.clone(),
            link: self.link_template.as_deref().map(LinkTemplate::parse).transpose()?,
            samples: usize::from(self.samples),
            title: self.title.clone(),
            session: sql::SqlOptions {
                threads: self.threads,
                memory_limit_bytes: self
                    .memory_limit
                    .map(|size| usize::try_from(size.0).unwrap_or(usize::MAX)),
                ..sql::SqlOptions::default()
            },
        })
    }
}
