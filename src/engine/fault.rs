//! Errors of evaluation: a graph that can't be run is the bundle's fault, and memory that can't be had
//! is not.

use crate::bundle::{ModelOrigin, Role};
use crate::error::Error;

/// How the engines say that they get no memory.
const OUT_OF_MEMORY: [&str; 4] = ["failed to allocate", "bad_alloc", "bad allocation", "out of memory"];

/// The error of models whose evaluation failed for this reason. Nodes carry the role of their model in
/// front of their names.
pub(super) fn of_graph(origin: Option<&ModelOrigin>, roles: &[Role], reason: &str) -> Error {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = reason.to_lowercase();
    let Some(origin) = origin.filter(|_| !OUT_OF_MEMORY.iter().any(|text| lower.contains(text))) else {
        return Error::Engine(format!("{reason}; lower --batch-rows or --workers if memory is short"));
    };
    let is_named = |role: &&Role| ['/', ':'].iter().any(|end| reason.contains(&format!("{role}{end}")));
    let role = match roles {
        [only] => Some(*only),
        roles => roles.iter().find(is_named).copied(),
    };
    origin.fault(role, format!("{reason}; check the graph and export the model again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_that_of_the_node() {
        let origin = ModelOrigin { bundle: "b".into(), fold: Some(2) };
        let of = |reason: &str| of_graph(Some(&origin), &Role::all(2), reason);
        let error = of("evaluating\n node \"classifier_12/div\": zero");
        assert_eq!(error.exit_code(), 78);
        assert_eq!(
            error.to_string(),
            "bundle b, fold_2.classifier_12.onnx: evaluating node \"classifier_12/div\": zero; check the graph and \
             export the model again"
        );
        assert!(of("no idea").to_string().starts_with("bundle b, the models: no idea;"));
        assert_eq!(of("std::bad_alloc").exit_code(), 69);
        assert_eq!(of_graph(None, &[], "x").exit_code(), 69);
    }
}
