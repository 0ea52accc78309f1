//! One line of the table.

use std::sync::Arc;

use axum::routing::MethodRouter;
use http::Method;

use super::spec::{Effect, Need, Spec};
use crate::app::App;

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// What the gates need to know.
    pub spec: Spec,
    pub(super) handler: MethodRouter<Arc<App>>,
    /// Whether its body is a chat request, which meets the policy first.
    pub(super) chat: bool,
}

pub(super) fn route(
    method: Method,
    path: &'static str,
    need: Need,
    effect: Effect,
    action: &'static str,
    handler: MethodRouter<Arc<App>>,
) -> Route {
    Route {
        method,
        path,
        spec: Spec {
            need,
            effect,
            action,
        },
        handler,
        chat: false,
    }
}
