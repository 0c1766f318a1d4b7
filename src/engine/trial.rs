//! Loading and trial runs within time limits: models evaluate a few rows before any data is read. What a
//! graph would do to a run (fail, never end, give values that no row has) is said of the bundle at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::bundle::{ModelOrigin, Program, Role};
use crate::error::{Error, Result};
use crate::printable::panic_message;
use crate::threads::spawn_detached;

use super::backend::{Backend, BatchInputs, BatchOutputs};
use super::device::Device;

/// The time limit, unless `LSMI_ETL_TRIAL_SECONDS` sets another.
const LIMIT_SECONDS: u64 = 60;
/// How many times as long the loading may take: engines compute what is constant in a graph.
const LOADING: u32 = 10;

/// Rows of a trial. One is of zeros: where all others are far from the data, it may be near.
const ROWS: usize = 6;
const SCALES: [f32; ROWS] = [0.0, 0.01, 0.1, 1.0, 10.0, 1.0];

/// By how much a row may differ by its place in a batch, relative to its value. A model that looks at
/// other rows differs by more.
const ROUNDING: f32 = 0.05;

/// Does work on a thread of its own. The thread of work that does not end is left behind: the process
/// ends soon, as the caller reports an error. Gives the result, or what is wrong with the work: it
/// panicked, or did not end within the limit.
///
/// # Errors
/// [`Error::NoThread`].
pub fn within_limit<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<std::result::Result<T, String>> {
    let limit = limit();
    let late = "it does not end within {} s on a few rows; export it without loops";
    within(limit, work, late)
}

/// Loads models on a thread of its own, as [`within_limit`] does work. Programs that only measure have
/// no origin and no limit.
///
/// # Errors
/// Those of loading; [`Error::Bundle`] where it does not end; [`Error::NoThread`].
pub(super) fn load<T: Send + 'static>(
    origin: Option<&ModelOrigin>,
    role: Option<Role>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let Some(origin) = origin else { return work() };
    let late = "it is not loaded within {} s; export it without computations on constants";
    within(limit() * LOADING, work, late)?.map_err(|what| origin.fault(role, what))?
}

fn limit() -> Duration {
    let seconds = std::env::var("LSMI_ETL_TRIAL_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(LIMIT_SECONDS))
}

fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
    late: &str,
) -> Result<std::result::Result<T, String>> {
    let (sender, receiver) = channel();
    let work = move || {
        let done = catch_unwind(AssertUnwindSafe(work));
        // The receiver may have given up.
        let _ = sender.send(done.map_err(|panic| panic_message(panic.as_ref())));
    };
    spawn_detached(work)?;
    Ok(match receiver.recv_timeout(limit) {
        Ok(done) => done,
        Err(RecvTimeoutError::Timeout) => {
            let what = late.replace("{}", &limit.as_secs_f64().to_string());
            Err(format!("{what}, or set LSMI_ETL_TRIAL_SECONDS"))
        }
        Err(RecvTimeoutError::Disconnected) => Err("a trial run ended without a result".to_owned()),
    })
}

/// Tries a session of a program on rows in one order and in the opposite one.
///
/// # Errors
/// [`Error::Bundle`] where it fails, does not end, gives nothing but what is no number, or a row's
/// values depend on its place.
pub(super) fn session(
    session: Box<dyn Backend>,
    program: &Program,
    device: Device,
) -> Result<Box<dyn Backend>> {
    let Some(origin) = &program.origin else { return Ok(session) };
    let (dims, classes) = (program.dims.clone(), program.classes);
    let tried = within_limit(move || {
        let mut session = session;
        let outputs = both_orders(session.as_mut(), &dims, classes);
        (session, outputs)
    })?;
    let (session, outputs) = tried.map_err(|what| origin.fault(only_role(program), what))?;
    let outputs = outputs.map_err(|error| match error {
        // For so few rows there is memory, but for what the graph makes of them. A GPU has other causes.
        Error::Engine(what) if device == Device::Cpu => origin.fault(only_role(program), what),
        error => error,
    })?;
    let roles = program.graphs.iter().flat_map(|graph| graph.roles.iter().zip(&graph.places));
    for (role, &place) in roles {
        let [one, other] = outputs.each_ref().map(|outputs| outputs.all().get(place));
        judge(origin, *role, one.map_or(&[], Vec::as_slice), other.map_or(&[], Vec::as_slice))?;
    }
    Ok(session)
}

pub(super) fn only_role(program: &Program) -> Option<Role> {
    match &program.graphs[..] {
        [graph] if graph.roles.len() == 1 => graph.roles.first().copied(),
        _ => None,
    }
}

fn both_orders(session: &mut dyn Backend, dims: &[usize], classes: usize) -> Result<[BatchOutputs; 2]> {
    let mut outputs = [BatchOutputs::new(dims.len()), BatchOutputs::new(dims.len())];
    let order: Vec<usize> = (0..ROWS).collect();
    let reversed: Vec<usize> = order.iter().rev().copied().collect();
    for (rows, out) in [order, reversed].iter().zip(&mut outputs) {
        let embedding = |dim: &usize| rows.iter().flat_map(|row| values(*row, *dim)).collect::<Vec<f32>>();
        let x: Vec<Vec<f32>> = dims.iter().map(embedding).collect();
        let x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
        let y: Vec<i64> = rows.iter().map(|row| (row % classes.max(1)) as i64).collect();
        session.evaluate(&BatchInputs { rows: ROWS, x: &x, y: &y }, out)?;
    }
    Ok(outputs)
}

/// The values of a trial row: arbitrary, of its scale; those of the last are not negative.
fn values(row: usize, dim: usize) -> impl Iterator<Item = f32> {
    let scale = SCALES.get(row).copied().unwrap_or(1.0);
    (0..dim).map(move |place| {
        let value = ((row * 7_919 + place * 104_729) % 1_009) as f32 / 504.5 - 1.0;
        scale * if row + 1 == ROWS { value.abs() } else { value }
    })
}

fn judge(origin: &ModelOrigin, role: Role, one: &[f32], other: &[f32]) -> Result<()> {
    let is_number = |value: &f32| value.is_finite() || (!role.is_density() && *value == f32::NEG_INFINITY);
    if !one.iter().any(is_number) {
        let what =
            format!("it gives {} on every trial row, which is no number; check the export", shown(one));
        return Err(origin.fault(Some(role), what));
    }
    let agree = |a: f32, b: f32| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= ROUNDING * (1.0 + a.abs().min(b.abs()))
    };
    match one.iter().zip(other.iter().rev()).find(|(a, b)| !agree(**a, **b)) {
        Some((a, b)) => {
            let what = format!(
                "a row's output depends on its place among the rows of its batch (it gives {a} and {b}): export the \
                 model for inference, with a dynamic batch dimension"
            );
            Err(origin.fault(Some(role), what))
        }
        None => Ok(()),
    }
}

fn shown(values: &[f32]) -> String {
    values.first().map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_in_time_or_is_given_up() {
        assert_eq!(within(Duration::from_secs(5), || 3, "").unwrap(), Ok(3));
        let late = within(
            Duration::from_millis(10),
            || std::thread::sleep(Duration::from_millis(300)),
            "ends in {} s",
        );
        assert!(late.unwrap().unwrap_err().starts_with("ends in 0.01 s, or set"));
        let odd = within(Duration::from_secs(5), || -> u8 { panic!("odd\ngraph") }, "");
        assert_eq!(odd.unwrap(), Err("odd".to_owned()));
    }

    #[test]
    fn values_of_a_place_and_no_values_are_told_from_those_of_rows() {
        let origin = ModelOrigin { bundle: "b".into(), fold: None };
        let of = |role: Role, one: &[f32], other: &[f32]| judge(&origin, role, one, other);
        let [density_1, density_2, classifier_1, classifier_2, _] = Role::all(2)[..] else { panic!() };
        of(density_1, &[1.0, 2.0, 900.0], &[900.5, 2.0, 1.0]).unwrap();
        of(density_1, &[f32::INFINITY, 2.0], &[2.0, f32::INFINITY]).unwrap();
        of(classifier_1, &[f32::NEG_INFINITY; 2], &[f32::NEG_INFINITY; 2]).unwrap();
        let error = of(classifier_2, &[-1.0, -2.0], &[-1.0, -2.0]).unwrap_err();
        assert!(
            error.to_string().contains("classifier_2.onnx: a row's output depends on its place"),
            "{error}"
        );
        for none in [f32::NAN, f32::INFINITY] {
            let error = of(density_2, &[none; 2], &[none; 2]).unwrap_err();
            assert!(error.to_string().contains("density_2.onnx: it gives"), "{error}");
        }
    }
}
