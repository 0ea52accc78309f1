//! Every route on one page.

mod route;
mod spec;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use http::Method;
use strongroom_tenancy::Capability;

use crate::app::App;
use crate::gates;
use crate::routes::{
    api_keys, audit, chat, erasures, identity_providers, keys, login, oauth, policy, presidio,
    providers, public, retention, seal, sessions, subjects, tenants, token, token_keys, webhooks,
};

pub use route::Route;
use route::route;
pub use spec::{Effect, Need, Spec};

/// The whole table.
#[must_use]
pub fn routes() -> Vec<Route> {
    use Capability as C;
    use Effect::{Read, Write};
    let may = Need::Capability;
    vec![
        // Public.
        route(
            Method::GET,
            "/healthz",
            Need::Nothing,
            Read,
            "health",
            get(public::health),
        ),
        route(
            Method::GET,
            "/readyz",
            Need::Nothing,
            Read,
            "ready",
            get(public::ready),
        ),
        route(
            Method::GET,
            "/.well-known/jwks.json",
            Need::Nothing,
            Read,
            "jwks",
            get(public::jwks),
        ),
        route(
            Method::GET,
            "/.well-known/security.txt",
            Need::Nothing,
            Read,
            "security",
            get(public::security),
        ),
        // The platform's operator.
        route(
            Method::POST,
            "/v1/tenants",
            may(C::TenantsCreate),
            Write,
            "tenant.create",
            post(tenants::create),
        ),
        route(
            Method::POST,
            "/v1/tenants/{id}/shred",
            may(C::TenantsShred),
            Write,
            "tenant.shred",
            post(keys::shred_tenant),
        ),
        route(
            Method::GET,
            "/v1/token-keys",
            may(C::TokenKeysManage),
            Read,
            "token_key.list",
            get(token_keys::list),
        ),
        route(
            Method::POST,
            "/v1/token-keys/rotate",
            may(C::TokenKeysManage),
            Write,
            "token_key.rotate",
            post(token_keys::rotate),
        ),
        route(
            Method::POST,
            "/v1/token-keys/{kid}/withdraw",
            may(C::TokenKeysManage),
            Write,
            "token_key.withdraw",
            post(token_keys::withdraw),
        ),
        // Credentials.
        route(
            Method::POST,
            "/v1/token",
            Need::Caller,
            Write,
            "token.issue",
            post(token::issue),
        ),
        route(
            Method::POST,
            "/oauth/token",
            Need::Proof,
            Write,
            "token.refresh",
            post(oauth::renew),
        ),
        route(
            Method::POST,
            "/oauth/revoke",
            Need::Proof,
            Write,
            "token.revoke",
            post(oauth::revoke),
        ),
        route(
            Method::GET,
            "/v1/sessions",
            may(C::TokensRevoke),
            Read,
            "session.list",
            get(sessions::list),
        ),
        route(
            Method::POST,
            "/v1/revocations",
            may(C::TokensRevoke),
            Write,
            "tokens.revoke",
            post(sessions::revoke),
        ),
        route(
            Method::POST,
            "/v1/api-keys",
            may(C::ApiKeysManage),
            Write,
            "api_key.issue",
            post(api_keys::issue),
        ),
        route(
            Method::GET,
            "/v1/api-keys",
            may(C::ApiKeysManage),
            Read,
            "api_key.list",
            get(api_keys::list),
        ),
        route(
            Method::POST,
            "/v1/api-keys/{id}/rotate",
            may(C::ApiKeysManage),
            Write,
            "api_key.rotate",
            post(api_keys::rotate),
        ),
        route(
            Method::DELETE,
            "/v1/api-keys/{id}",
            may(C::ApiKeysManage),
            Write,
            "api_key.revoke",
            delete(api_keys::revoke),
        ),
        // Logins.
        route(
            Method::POST,
            "/v1/login/{provider}",
            Need::Proof,
            Write,
            "login",
            post(login::begin),
        ),
        route(
            Method::PUT,
            "/v1/identity-providers/{name}",
            may(C::IdentityManage),
            Write,
            "identity_provider.store",
            put(identity_providers::store),
        ),
        route(
            Method::GET,
            "/v1/identity-providers/{name}",
            may(C::IdentityManage),
            Read,
            "identity_provider.read",
            get(identity_providers::read),
        ),
        route(
            Method::GET,
            "/v1/identity-providers",
            may(C::IdentityManage),
            Read,
            "identity_provider.list",
            get(identity_providers::list),
        ),
        route(
            Method::DELETE,
            "/v1/identity-providers/{name}",
            may(C::IdentityManage),
            Write,
            "identity_provider.delete",
            delete(identity_providers::remove),
        ),
        // Providers and calls.
        route(
            Method::PUT,
            "/v1/providers/{name}/credential",
            may(C::ProvidersManage),
            Write,
            "provider_credential.store",
            put(providers::store),
        ),
        route(
            Method::GET,
            "/v1/providers",
            may(C::ProvidersManage),
            Read,
            "provider_credential.list",
            get(providers::list),
        ),
        route(
            Method::DELETE,
            "/v1/providers/{name}/credential",
            may(C::ProvidersManage),
            Write,
            "provider_credential.delete",
            delete(providers::remove),
        ),
        Route {
            chat: true,
            ..route(
                Method::POST,
                "/v1/chat/completions",
                may(C::ChatCreate),
                Write,
                "chat.call",
                post(chat::complete),
            )
        },
        // Keys.
        route(
            Method::POST,
            "/v1/seal",
            may(C::KeysSeal),
            Write,
            "keys.seal",
            post(seal::seal),
        ),
        route(
            Method::POST,
            "/v1/open",
            may(C::KeysOpen),
            Write,
            "keys.open",
            post(seal::open),
        ),
        route(
            Method::GET,
            "/v1/keys",
            may(C::KeysRotate),
            Read,
            "keys.list",
            get(keys::list),
        ),
        route(
            Method::PUT,
            "/v1/keys/schedule",
            may(C::KeysRotate),
            Write,
            "keys.schedule",
            put(keys::schedule),
        ),
        route(
            Method::POST,
            "/v1/keys/rotate",
            may(C::KeysRotate),
            Write,
            "keys.rotate",
            post(keys::rotate),
        ),
        route(
            Method::GET,
            "/v1/keys/rotations/{id}",
            may(C::KeysRotate),
            Read,
            "keys.rotation",
            get(keys::rotation),
        ),
        route(
            Method::POST,
            "/v1/keys/shred",
            may(C::KeysShred),
            Write,
            "keys.shred",
            post(keys::shred),
        ),
        // Policy.
        route(
            Method::PUT,
            "/v1/policy",
            may(C::PolicyManage),
            Write,
            "policy.activate",
            put(policy::activate),
        ),
        route(
            Method::GET,
            "/v1/policy",
            may(C::PolicyManage),
            Read,
            "policy.read",
            get(policy::read),
        ),
        // Presidio's routes, below a base of their own.
        route(
            Method::POST,
            "/v1/pii/analyze",
            Need::Caller,
            Write,
            "pii.analyze",
            post(presidio::analyze),
        ),
        route(
            Method::POST,
            "/v1/pii/anonymize",
            Need::Caller,
            Write,
            "pii.anonymize",
            post(presidio::anonymize),
        ),
        // Retention and erasure.
        route(
            Method::GET,
            "/v1/retention",
            may(C::AuditRead),
            Read,
            "retention.read",
            get(retention::read),
        ),
        route(
            Method::PUT,
            "/v1/retention",
            may(C::RetentionManage),
            Write,
            "retention.store",
            put(retention::store),
        ),
        route(
            Method::POST,
            "/v1/erasures",
            may(C::OrganisationDelete),
            Write,
            "organisation.erase",
            post(erasures::start),
        ),
        route(
            Method::GET,
            "/v1/erasures/{id}",
            may(C::OrganisationDelete),
            Read,
            "organisation.erasure",
            get(erasures::read),
        ),
        // People.
        route(
            Method::GET,
            "/v1/subjects/{id}",
            may(C::SubjectsResolve),
            Read,
            "subject.resolve",
            get(subjects::resolve),
        ),
        route(
            Method::POST,
            "/v1/subjects/find",
            may(C::SubjectsResolve),
            Write,
            "subject.find",
            post(subjects::find),
        ),
        route(
            Method::POST,
            "/v1/subjects/erase",
            may(C::KeysShred),
            Write,
            "subject.erase",
            post(subjects::erase),
        ),
        // Webhooks.
        route(
            Method::POST,
            "/v1/webhooks",
            may(C::WebhooksManage),
            Write,
            "webhook.create",
            post(webhooks::create),
        ),
        route(
            Method::GET,
            "/v1/webhooks",
            may(C::WebhooksManage),
            Read,
            "webhook.list",
            get(webhooks::list),
        ),
        route(
            Method::GET,
            "/v1/webhooks/{id}/deliveries",
            may(C::WebhooksManage),
            Read,
            "webhook.deliveries",
            get(webhooks::deliveries::list),
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/deliveries/{message}/resend",
            may(C::WebhooksManage),
            Write,
            "webhook.resend",
            post(webhooks::deliveries::resend),
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/secret",
            may(C::WebhooksManage),
            Write,
            "webhook.rotate_secret",
            post(webhooks::secret::rotate),
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/disable",
            may(C::WebhooksManage),
            Write,
            "webhook.disable",
            post(webhooks::disable),
        ),
        route(
            Method::POST,
            "/v1/webhooks/{id}/enable",
            may(C::WebhooksManage),
            Write,
            "webhook.enable",
            post(webhooks::enable),
        ),
        // The audit log.
        route(
            Method::GET,
            "/v1/audit/log",
            may(C::AuditRead),
            Read,
            "audit.log",
            get(audit::log),
        ),
        route(
            Method::GET,
            "/v1/audit/entries",
            may(C::AuditRead),
            Read,
            "audit.entries",
            get(audit::entries),
        ),
        route(
            Method::GET,
            "/v1/audit/entries/{index}/payload",
            may(C::AuditRead),
            Read,
            "audit.payload",
            get(audit::payload),
        ),
        route(
            Method::GET,
            "/v1/audit/entries/{index}/proof",
            may(C::AuditRead),
            Read,
            "audit.proof",
            get(audit::proof),
        ),
        route(
            Method::GET,
            "/v1/audit/checkpoint",
            may(C::AuditRead),
            Read,
            "audit.checkpoint",
            get(audit::checkpoint),
        ),
        route(
            Method::GET,
            "/v1/audit/export",
            may(C::AuditRead),
            Read,
            "audit.export",
            get(audit::export),
        ),
        route(
            Method::GET,
            "/v1/audit/platform/export",
            may(C::AuditRead),
            Read,
            "audit.platform_export",
            get(audit::export_platform),
        ),
        route(
            Method::POST,
            "/v1/audit/checkpoints",
            may(C::AuditOperate),
            Write,
            "audit.checkpoint_sign",
            post(audit::sign),
        ),
        route(
            Method::POST,
            "/v1/audit/verify",
            may(C::AuditOperate),
            Write,
            "audit.verify",
            post(audit::verify),
        ),
    ]
}

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
