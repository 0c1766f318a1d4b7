//! Where rows come from and where they go: folders and globs, shares of them, object
//! stores, Arrow IPC streams.

mod adjusting;
mod bad_files;
mod bundles;
mod damaged;
mod failing;
mod folders;
mod ipc;
mod ipc_lengths;
mod keys;
mod s3;
mod stores;
