//! A process that serves, from its start to the signal that ends it.

use crate::config::{ServeConfig, Settings};
use crate::error::ServeError;
use crate::running::RunningServer;
use crate::telemetry::LOG_VARIABLE;
use crate::{announce, huge_pages, open_files, telemetry};
use std::io::stdout;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serves until SIGTERM or SIGINT, which lets transfers finish for as long as the configuration says; a second one ends the
/// process at once, and nothing that was confirmed is lost by that. Blocks.
///
/// # Errors
///
/// As [`ServeError`] says; all but [`ServeError::Unsettled`] come before the first line is written.
pub fn serve(mut config: ServeConfig) -> Result<(), ServeError> {
    config.log = config.log.or_else(|| std::env::var(LOG_VARIABLE).ok());
    let Settings { log, server } = Settings::try_from(config)?;
    telemetry::start(log.format, log.filter);
    open_files::raise();
    huge_pages::disable();
    let stop_grace = server.stop_grace;
    let server = RunningServer::of(server)?;
    let Some(control) = server.control() else { return Ok(()) };
    // From here on a signal is an orderly end, also for whoever sends one as soon as the first line is there.
    let mut signals = Signals::catch(control).map_err(ServeError::system("catch signals"))?;
    tracing::info!(address = %server.address(), public_url = %server.public_url(), "listening");
    announce_on_stdout(&server).map_err(ServeError::system("write to standard output"))?;

    let signal = control.block_on(signals.next());
    tracing::info!(
        signal = signal.name,
        n_connections = server.n_connections(),
        grace_s = stop_grace.as_secs(),
        "stopping: transfers may finish; another signal ends them"
    );
    control.spawn(async move {
        let signal = signals.next().await;
        tracing::warn!(signal = signal.name, "stopping at once");
        std::process::exit(128 + signal.number);
    });
    server.stop()?;
    tracing::info!("stopped");
    Ok(())
}

fn announce_on_stdout(server: &RunningServer) -> std::io::Result<()> {
    let mut out = stdout().lock();
    announce::listening(&mut out, server.address())?;
    if let Some(key) = server.first_administrator_key() {
        let program = std::env::args_os().next().map(|program| program.to_string_lossy().into_owned());
        let program = program.as_deref().unwrap_or("valetkey");
        announce::first_start(&mut out, server.address(), key, program)?;
    }
    Ok(())
}

/// A signal that ends the process.
#[derive(Clone, Copy)]
struct Ending {
    name: &'static str,
    number: i32,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch(control: &Runtime) -> std::io::Result<Self> {
        let _within = control.enter();
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Ending {
        tokio::select! {
            _ = self.terminate.recv() => Ending { name: "SIGTERM", number: SignalKind::terminate().as_raw_value() },
            _ = self.interrupt.recv() => Ending { name: "SIGINT", number: SignalKind::interrupt().as_raw_value() },
        }
    }
}
