//! Where files come from and where they go: folders and globs, shares of them, object
//! stores.

mod failing;
mod folders;
mod s3;
