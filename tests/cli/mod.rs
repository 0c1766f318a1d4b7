//! What a user types, and what comes back: messages, exit codes, files.

mod bad_bundle;
mod bad_output;
mod bad_rows;
mod bench;
mod columns;
mod controls;
mod delivered_again;
mod demo;
#[cfg(unix)]
mod destinations;
mod endings;
mod fit;
mod fit_beyond_memory;
mod inspect;
mod interrupt;
mod label_free;
mod labels;
mod other_scale;
mod prefix;
mod replaced;
mod scheduler;
mod spark_vectors;
#[cfg(unix)]
mod special_files;
mod split;
mod top_class;
mod usage;
mod wrong_input;
