//! A server as a process of its own, for what shows only there: signals, standard output, the log.
//!
//! `serve DIRECTORY [text|json]` listens on a port of the system's choice.

use std::error::Error;
use std::path::PathBuf;
use valetkey_server::{ServeConfig, serve};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let data = arguments.next().map(PathBuf::from).ok_or("usage: serve DIRECTORY [text|json]")?;
    let log_format = arguments.next().map(|format| format.to_string_lossy().parse()).transpose()?.unwrap_or_default();
    let listen = "127.0.0.1:0".parse()?;
    Ok(serve(ServeConfig { data, listen, log_format, workers: Some(1), ..ServeConfig::default() })?)
}
