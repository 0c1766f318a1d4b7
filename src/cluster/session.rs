//! The settings that scheduler, executors and client share: codec, limits and Ballista's options.

use std::sync::Arc;

use ballista_core::config::{BALLISTA_ADAPTIVE_PLANNER_ENABLED, BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK};
use ballista_core::extension::SessionConfigExt;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::PhysicalExtensionCodec;

use crate::sql::distributed::ModelOpener;

use super::codec::PlanCodec;
use super::limits::MESSAGE_BYTES;
use super::tls::Tls;

/// The codec of physical plans that are only passed on.
pub(super) fn physical_codec() -> Arc<dyn PhysicalExtensionCodec> {
    Arc::new(PlanCodec::default())
}

/// The codec of physical plans that are run.
pub(super) fn executor_codec(opener: Arc<dyn ModelOpener>) -> Arc<dyn PhysicalExtensionCodec> {
    Arc::new(PlanCodec::of_executor(opener))
}

/// The session's configuration of a process with TLS.
pub(super) fn config_with(tls: Option<&Tls>) -> SessionConfig {
    let config = config();
    match tls {
        Some(tls) => config
            .with_ballista_use_tls(true)
            .with_ballista_override_create_grpc_client_endpoint(tls.override_of_endpoints(None)),
        None => config,
    }
}

/// The session's configuration.
pub(super) fn config() -> SessionConfig {
    SessionConfig::new_with_ballista()
        .with_ballista_physical_extension_codec(physical_codec())
        .with_ballista_grpc_client_max_message_size(MESSAGE_BYTES as usize)
        // A plan that is sent as a physical one is planned without it in any case.
        .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, false)
        // A unit is a partition, and a task has one.
        .set_usize(BALLISTA_SCHEDULER_MAX_PARTITIONS_PER_TASK, 1)
}
