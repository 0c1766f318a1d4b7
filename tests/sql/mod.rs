//! `lsmi-etl sql` as its users meet it: the shell on a terminal, the formats as other
//! programs read them, tables in object stores.

mod output;
mod shell;
mod stores;
