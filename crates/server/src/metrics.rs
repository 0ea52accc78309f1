//! Metrics: what the platform counts, for those who watch it, in the text that Prometheus reads.
//!
//! Nothing in it names a tenant, an actor or a key. Each part counts for itself; what its counts are
//! called stands here, on one page, and in docs/operating/metrics.md.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{Method, StatusCode, header};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::audit::{AuditError, Sequencer, ZoneSet};
use crate::config::ZoneName;

/// The format's own name (OpenMetrics 1.0, section 4.4).
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The durations' steps, in seconds: an answer of the platform's own takes milliseconds, a model's up
/// to minutes.
const STEPS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 120.0,
];

/// What the platform counts.
pub struct Metrics {
    registry: Registry,
    answers: Family<Answer, Counter>,
    durations: Family<Asked, Histogram>,
}

/// Which route was asked. Its own name, never the path: a secret can be pasted into a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: String,
    method: &'static str,
}

/// Which route was asked, and what it answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: String,
    method: &'static str,
    status: u16,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Fate {
    fate: &'static str,
}

impl Fate {
    pub(crate) const ACKNOWLEDGED: Self = Self {
        fate: "acknowledged",
    };

    /// What somebody was told whose event was not acknowledged.
    pub(crate) const fn of(error: AuditError) -> Self {
        let fate = match error {
            AuditError::Busy => "busy",
            AuditError::Unavailable => "unavailable",
            AuditError::SetBack => "set_back",
            AuditError::ZoneMissing => "zone_missing",
        };
        Self { fate }
    }

    /// Each at zero: of a line that begins with its first event nobody sees that it grew.
    pub(crate) fn none_yet() -> Family<Self, Counter> {
        let fates = Family::default();
        let errors = [
            AuditError::Busy,
            AuditError::Unavailable,
            AuditError::SetBack,
            AuditError::ZoneMissing,
        ];
        for fate in errors.map(Self::of).iter().chain([&Self::ACKNOWLEDGED]) {
            drop(fates.get_or_create(fate));
        }
        fates
    }
}

/// One of the zones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Zone {
    pub(crate) zone: String,
}

impl Zone {
    /// Each at zero, as [`Fate::none_yet`].
    pub(crate) fn none_yet(names: &[ZoneName]) -> Family<Self, Counter> {
        let zones = Family::default();
        for name in names {
            let zone = name.to_string();
            drop(zones.get_or_create(&Self { zone }));
        }
        zones
    }
}

impl Metrics {
    /// Brings together what the platform's parts count.
    pub(crate) fn new(
        sequencer: &Sequencer,
        zones: Option<Arc<ZoneSet>>,
        not_intact: &Counter,
    ) -> Self {
        let answers = Family::default();
        let durations = Family::new_with_constructor(steps as fn() -> Histogram);
        let mut registry = Registry::with_prefix("strongroom");
        registry.register(
            "requests",
            "Requests that were answered, by route and status",
            answers.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "From a request's head to its answer's head",
            durations.clone(),
        );
        registry.register(
            "audit_events",
            "Events that were handed to the audit log, by what their writers were told",
            sequencer.fates().clone(),
        );
        registry.register(
            "audit_logs_not_intact",
            "Passes over a log that found it tampered with: an alarm",
            not_intact.clone(),
        );
        if let Some(zones) = zones {
            registry.register(
                "zone_losses",
                "Times that a zone was lost: an alarm",
                zones.losses().clone(),
            );
            registry.register_collector(Box::new(Zones(zones)));
        }
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        Self {
            registry,
            answers,
            durations,
        }
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(
        &self,
        route: String,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let method = known(method);
        let asked = Asked { route, method };
        let durations = self.durations.get_or_create(&asked);
        durations.observe(took.as_secs_f64());
        drop(durations);
        let answer = Answer {
            route: asked.route,
            method,
            status: status.as_u16(),
        };
        self.answers.get_or_create(&answer).inc();
    }

    /// Everything that is counted, as OpenMetrics 1.0 has it.
    ///
    /// # Errors
    /// None that is known: it is written to memory.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The one route, which is not among the gateway's.
pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(read))
        .with_state(metrics)
}

async fn read(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn steps() -> Histogram {
    Histogram::new(STEPS)
}

/// Whoever asks chooses the method: only those that are known have a line of their own.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// How the zones stand when somebody asks.
struct Zones(Arc<ZoneSet>);

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zones")
    }
}

impl Collector for Zones {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let zones = &self.0;
        ConstGauge::new(i64::from(zones.acknowledges())).encode(encoder.encode_descriptor(
            "audit_acknowledging",
            "1 while enough zones are left for events to be acknowledged, else 0: an alarm",
            None,
            MetricType::Gauge,
        )?)?;
        let mut held = encoder.encode_descriptor(
            "zone_held",
            "1 while what a zone holds counts, else 0",
            None,
            MetricType::Gauge,
        )?;
        for (zone, is_held) in zones.held() {
            let zone = Zone { zone };
            let gauge = ConstGauge::new(i64::from(is_held));
            gauge.encode(held.encode_family(&zone)?)?;
        }
        Ok(())
    }
}
