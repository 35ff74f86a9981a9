//! The server's parts through its public interface.

mod bootstrap;
mod clock;
mod data_directory;
mod master_key;
