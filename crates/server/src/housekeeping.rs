//! What is done once a minute.

use crate::clock::SteadyClock;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use valetkey_service::Service;

const EVERY: Duration = Duration::from_secs(60);

/// From so many seconds on, a difference between the clocks is worth a line in the log.
const WORTH_TELLING: u64 = 60;

/// Clears away and watches the clock, for ever. May be dropped at any point.
pub(crate) async fn run(service: Service, clock: Arc<SteadyClock>) {
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        watch(&clock);
        while clear(&service).await {}
    }
}

/// One round; whether there is more to do.
async fn clear(service: &Service) -> bool {
    match service.housekeeping().await {
        Ok(more) => more,
        Err(error) => {
            tracing::error!(error = &error as &dyn Error, "housekeeping failed; it is tried again in a minute");
            false
        }
    }
}

fn watch(clock: &SteadyClock) {
    let wall_ahead_seconds = clock.wall_ahead_seconds();
    if wall_ahead_seconds.unsigned_abs() >= WORTH_TELLING {
        tracing::warn!(wall_ahead_seconds, "the machine's clock was set; it is followed a second in every ten");
    }
}
