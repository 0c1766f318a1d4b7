//! The codec of plans: Ballista's own, with our operators and functions.

use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use prost::Message;

use crate::sql::distributed::{ModelOpener, SqlCodec};

use super::annotate_exec::AnnotateExec;
use super::job::EncodedJob;
use super::task_errors::with_task_errors;

/// The first bytes of our operator. Ballista's own begin with the tag of a field of Protocol Buffers.
const ANNOTATE: &[u8] = b"\0lsmi-etl annotate\0";

/// The codec.
#[derive(Debug, Default)]
pub(super) struct PlanCodec {
    ballista: BallistaPhysicalExtensionCodec,
    sql: SqlCodec,
    /// Whether the plans are run in this process.
    is_executor: bool,
}

impl PlanCodec {
    /// The codec of an executor.
    pub(super) fn of_executor(opener: Arc<dyn ModelOpener>) -> Self {
        Self { sql: SqlCodec::new(Some(opener)), is_executor: true, ..Self::default() }
    }
}

impl PhysicalExtensionCodec for PlanCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Some(job) = buf.strip_prefix(ANNOTATE) {
            // What can't be read is a job that the executor refuses.
            let job = Arc::new(EncodedJob::decode(job).unwrap_or_default());
            return Ok(Arc::new(AnnotateExec::over(job, inputs.to_vec())?));
        }
        if let Some(node) = self.sql.decode(buf, inputs, ctx, self, converter)? {
            return Ok(node);
        }
        let node = self.ballista.try_decode(buf, inputs, ctx, converter)?;
        match self.is_executor {
            true => with_task_errors(node),
            false => Ok(node),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        match node.downcast_ref::<AnnotateExec>() {
            Some(annotate) => {
                buf.extend_from_slice(ANNOTATE);
                annotate.job().encode(buf).map_err(|e| DataFusionError::External(Box::new(e)))
            }
            None if self.sql.encode(&node, buf, self, converter)? => Ok(()),
            None => self.ballista.try_encode(node, buf, converter),
        }
    }

    fn try_decode_udf(&self, name: &str, buf: &[u8]) -> Result<Arc<ScalarUDF>> {
        match self.sql.decode_scalar(name, buf)? {
            Some(function) => Ok(function),
            None => self.ballista.try_decode_udf(name, buf),
        }
    }

    fn try_encode_udf(&self, node: &ScalarUDF, buf: &mut Vec<u8>) -> Result<()> {
        match self.sql.encode_scalar(node, buf)? {
            true => Ok(()),
            false => self.ballista.try_encode_udf(node, buf),
        }
    }

    fn try_decode_higher_order_function(&self, name: &str, buf: &[u8]) -> Result<Arc<HigherOrderUDF>> {
        self.ballista.try_decode_higher_order_function(name, buf)
    }

    fn try_encode_higher_order_function(&self, node: &HigherOrderUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.ballista.try_encode_higher_order_function(node, buf)
    }

    fn try_decode_udaf(&self, name: &str, buf: &[u8]) -> Result<Arc<AggregateUDF>> {
        match self.sql.decode_aggregate(name, buf)? {
            Some(function) => Ok(function),
            None => self.ballista.try_decode_udaf(name, buf),
        }
    }

    fn try_encode_udaf(&self, node: &AggregateUDF, buf: &mut Vec<u8>) -> Result<()> {
        match self.sql.encode_aggregate(node, buf)? {
            true => Ok(()),
            false => self.ballista.try_encode_udaf(node, buf),
        }
    }

    fn try_decode_udwf(&self, name: &str, buf: &[u8]) -> Result<Arc<WindowUDF>> {
        self.ballista.try_decode_udwf(name, buf)
    }

    fn try_encode_udwf(&self, node: &WindowUDF, buf: &mut Vec<u8>) -> Result<()> {
        self.ballista.try_encode_udwf(node, buf)
    }
}
