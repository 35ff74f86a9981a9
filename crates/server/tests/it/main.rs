//! The server's parts through its public interface, and the whole of it in this process, on a port of the system's choice.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and its files are its own")]

mod bootstrap;
mod clock;
mod data_directory;
mod master_key;

mod client;
mod layout;
mod openapi;
mod process;
mod server;
