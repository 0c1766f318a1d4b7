//! A check of models on numbers: whether each is what its bundle says. Every model runs on its
//! own, on rows that resemble embeddings, in one batch and in two.

mod classifier;
mod density;
mod probe;
mod rows;

use std::sync::Arc;

use crate::bundle::{Bundle, Program, RawModel, RawModels};
use crate::engine::{BatchInputs, BatchOutputs, Engine, within_limit};
use crate::error::{Error, Result};

use self::probe::ModelOutput;
use self::rows::ProbeRows;

/// Runs every model and compares its output with what the manifest says of it. Returns one
/// warning for each oddity that is no fault.
///
/// # Errors
/// [`Error::Bundle`] that names the model, what its output is and the remedy, also where it does not
/// end in time; [`Error::Engine`] where the engine lacks what a model needs.
pub fn check_models(engine: &Engine, models: RawModels) -> Result<Vec<String>> {
    let RawModels { models, dims, classes } = models;
    let rows = Arc::new(ProbeRows::new(&dims));
    let mut warnings = Vec::new();
    for model in models {
        let (origin, role) = (model.origin.clone(), model.role);
        let (engine, rows) = (engine.clone(), Arc::clone(&rows));
        let found = within_limit(move || check_model(&engine, &model, classes, &rows))?;
        let found = found.unwrap_or_else(|what| Ok(Err(what)))?;
        let found = found.map_err(|what| origin.fault(Some(role), what))?;
        let of_fold = origin.fold.map(|fold| format!(" of fold {fold}")).unwrap_or_default();
        warnings.extend(found.into_iter().map(|what| format!("{role}{of_fold}: {what}")));
    }
    Ok(warnings)
}

/// The warnings about a model, or what is wrong with it.
fn check_model(
    engine: &Engine,
    model: &Arc<RawModel>,
    classes: usize,
    rows: &ProbeRows,
) -> Result<std::result::Result<Vec<String>, String>> {
    let mut session = engine.model_session(model, rows.dims())?;
    let width = if model.role.is_density() { 1 } else { classes };
    let output = match ModelOutput::run(session.as_mut(), rows, width, model.rounding)? {
        Ok(output) => output,
        Err(what) => return Ok(Err(what)),
    };
    Ok(match model.output {
        None => density::check(&output),
        Some(kind) => classifier::check(&output, kind, model),
    })
}

/// Runs the program of a bundle, and that of each fold, in batches of two sizes, since a graph with a
/// fixed number of rows fails at the second, and compares them with the models on their own.
///
/// # Errors
/// [`Error::Engine`] where the engine can't run a program; [`Error::Internal`] where a
/// fused graph has other values; [`Error::Bundle`] where a file has changed.
pub fn check_program(engine: &Engine, bundle: &Bundle) -> Result<()> {
    check_fused(engine, &bundle.program(), &bundle.raw_models())?;
    (0..bundle.folds())
        .try_for_each(|fold| check_fused(engine, &bundle.fold_program(fold)?, &bundle.fold_raw_models(fold)?))
}

fn check_fused(engine: &Engine, program: &Arc<Program>, models: &RawModels) -> Result<()> {
    let mut session = match engine.sessions(program, 1)?.pop() {
        Some(session) => session,
        None => return Err(Error::Internal("an engine gave no session".to_owned())),
    };
    let rows = ProbeRows::new(&program.dims);
    let mut out = BatchOutputs::new(program.dims.len());
    for count in [1, rows.near()] {
        let y: Vec<i64> = (0..count).map(|row| (row % program.classes) as i64).collect();
        let x = rows.values(0..count);
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        session.evaluate(&BatchInputs { rows: count, x: &x, y: &y }, &mut out)?;
    }
    compare(engine, models, program, &rows, &out)
}

/// Compares the program's outputs on the near rows with those of the models on their own.
fn compare(
    engine: &Engine,
    models: &RawModels,
    program: &Program,
    rows: &ProbeRows,
    out: &BatchOutputs,
) -> Result<()> {
    for (model, fused) in models.models.iter().zip(out.all()) {
        let mut session = engine.model_session(model, &program.dims)?;
        let width = if model.role.is_density() { 1 } else { program.classes };
        let Ok(own) = ModelOutput::run(session.as_mut(), rows, width, model.rounding)? else { continue };
        if let Some((row, own, fused)) = own.differs(fused, model, |row| row % program.classes) {
            return Err(Error::Internal(format!(
                "{} gives {own} on its own and {fused} in the fused graph, on row {row} of the check",
                model.role.file_name(model.origin.fold)
            )));
        }
    }
    Ok(())
}
