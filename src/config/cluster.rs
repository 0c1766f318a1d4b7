//! The settings of a cluster: flags of the commands that run on one, and the table `cluster` of a pipeline
//! file.

use clap::{ArgMatches, Args};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "cluster")]
use crate::cluster::ClusterAddress;
use crate::error::{Error, Result};

use super::resolve::{SettingOrigin, given};

/// Without the feature an address is refused, whatever it is.
#[cfg(not(feature = "cluster"))]
type ClusterAddress = String;

/// The cluster to run on.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize, JsonSchema)]
#[command(next_help_heading = "Cluster")]
#[serde(default, deny_unknown_fields)]
pub struct ClusterArgs {
    /// Run on a cluster: HOST:PORT of `lsmi-etl cluster scheduler`, or local:N with N executors in this process
    ///
    /// Executors read and write the files themselves, under the same paths or URLs, with the credentials
    /// of their own environment. A local bundle of up to 64 MiB is sent to them; they open a larger one,
    /// or that of a URL, themselves.
    #[arg(
        long = "cluster",
        env = "LSMI_ETL_CLUSTER",
        value_name = "HOST:PORT|local:N",
        hide_env = true,
        hide = cfg!(not(feature = "cluster"))
    )]
    #[schemars(with = "Option<String>")]
    scheduler: Option<ClusterAddress>,
    /// Where the scheduler was named.
    #[arg(skip)]
    #[serde(skip)]
    origin: Option<SettingOrigin>,
}

impl ClusterArgs {
    /// The cluster, where there is one.
    #[cfg(feature = "cluster")]
    pub fn address(&self) -> Option<&ClusterAddress> {
        self.scheduler.as_ref()
    }

    /// Whether a cluster is named.
    pub fn is_named(&self) -> bool {
        self.scheduler.is_some()
    }

    /// Keeps from which flag or variable the scheduler is, for messages.
    pub fn locate(&mut self, matches: &ArgMatches) {
        self.origin = given(matches, "scheduler");
    }

    /// These settings of that origin.
    #[must_use]
    pub(super) fn of(self, origin: Option<SettingOrigin>) -> Self {
        Self { origin, ..self }
    }

    /// Refuses a cluster where this program can run on none.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_feature(&self) -> Result<()> {
        match self.is_named() && cfg!(not(feature = "cluster")) {
            true => Err(self.refusal("this program was built without the feature `cluster`")),
            false => Ok(()),
        }
    }

    /// The error of what a cluster does not do; says where the cluster was named.
    pub fn refusal(&self, why: &str) -> Error {
        let remedy = match &self.origin {
            Some(SettingOrigin::Environment(name)) => format!("unset {name}"),
            Some(SettingOrigin::File(line)) => {
                format!("omit `scheduler` in line {line} of the pipeline file")
            }
            Some(SettingOrigin::Flag(_) | SettingOrigin::Default) | None => "omit --cluster".to_owned(),
        };
        Error::Usage(format!("{why}; {remedy}"))
    }
}
