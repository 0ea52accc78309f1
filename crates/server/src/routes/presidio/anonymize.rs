//! The text without what was found in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::refused;
use crate::app::App;
use crate::body::Json;
use crate::gates::examine;
use crate::problem::Problem;

/// Most spans of one text.
const MOST_SPANS: usize = 10_000;

/// The longest text that may stand for a value, in bytes.
const LONGEST: usize = 256;

/// A text, what was found in it, and what is to become of that.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnonymizeRequest {
    text: String,
    analyzer_results: Vec<Span>,
    #[serde(default)]
    anonymizers: BTreeMap<String, Asked>,
}

/// A span in code points, as it was answered or as somebody else found it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    entity_type: String,
    start: usize,
    end: usize,
    #[serde(default)]
    score: f32,
    /// Whether it holds spans of several entities.
    #[serde(skip)]
    is_mixed: bool,
    #[serde(default, rename = "analysis_explanation")]
    _explanation: IgnoredAny,
    #[serde(default, rename = "recognition_metadata")]
    _metadata: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    r#type: String,
    new_value: Option<String>,
    masking_char: Option<char>,
    chars_to_mask: Option<usize>,
    from_end: Option<bool>,
    #[serde(default, rename = "hash_type")]
    _hash: IgnoredAny,
    #[serde(default, rename = "salt")]
    _salt: IgnoredAny,
    #[serde(default, rename = "key")]
    _key: IgnoredAny,
}

const REPLACE: Operator = Operator::Replace(None);

/// What becomes of a value.
enum Operator {
    /// This, or the entity's name in angle brackets.
    Replace(Option<String>),
    Redact,
    Mask {
        with: char,
        count: usize,
        from_end: bool,
    },
    Keep,
}

impl Operator {
    fn of(asked: Asked) -> Result<Self, Problem> {
        let refuse = |why| Err(refused("anonymizers", why));
        match asked.r#type.as_str() {
            "replace"
                if asked
                    .new_value
                    .as_ref()
                    .is_some_and(|it| it.len() > LONGEST) =>
            {
                refuse("new_value: expected at most 256 bytes")
            }
            "replace" => Ok(Self::Replace(asked.new_value)),
            "redact" => Ok(Self::Redact),
            "mask" => Ok(Self::Mask {
                with: asked.masking_char.unwrap_or('*'),
                count: asked.chars_to_mask.unwrap_or(usize::MAX),
                from_end: asked.from_end.unwrap_or_default(),
            }),
            "keep" => Ok(Self::Keep),
            "hash" => {
                refuse("hash: whoever knows what values look like finds them by trying them all")
            }
            "encrypt" => {
                refuse("encrypt: what is to come back is redacted reversibly, by a policy")
            }
            _ => refuse("type: expected replace, redact, mask or keep"),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Replace(_) => "replace",
            Self::Redact => "redact",
            Self::Mask { .. } => "mask",
            Self::Keep => "keep",
        }
    }

    fn apply(&self, value: &str, entity: &str) -> String {
        match self {
            Self::Replace(Some(new)) => new.clone(),
            Self::Replace(None) => format!("<{entity}>"),
            Self::Redact => String::new(),
            Self::Keep => value.to_owned(),
            Self::Mask {
                with,
                count,
                from_end,
            } => {
                let length = value.chars().count();
                let count = length.min(*count);
                let masked = match from_end {
                    true => length - count..length,
                    false => 0..count,
                };
                let mask = |(at, c)| if masked.contains(&at) { *with } else { c };
                value.chars().enumerate().map(mask).collect()
            }
        }
    }
}

#[derive(Debug, PartialEq, Serialize)]
struct Anonymized {
    text: String,
    /// The last first, as Presidio answers them.
    items: Vec<Item>,
}

/// What was put in, in code points of the new text.
#[derive(Debug, PartialEq, Serialize)]
struct Item {
    start: usize,
    end: usize,
    entity_type: String,
    text: String,
    operator: &'static str,
}

/// Takes out of a text what is said to be in it.
///
/// # Errors
/// A problem that names the field; nothing of the text is answered then.
pub async fn anonymize(
    State(app): State<Arc<App>>,
    Json(asked): Json<AnonymizeRequest>,
) -> Result<Response, Problem> {
    let done = examine(&app.redactions, move || without(asked));
    Ok(axum::Json(done.await??).into_response())
}

fn without(asked: AnonymizeRequest) -> Result<Anonymized, Problem> {
    let AnonymizeRequest {
        text,
        analyzer_results: spans,
        anonymizers,
    } = asked;
    if spans.len() > MOST_SPANS {
        return Err(refused("analyzer_results", "expected at most 10000"));
    }
    let mut operators = BTreeMap::new();
    for (entity, asked) in anonymizers {
        operators.insert(entity, Operator::of(asked)?);
    }
    let default = operators.remove("DEFAULT");
    let default = default.unwrap_or(Operator::Replace(None));
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let place = |point: usize| match bounds.get(point) {
        None if point == bounds.len() => Some(text.len()),
        at => at.copied(),
    };
    let (mut new, mut points, mut done) = (String::new(), 0, 0);
    let mut items = Vec::with_capacity(spans.len());
    for span in apart(spans)? {
        let (Some(start), Some(end)) = (place(span.start), place(span.end)) else {
            return Err(refused("analyzer_results", "a span ends behind the text"));
        };
        let before = text.get(done..start).unwrap_or_default();
        new.push_str(before);
        points += before.chars().count();
        let mut operator = operators.get(&span.entity_type).unwrap_or(&default);
        // What one of them would leave is of the others.
        if span.is_mixed && matches!(operator, Operator::Keep | Operator::Mask { .. }) {
            operator = &REPLACE;
        }
        let value = text.get(start..end).unwrap_or_default();
        let put = operator.apply(value, &span.entity_type);
        let from = points;
        new.push_str(&put);
        points += put.chars().count();
        done = end;
        items.push(Item {
            start: from,
            end: points,
            entity_type: span.entity_type,
            text: put,
            operator: operator.name(),
        });
    }
    new.push_str(text.get(done..).unwrap_or_default());
    items.reverse();
    Ok(Anonymized { text: new, items })
}

/// Spans that overlap are one, of the surest one's entity: no part of any stays in the text.
fn apart(mut spans: Vec<Span>) -> Result<Vec<Span>, Problem> {
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        if span.start >= span.end || !(0.0..=1.0).contains(&span.score) {
            let why = "expected start before end, and a score from 0 to 1";
            return Err(refused("analyzer_results", why));
        }
        match apart.last_mut().filter(|last| span.start < last.end) {
            None => apart.push(span),
            Some(last) => {
                last.end = last.end.max(span.end);
                last.is_mixed |= last.entity_type != span.entity_type;
                if span.score > last.score {
                    last.score = span.score;
                    last.entity_type = span.entity_type;
                }
            }
        }
    }
    Ok(apart)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn done(asked: Value) -> Result<(String, Value), String> {
        let asked = serde_json::from_value(asked).map_err(|error| error.to_string())?;
        let done = without(asked).map_err(|problem| problem.param().unwrap_or("").to_owned())?;
        Ok((done.text, json!(done.items)))
    }

    #[test]
    fn values_are_replaced_where_they_are() {
        let span = |entity: &str, start: usize, end: usize| json!({ "entity_type": entity, "start": start, "end": end, "score": 0.9 });
        let text = "é😀 ann@example.com, 4111111111111111";
        let spans = json!([span("CREDIT_CARD", 20, 36), span("EMAIL_ADDRESS", 3, 18)]);
        let (new, items) = done(json!({ "text": text, "analyzer_results": spans })).unwrap();
        assert_eq!(new, "é😀 <EMAIL_ADDRESS>, <CREDIT_CARD>");
        assert_eq!(items[1]["start"], 3);
        assert_eq!(
            items[0],
            json!({ "start": 20, "end": 33, "entity_type": "CREDIT_CARD", "text": "<CREDIT_CARD>", "operator": "replace" })
        );
        let operators = json!({
            "DEFAULT": { "type": "redact" },
            "CREDIT_CARD": { "type": "mask", "masking_char": "#", "chars_to_mask": 12, "from_end": false },
        });
        let asked = json!({ "text": text, "analyzer_results": spans, "anonymizers": operators });
        assert_eq!(done(asked).unwrap().0, "é😀 , ############1111");
        let operators = json!({
            "EMAIL_ADDRESS": { "type": "replace", "new_value": "someone" },
            "CREDIT_CARD": { "type": "mask", "chars_to_mask": 4, "from_end": true },
        });
        let asked = json!({ "text": text, "analyzer_results": spans, "anonymizers": operators });
        assert_eq!(done(asked).unwrap().0, "é😀 someone, 411111111111****");
    }

    #[test]
    fn of_spans_that_overlap_nothing_stays() {
        let spans = json!([
            { "entity_type": "URL", "start": 4, "end": 11, "score": 0.5 },
            { "entity_type": "EMAIL_ADDRESS", "start": 0, "end": 8, "score": 0.9 },
        ]);
        for operator in ["keep", "mask"] {
            let operators = json!({ "DEFAULT": { "type": operator, "chars_to_mask": 1 } });
            let asked = json!({ "text": "a@b.example!", "analyzer_results": spans, "anonymizers": operators });
            assert_eq!(done(asked).unwrap().0, "<EMAIL_ADDRESS>!");
        }
        let (new, items) =
            done(json!({ "text": "a@b.example!", "analyzer_results": spans })).unwrap();
        assert_eq!(new, "<EMAIL_ADDRESS>!");
        assert_eq!(items.as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_is_not_taken_is_refused_by_name() {
        let one = json!([{ "entity_type": "X", "start": 0, "end": 1, "score": 1.0 }]);
        for (spans, operators, field) in [
            (
                json!([{ "entity_type": "X", "start": 1, "end": 1 }]),
                json!({}),
                "analyzer_results",
            ),
            (
                json!([{ "entity_type": "X", "start": 2, "end": 1 }]),
                json!({}),
                "analyzer_results",
            ),
            (
                json!([{ "entity_type": "X", "start": 0, "end": 5 }]),
                json!({}),
                "analyzer_results",
            ),
            (
                json!([{ "entity_type": "X", "start": 0, "end": 1, "score": 1.5 }]),
                json!({}),
                "analyzer_results",
            ),
            (
                one.clone(),
                json!({ "X": { "type": "hash", "hash_type": "sha256" } }),
                "anonymizers",
            ),
            (
                one.clone(),
                json!({ "X": { "type": "encrypt", "key": "k" } }),
                "anonymizers",
            ),
            (
                one.clone(),
                json!({ "X": { "type": "shuffle" } }),
                "anonymizers",
            ),
            (
                one.clone(),
                json!({ "X": { "type": "replace", "new_value": "x".repeat(257) } }),
                "anonymizers",
            ),
        ] {
            let asked =
                json!({ "text": "text", "analyzer_results": spans, "anonymizers": operators });
            assert_eq!(done(asked.clone()), Err(field.to_owned()), "{asked}");
        }
    }
}
