//! The settings of a cluster: flags of the commands that run on one.

use clap::Args;

use crate::cluster::ClusterAddress;

/// The cluster to run on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Run on a cluster: HOST:PORT of `lsmi-etl cluster scheduler`, or local:N with N executors in this process
    ///
    /// Executors read and write the files themselves, under the same paths or URLs, with the credentials
    /// of their own environment. A local bundle of up to 64 MiB is sent to them; they open a larger one,
    /// or that of a URL, themselves.
    #[arg(long, env = "LSMI_ETL_CLUSTER", value_name = "HOST:PORT|local:N", hide_env = true)]
    cluster: Option<ClusterAddress>,
}

impl ClusterArgs {
    /// The cluster, where there is one.
    pub fn address(&self) -> Option<&ClusterAddress> {
        self.cluster.as_ref()
    }
}
