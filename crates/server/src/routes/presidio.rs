//! Presidio's two routes, in its shapes, for those who migrate: what is found in a text, and the text
//! without it. Nothing of a text is stored: the event says who called which of them, and no more.
//!
//! The shapes are those of Presidio's OpenAPI document (`docs/api-docs/api-docs.yml`, version 2);
//! `docs/operating/presidio.md` says what differs, and why.

mod anonymize;

use std::ops::Range;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use strongroom_pii::{Class, Confidence, Detector, Evidence, Match};

pub use anonymize::anonymize;

use crate::app::App;
use crate::body::Json;
use crate::gates::{TenantContext, active_policy, examine};
use crate::problem::{Kind, Problem};

/// What is to be analysed, and for what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyzeRequest {
    text: Texts,
    /// Of no effect: one set of recognisers reads every language.
    #[expect(dead_code, reason = "Presidio's clients send it")]
    language: Option<String>,
    entities: Option<Vec<String>>,
    score_threshold: Option<f32>,
    #[serde(default)]
    return_decision_process: bool,
    allow_list: Option<Vec<String>>,
    allow_list_match: Option<String>,
    /// Of no effect: the request's id is in the answer's head, and in the event.
    #[expect(dead_code, reason = "Presidio's clients send it")]
    correlation_id: Option<String>,
    ad_hoc_recognizers: Option<IgnoredAny>,
    context: Option<IgnoredAny>,
    regex_flags: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

/// A span, in code points.
#[derive(Serialize)]
struct Found {
    entity_type: String,
    start: usize,
    end: usize,
    score: f32,
    analysis_explanation: Option<Explanation>,
    recognition_metadata: Metadata,
}

#[derive(Serialize)]
struct Explanation {
    recognizer: &'static str,
    original_score: f32,
    score: f32,
    /// The evidence's codes.
    textual_explanation: String,
    validation_result: Option<bool>,
}

#[derive(Serialize)]
struct Metadata {
    recognizer_name: &'static str,
    /// The class's id.
    recognizer_identifier: String,
}

const RECOGNIZER: &str = "strongroom";

/// What is looked for, and how.
struct Question {
    classes: Option<Vec<Class>>,
    threshold: Confidence,
    allowed: Vec<String>,
    explain: bool,
}

impl Question {
    fn of(asked: &AnalyzeRequest, detector: &Detector) -> Result<Self, Problem> {
        let unsupported = [
            ("ad_hoc_recognizers", asked.ad_hoc_recognizers.is_some()),
            ("context", asked.context.is_some()),
            ("regex_flags", asked.regex_flags.is_some()),
        ];
        if let Some((name, _)) = unsupported.into_iter().find(|(_, is_there)| *is_there) {
            let why = "not taken here: classes of one's own, with their words, are in the tenant's policy";
            return Err(refused(name, why));
        }
        if asked
            .allow_list_match
            .as_deref()
            .is_some_and(|how| how != "exact")
        {
            return Err(refused("allow_list_match", "expected exact"));
        }
        let threshold = match asked.score_threshold {
            None => Confidence::DEFAULT_THRESHOLD,
            Some(number) => Confidence::new(number)
                .ok_or_else(|| refused("score_threshold", "expected a number from 0 to 1"))?,
        };
        // None are all, as with Presidio.
        let named = asked.entities.as_ref().filter(|names| !names.is_empty());
        let classes = named.map(|names| {
            let known = names.iter().map(|name| class_of(name, detector));
            known.collect::<Option<Vec<_>>>()
        });
        let classes = match classes {
            None => None,
            Some(Some(mut classes)) => {
                classes.sort_unstable_by(|a, b| a.id().cmp(b.id()));
                classes.dedup();
                Some(classes)
            }
            Some(None) => return Err(refused("entities", UNKNOWN)),
        };
        let is_long = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|it| it.len() > MOST);
        let texts = match &asked.text {
            Texts::One(_) => 1,
            Texts::Many(texts) => texts.len(),
        };
        let long = [
            ("text", texts > MOST),
            ("entities", is_long(&asked.entities)),
            ("allow_list", is_long(&asked.allow_list)),
        ];
        if let Some((name, _)) = long.into_iter().find(|(_, is_long)| *is_long) {
            return Err(refused(name, "expected at most 1000"));
        }
        Ok(Self {
            classes,
            threshold,
            allowed: asked.allow_list.clone().unwrap_or_default(),
            explain: asked.return_decision_process,
        })
    }

    fn answer(&self, text: &str, detector: &Detector) -> Vec<Found> {
        let found = match &self.classes {
            None => detector.scan_from(text, self.threshold),
            Some(classes) => detector.scan_only(text, self.threshold, classes),
        };
        let is_asked = |found: &Match| {
            let value = text.get(found.range.clone()).unwrap_or_default();
            !self.allowed.iter().any(|allowed| allowed == value)
        };
        let mut points = CodePoints::new(text);
        let found = found.into_iter().filter(is_asked);
        found
            .map(|found| {
                let Range { start, end } = points.range(&found.range);
                self.found(&found, start, end)
            })
            .collect()
    }

    fn found(&self, found: &Match, start: usize, end: usize) -> Found {
        let score = found.confidence.get();
        let evidence: Vec<_> = found.evidence.iter().map(Evidence::as_str).collect();
        Found {
            entity_type: entity_of(&found.class).to_owned(),
            start,
            end,
            score,
            analysis_explanation: self.explain.then(|| Explanation {
                recognizer: RECOGNIZER,
                original_score: score,
                score,
                textual_explanation: evidence.join(" "),
                validation_result: found.evidence.contains(Evidence::Checksum).then_some(true),
            }),
            recognition_metadata: Metadata {
                recognizer_name: RECOGNIZER,
                recognizer_identifier: found.class.id().to_owned(),
            },
        }
    }
}

/// Most texts, names and values of one request.
const MOST: usize = 1000;

const UNKNOWN: &str = "expected names of classes, as `strongroom pii classes` lists them";

/// Counts the code points before offsets that rise.
struct CodePoints<'t> {
    text: &'t str,
    bytes: usize,
    points: usize,
}

impl<'t> CodePoints<'t> {
    const fn new(text: &'t str) -> Self {
        Self {
            text,
            bytes: 0,
            points: 0,
        }
    }

    fn range(&mut self, range: &Range<usize>) -> Range<usize> {
        self.at(range.start)..self.at(range.end)
    }

    fn at(&mut self, offset: usize) -> usize {
        let between = self.text.get(self.bytes..offset).unwrap_or_default();
        self.points += between.chars().count();
        self.bytes = offset;
        self.points
    }
}

/// The class of a name: an id, a label, or what Presidio calls it.
fn class_of(name: &str, detector: &Detector) -> Option<Class> {
    let custom = detector.custom_classes();
    let mut custom = custom.filter(|class| class.id() == name || class.label() == name);
    let known = name.parse().ok();
    let known = known.filter(|class| !matches!(class, Class::Custom(_)));
    known.or_else(|| custom.next().cloned().map(Class::Custom))
}

/// What Presidio calls a class, if it knows it.
fn entity_of(class: &Class) -> &str {
    class
        .aliases()
        .first()
        .copied()
        .unwrap_or_else(|| class.label())
}

fn refused(field: &str, why: &'static str) -> Problem {
    Problem::new(Kind::InvalidField, why).with_param(field)
}

/// Says what is found in a text, or in each of several: by the recognisers and the own classes of the
/// tenant's policy, whatever its rules would do with it.
///
/// # Errors
/// A problem that names the field.
pub async fn analyze(
    State(app): State<Arc<App>>,
    tenant: TenantContext,
    Json(asked): Json<AnalyzeRequest>,
) -> Result<Response, Problem> {
    let policy = active_policy(&tenant).await?;
    let question = Question::of(&asked, policy.detector())?;
    let answered = examine(&app.redactions, move || {
        let answer = |text: &String| question.answer(text, policy.detector());
        match &asked.text {
            Texts::One(text) => axum::Json(answer(text)).into_response(),
            Texts::Many(texts) => {
                axum::Json(texts.iter().map(answer).collect::<Vec<_>>()).into_response()
            }
        }
    });
    answered.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_called_by_a_name_that_names_it() {
        let detector = Detector::standard();
        for class in Class::ALL {
            let named = class_of(entity_of(class), detector);
            assert_eq!(named.as_ref(), Some(class));
        }
        assert_eq!(class_of("PERSONS", detector), None);
    }

    #[test]
    fn offsets_are_code_points() {
        let mut points = CodePoints::new("é😀a@b");
        assert_eq!(points.range(&(6..9)), 2..5);
    }
}
