//! The settings of a report: flags of `report`, and the table `report` of a pipeline file.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::annotate::ColumnPrefix;
use crate::error::{Error, Result};
use crate::memory::MemoryLimit;
use crate::report::{LinkTemplate, ReportOptions};
use crate::sql;
use crate::storage::FileEnding;

use super::bundle_path::BundlePath;

/// The default number of samples per list.
const SAMPLES: u16 = 8;

/// The contents and the outputs of a report.
#[derive(Debug, Clone, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSettings {
    /// File to write, or - for stdout [default: report.html; stdout with --format json; none with
    /// --svg]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Output format [default: by the ending of --output, else html]
    #[arg(long, value_enum)]
    pub format: Option<ReportFormat>,
    /// Write only the pictures, as SVG files in a folder
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
    /// Another run or date to compare with: a file, a folder or a glob; may be repeated for several
    /// parts
    #[arg(long, value_name = "OTHER")]
    pub compare: Vec<PathBuf>,
    /// Heading [default: name of the input]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Label column [default: from the metadata of the files]
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// Prefix of the columns of values, as given to annotate
    #[arg(long, value_name = "PREFIX", env = "LSMI_ETL_PREFIX", hide_env = true)]
    pub prefix: Option<ColumnPrefix>,
    /// Columns that identify a sample [default: id and key if present, else the row number]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub key: Vec<String>,
    /// Link template for samples, with columns in braces: 'https://host/{id}.jpg'
    #[arg(long, value_name = "URL")]
    pub link_template: Option<String>,
    /// Number of samples per list
    #[arg(long, value_name = "N", default_value_t = SAMPLES,
          value_parser = clap::value_parser!(u16).range(0..=i64::from(Self::MOST_SAMPLES)))]
    #[schemars(range(max = 1000))]
    pub samples: u16,
    /// Bundle whose validation figures are shown: a folder or a URL [default: ./lsmi-bundle, if it
    /// computed the files]
    #[arg(long, env = "LSMI_ETL_BUNDLE", hide_env_values = true, value_name = "DIR|URL")]
    #[schemars(with = "Option<PathBuf>")]
    pub bundle: Option<BundlePath>,
    /// Do not compare pages with their checksums, as described for annotate
    #[arg(long, env = "LSMI_ETL_NO_PAGE_CHECKSUMS", hide_env = true)]
    pub no_page_checksums: bool,
    /// Memory limit for grouping (512MiB, 4GiB), beyond which it spills to disk
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<MemoryLimit>,
    /// Worker threads [default: number of cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// The output format of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportFormat {
    /// One self-contained page
    #[default]
    Html,
    /// The numbers of all charts and tables
    Json,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self {
            output: None,
            format: None,
            svg: None,
            compare: Vec::new(),
            title: None,
            label: None,
            prefix: None,
            key: Vec::new(),
            link_template: None,
            samples: SAMPLES,
            bundle: None,
            no_page_checksums: false,
            memory_limit: None,
            threads: None,
        }
    }
}

impl ReportSettings {
    /// The maximum number of samples per list.
    pub const MOST_SAMPLES: u16 = 1000;

    /// The format asked for, else that of the output's ending, else a page.
    pub fn format(&self) -> ReportFormat {
        let ending = self.output.as_deref().and_then(FileEnding::of);
        self.format.unwrap_or(match ending {
            Some(FileEnding::Json) => ReportFormat::Json,
            _ => ReportFormat::Html,
        })
    }

    /// Checks that the ending of the output tells no other format.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_ending(&self) -> Result<()> {
        let (format, what) = match self.format() {
            ReportFormat::Html => (FileEnding::Html, "the report is a page"),
            ReportFormat::Json => (FileEnding::Json, "the report is JSON (--format json)"),
        };
        let advice = match self.format {
            None => "name it .html, or .json for the numbers",
            Some(ReportFormat::Html) => "name it .html, or leave the format out",
            Some(ReportFormat::Json) => "name it .json, or leave the format out",
        };
        self.output.as_deref().map_or(Ok(()), |output| FileEnding::check(output, Some(format), what, advice))
    }

    /// Checks that the folder of the pictures is no file.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_pictures(&self) -> Result<()> {
        match self.svg.as_deref().filter(|folder| folder.is_file()) {
            None => Ok(()),
            Some(file) => Err(Error::Usage(format!(
                "{}: is a file, and the pictures are written into a folder; name another",
                file.display()
            ))),
        }
    }

    /// The file to write, `-` for stdout; `None` if only pictures are written.
    pub fn written(&self) -> Option<&Path> {
        let default = match (self.format(), &self.svg) {
            (ReportFormat::Json, _) => Some("-"),
            (ReportFormat::Html, Some(_)) => None,
            (ReportFormat::Html, None) => Some("report.html"),
        };
        self.output.as_deref().or(default.map(Path::new))
    }

    /// The options of a report of these files.
    ///
    /// # Errors
    /// [`Error::Usage`] where the link template is invalid.
    pub fn options(&self, inputs: &[PathBuf]) -> Result<ReportOptions> {
        Ok(ReportOptions {
            inputs: inputs.to_vec(),
            compare: self.compare.clone(),
            label: self.label.clone(),
            prefix: self.prefix.clone().unwrap_or_default(),
            key: self.key.clone(),
            link: self.link_template.as_deref().map(LinkTemplate::parse).transpose()?,
            samples: usize::from(self.samples),
            title: self.title.clone(),
            session: sql::SqlOptions {
                threads: self.threads,
                no_page_checksums: self.no_page_checksums,
                memory_limit_bytes: self
                    .memory_limit
                    .map(|size| usize::try_from(size.0).unwrap_or(usize::MAX)),
                ..sql::SqlOptions::default()
            },
        })
    }
}
