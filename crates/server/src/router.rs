//! The gates around every route.

mod route;
mod spec;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::app::App;
use crate::gates;

pub use route::Route;
pub use spec::{Effect, Need, Spec};
pub use table::routes;

/// The router with its gates.
///
/// A layer that is added later runs earlier, so each route's gates stand here in reverse: audit
/// is the outermost of them, to see every refusal, and acts when all the others have answered.
pub fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for Route {
        path,
        spec,
        mut handler,
        chat,
        ..
    } in routes()
    {
        let state = (Arc::clone(app), spec);
        if chat {
            handler = handler.route_layer(from_fn_with_state(Arc::clone(app), gates::redact_chat));
        }
        if !matches!(spec.need, Need::Nothing | Need::Proof) {
            handler = handler
                .route_layer(from_fn_with_state(Arc::clone(app), gates::tenant_context))
                .route_layer(from_fn_with_state(state.clone(), gates::authorise))
                .route_layer(from_fn_with_state(Arc::clone(app), gates::authenticate));
        }
        if spec.need != Need::Nothing {
            handler = handler.route_layer(from_fn_with_state(state, gates::audit));
        }
        router = router.route(path, handler);
    }
    router
        .layer(from_fn_with_state(Arc::clone(app), gates::limit_address))
        .layer(from_fn_with_state(Arc::clone(app), gates::request_id))
        .layer(from_fn_with_state(Arc::clone(app), gates::count))
        .with_state(Arc::clone(app))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::Method;
    use strongroom_auditchain::EventKind;

    use super::*;

    #[test]
    fn actions_are_unique_event_kinds() {
        let mut seen = HashSet::new();
        for route in routes() {
            assert!(seen.insert(route.spec.action), "{}", route.spec.action);
            assert!(route.spec.action.parse::<EventKind>().is_ok());
        }
    }

    #[test]
    fn what_changes_something_is_a_write() {
        for route in routes() {
            let write = route.method != Method::GET;
            assert_eq!(route.spec.effect == Effect::Write, write, "{}", route.path);
        }
    }
}
