//! The command line: one file per subcommand. Nothing imports this room.

pub mod runtime;
pub mod sql;
