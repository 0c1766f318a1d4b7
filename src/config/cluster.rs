//! The settings of a cluster: flags of the commands that run on one.

use clap::Args;

use crate::cluster::ClusterAddress;
use crate::memory::ByteSize;

/// Size of a file beyond which it is divided, where none is given.
const UNIT_BYTES: u64 = 8 << 30;

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
    /// Size of a file beyond which its row groups are divided among executors, such as 2GiB [default: 8GiB]
    #[arg(long, env = "LSMI_ETL_UNIT_BYTES", value_name = "SIZE", hide_env = true)]
    unit_bytes: Option<ByteSize>,
}

impl ClusterArgs {
    /// The cluster, where there is one.
    pub fn address(&self) -> Option<&ClusterAddress> {
        self.cluster.as_ref()
    }

    /// Size of a file beyond which it is divided.
    pub fn unit_bytes(&self) -> u64 {
        self.unit_bytes.map_or(UNIT_BYTES, |size| size.0)
    }
}
