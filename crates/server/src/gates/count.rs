//! Before all gates: every request is counted with its answer, refusals of the edge included.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::App;

/// What stands for the route of a request that has none.
const NO_ROUTE: &str = "none";

/// Counts the request by its route, and how long its answer took to begin.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| NO_ROUTE.to_owned(), |it| it.as_str().to_owned());
    let method = request.method().clone();
    let response = next.run(request).await;
    let status = response.status();
    app.metrics
        .answered(route, &method, status, begun.elapsed());
    response
}
