//! What a user types, and what comes back: messages, exit codes, files.

mod wrong_input;
