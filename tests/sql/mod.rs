//! SQL: what the functions give against annotate, DuckDB and arithmetic, and how often
//! the models run; the recipes of `pipelines/sql`; and `lsmi-etl sql` as its users meet
//! it: the shell on a terminal, the formats as other programs read them, tables in object
//! stores.

mod bundles;
mod clauses;
mod compressed;
mod copies;
mod csv;
mod damaged;
mod duckdb;
mod external_tables;
mod functions;
mod json;
mod layouts;
mod lists;
mod memory;
mod mixed_folders;
mod names;
mod output;
mod recipes;
mod refusals;
mod runtime;
mod shapes;
mod shell;
mod shift;
mod spilling;
mod stored_types;
mod stores;
mod summaries;
