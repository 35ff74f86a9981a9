//! What is done every second for the audit.

use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use valetkey_service::Service;

/// What is counted is written this often: with the time that the write takes, at most a second is lost by a crash.
const EVERY: Duration = Duration::from_millis(800);
/// What is written is sealed once in so many times: every ten seconds.
const SEALED_ONCE_IN: u32 = 12;

/// Writes down and seals, for ever. May be dropped at any point.
pub(crate) async fn run(service: Service) {
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut n_ticks: u32 = 0;
    loop {
        ticks.tick().await;
        n_ticks = n_ticks.wrapping_add(1);
        flush(&service).await;
        if n_ticks.is_multiple_of(SEALED_ONCE_IN) {
            seal(&service).await;
        }
    }
}

/// At an orderly end nothing is lost, and all of it is sealed.
pub(crate) async fn finish(service: &Service) {
    flush(service).await;
    seal(service).await;
}

async fn flush(service: &Service) {
    if let Err(error) = service.flush_audit().await {
        let error = &error as &dyn Error;
        tracing::error!(error, "the audit cannot be written: limited URLs are refused until it can; nothing is lost");
    }
}

async fn seal(service: &Service) {
    if let Err(error) = service.seal_audit().await {
        tracing::error!(error = &error as &dyn Error, "the audit cannot be sealed; it is tried again in ten seconds");
    }
}
