//! SQL: what the functions give against annotate, DuckDB and arithmetic, and how often
//! the models run; and the recipes of `pipelines/sql`.

mod functions;
mod recipes;
mod refusals;
mod shapes;
mod summaries;
