//! What was refused without an event of its own: counted events, once a minute.

use std::sync::Arc;
use std::time::Duration;

use strongroom_auditchain::Outcome;
use tokio_util::sync::CancellationToken;

use super::request_id;
use crate::app::App;
use crate::audit::{Draft, new_event_id};
use crate::gates::Counted;

/// How often the counts are written.
const EVERY: Duration = Duration::from_secs(60);

/// Writes the counts until told to stop, and then the last ones. A crash loses a minute's.
pub(super) async fn write(app: Arc<App>, stop: CancellationToken) {
    loop {
        let is_over = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        write_refusals(&app).await;
        if is_over {
            return;
        }
    }
}

/// Ends a minute: for each key and reason that was counted in it an event `access.refused`, whose
/// resource says how many. What cannot be written is kept for the next minute's end.
pub async fn write_refusals(app: &App) {
    let mut counted = app.refusals.take().into_iter();
    while let Some(one) = counted.next() {
        if let Err(error) = write_one(app, &one).await {
            tracing::error!(error, "refusals were counted and not recorded");
            app.refusals.put_back(std::iter::once(one).chain(counted));
            return;
        }
    }
}

async fn write_one(app: &App, counted: &Counted) -> Result<(), String> {
    let count = counted.count;
    let resource = match &counted.key {
        Some(key) => format!("api_key/{key}/refusals/{count}"),
        None => format!("refusals/{count}"),
    };
    let draft = Draft {
        kind: "access.refused",
        // The calls were many: none of them, and nobody of those who made them, is this event's.
        actor: None,
        request: request_id(app.clock.as_ref()).map_err(|error| error.to_string())?,
        resource: Some(resource),
        credential: None,
        policy: None,
        outcome: Outcome::Refused(counted.reason.clone()),
    };
    let id = new_event_id(app.clock.as_ref()).map_err(|error| error.to_string())?;
    let leaf = draft.leaf(id, app.clock.unix_micros(), Vec::new());
    let leaf = leaf.map_err(|error| error.to_string())?;
    let appended = app.sequencer.append(counted.tenant, id, leaf, None).await;
    appended.map(|_| ()).map_err(|error| error.to_string())
}
