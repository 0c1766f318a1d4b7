//! Functions of this program as they travel: by name, with what else makes them.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use serde::{Deserialize, Serialize};

use super::super::bounded_functions::{BoundedFunction, bounded_named};
use super::super::functions::{LsmiFunction, dominant, lsmi_check, lsmi_summary};
use super::super::scan_functions::functions_of_plans;
use super::models::Registries;

/// The first bytes of our functions.
const PREFIX: &[u8] = b"\0lsmi-etl function\0";

/// What makes a function beside its name.
#[derive(Debug, Serialize, Deserialize)]
enum TravellingFunction {
    /// `lsmi` or one of its fields, with its models.
    Lsmi(Vec<u8>),
    Dominant,
    LsmiCheck,
    /// A function of DataFusion with a limit in bytes.
    Bounded(usize),
    /// One that is applied to columns.
    OfPlans,
    LsmiSummary,
}

fn write(function: &TravellingFunction, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.extend_from_slice(PREFIX);
    bytes.extend(rmp_serde::to_vec(function).map_err(|e| DataFusionError::External(Box::new(e)))?);
    Ok(())
}

fn read(bytes: &[u8]) -> Result<Option<TravellingFunction>> {
    let Some(bytes) = bytes.strip_prefix(PREFIX) else { return Ok(None) };
    rmp_serde::from_slice(bytes).map(Some).map_err(|e| DataFusionError::External(Box::new(e)))
}

fn unknown<T>(name: &str) -> Result<T> {
    Err(DataFusionError::Internal(format!("{name} is no function of lsmi-etl")))
}

/// Encodes a scalar function, if it is one of ours.
///
/// # Errors
/// As for [`Registries::encode`].
pub(super) fn encode_scalar(function: &ScalarUDF, bytes: &mut Vec<u8>) -> Result<bool> {
    let inner = function.inner();
    let travelling = if let Some(lsmi) = inner.downcast_ref::<LsmiFunction>() {
        TravellingFunction::Lsmi(Registries::encode(lsmi.registry())?)
    } else if let Some(bounded) = inner.downcast_ref::<BoundedFunction>() {
        TravellingFunction::Bounded(bounded.limit())
    } else if functions_of_plans().iter().any(|known| **known == *function) {
        TravellingFunction::OfPlans
    } else if *function == dominant() {
        TravellingFunction::Dominant
    } else if *function == lsmi_check() {
        TravellingFunction::LsmiCheck
    } else {
        return Ok(false);
    };
    write(&travelling, bytes).map(|()| true)
}

/// The scalar function of a name, if it is one of ours.
///
/// # Errors
/// Of bytes that can't be decoded.
pub(super) fn decode_scalar(
    name: &str,
    bytes: &[u8],
    registries: &Registries,
) -> Result<Option<Arc<ScalarUDF>>> {
    let function = match read(bytes)? {
        None => return Ok(None),
        Some(TravellingFunction::Lsmi(models)) => {
            LsmiFunction::named(name, &registries.decode(&models)?).map(Arc::new)
        }
        Some(TravellingFunction::Dominant) => Some(Arc::new(dominant())),
        Some(TravellingFunction::LsmiCheck) => Some(Arc::new(lsmi_check())),
        Some(TravellingFunction::Bounded(limit)) => bounded_named(name, limit).map(Arc::new),
        Some(TravellingFunction::OfPlans) => {
            functions_of_plans().into_iter().find(|function| function.name() == name)
        }
        Some(TravellingFunction::LsmiSummary) => None,
    };
    function.map_or_else(|| unknown(name), |function| Ok(Some(function)))
}

/// Encodes an aggregate function, if it is one of ours.
///
/// # Errors
/// Of encoding.
pub(super) fn encode_aggregate(function: &AggregateUDF, bytes: &mut Vec<u8>) -> Result<bool> {
    match *function == lsmi_summary() {
        true => write(&TravellingFunction::LsmiSummary, bytes).map(|()| true),
        false => Ok(false),
    }
}

/// The aggregate function of a name, if it is one of ours.
///
/// # Errors
/// Of bytes that can't be decoded.
pub(super) fn decode_aggregate(name: &str, bytes: &[u8]) -> Result<Option<Arc<AggregateUDF>>> {
    match read(bytes)? {
        None => Ok(None),
        Some(TravellingFunction::LsmiSummary) => Ok(Some(Arc::new(lsmi_summary()))),
        Some(_) => unknown(name),
    }
}
