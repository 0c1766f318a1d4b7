//! The codec of the operators and functions of SQL, one of several: it says what is none of its own.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::super::functions::LsmiExec;
use super::definition::ScanDefinition;
use super::function_codec::{decode_aggregate, decode_scalar, encode_aggregate, encode_scalar};
use super::models::{ModelOpener, Registries};
use super::scan_exec::ScanExec;

/// The first bytes of our operators.
const PREFIX: &[u8] = b"\0lsmi-etl sql\0";

/// The codec.
#[derive(Debug, Default)]
pub struct SqlCodec {
    registries: Registries,
}

/// An operator as it travels; expressions are encoded by DataFusion.
#[derive(Debug, Serialize, Deserialize)]
enum TravellingNode {
    Scan(Box<ScanDefinition>, Option<Vec<u8>>),
    Lsmi {
        args: Vec<Vec<u8>>,
        /// A schema of the appended column.
        field: Vec<u8>,
        models: Vec<u8>,
        bundle: PathBuf,
    },
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl SqlCodec {
    /// A codec of plans whose models are opened; without an opener, plans are only passed on.
    pub fn new(opener: Option<Arc<dyn ModelOpener>>) -> Self {
        Self { registries: Registries::new(opener) }
    }

    /// Encodes an operator, if it is one of ours; `codec` is the one of all operators.
    ///
    /// # Errors
    /// Of an expression that can't be encoded.
    pub fn encode(
        &self,
        node: &Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        codec: &dyn PhysicalExtensionCodec,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<bool> {
        let expression = |expr: &Arc<dyn PhysicalExpr>| -> Result<Vec<u8>> {
            Ok(converter.physical_expr_to_proto(expr, codec)?.encode_to_vec())
        };
        let node = if let Some(scan) = node.downcast_ref::<ScanExec>() {
            // Without it the scan reads more than it needs, and no row less.
            let predicate = scan.predicate().and_then(|predicate| expression(predicate).ok());
            TravellingNode::Scan(Box::new(scan.definition().clone()), predicate)
        } else if let Some(lsmi) = node.downcast_ref::<LsmiExec>() {
            let (registry, bundle) = lsmi.models();
            let field = Schema::new(vec![Arc::clone(lsmi.field())]);
            TravellingNode::Lsmi {
                args: lsmi.args().iter().map(expression).collect::<Result<_>>()?,
                field: protobuf::Schema::try_from(&field).map_err(DataFusionError::from)?.encode_to_vec(),
                models: Registries::encode(registry)?,
                bundle: bundle.to_owned(),
            }
        } else {
            return Ok(false);
        };
        bytes.extend_from_slice(PREFIX);
        bytes.extend(rmp_serde::to_vec(&node).map_err(external)?);
        Ok(true)
    }

    /// The operator of these bytes over its inputs, if it is one of ours; `codec` is the one of all operators.
    ///
    /// # Errors
    /// Of bytes that can't be decoded.
    pub fn decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        codec: &dyn PhysicalExtensionCodec,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(bytes) = bytes.strip_prefix(PREFIX) else { return Ok(None) };
        let context = PhysicalPlanDecodeContext::new(context, codec);
        let expression = |bytes: &[u8], schema: &Schema| {
            let node = protobuf::PhysicalExprNode::decode(bytes).map_err(external)?;
            converter.proto_to_physical_expr(&node, schema, &context)
        };
        Ok(Some(match rmp_serde::from_slice(bytes).map_err(external)? {
            TravellingNode::Scan(definition, predicate) => {
                let schema = definition.schema()?;
                let predicate = predicate.map(|predicate| expression(&predicate, &schema)).transpose()?;
                Arc::new(ScanExec::new(Arc::from(definition), predicate, inputs.to_vec())?)
            }
            TravellingNode::Lsmi { args, field, models, bundle } => {
                let [input] = inputs else {
                    return Err(DataFusionError::Internal("LsmiExec has one input".to_owned()));
                };
                let schema = input.schema();
                let args = args.iter().map(|arg| expression(arg, &schema)).collect::<Result<_>>()?;
                let field = protobuf::Schema::decode(&*field).map_err(external)?;
                let field = Schema::try_from(&field).map_err(DataFusionError::from)?;
                let field = field.fields().first().cloned();
                let field =
                    field.ok_or_else(|| DataFusionError::Internal("LsmiExec without a column".to_owned()))?;
                let registry = self.registries.decode(&models)?;
                Arc::new(LsmiExec::new(Arc::clone(input), args, field, registry, bundle)?)
            }
        }))
    }

    /// Encodes a scalar function, if it is one of ours.
    ///
    /// # Errors
    /// Of models that the plan was not prepared for.
    pub fn encode_scalar(&self, function: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<bool> {
        encode_scalar(function, bytes)
    }

    /// The scalar function of these bytes, if it is one of ours.
    ///
    /// # Errors
    /// Of bytes that can't be decoded.
    pub fn decode_scalar(&self, name: &str, bytes: &[u8]) -> Result<Option<Arc<ScalarUDF>>> {
        decode_scalar(name, bytes, &self.registries)
    }

    /// Encodes an aggregate function, if it is one of ours.
    ///
    /// # Errors
    /// Of encoding.
    pub fn encode_aggregate(&self, function: &AggregateUDF, bytes: &mut Vec<u8>) -> Result<bool> {
        encode_aggregate(function, bytes)
    }

    /// The aggregate function of these bytes, if it is one of ours.
    ///
    /// # Errors
    /// Of bytes that can't be decoded.
    pub fn decode_aggregate(&self, name: &str, bytes: &[u8]) -> Result<Option<Arc<AggregateUDF>>> {
        decode_aggregate(name, bytes)
    }
}
