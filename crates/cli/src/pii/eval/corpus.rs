//! A corpus: texts with what is in them, one JSON object a line.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use strongroom::pii::Class;

/// What a type of the corpus is: a class, or something else.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    name: String,
    class: Option<Class>,
}

/// The classes of a corpus's types.
pub(super) struct Types {
    known: BTreeMap<String, Option<Class>>,
    unknown: BTreeMap<String, usize>,
}

/// Where something is, in code points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) place: Range<usize>,
    /// None is a type that is no class.
    pub(super) class: Option<Class>,
}

/// A text in which one class must be found exactly there, or, if nowhere, must not be found.
pub(super) struct Case {
    pub(super) text: String,
    pub(super) class: Class,
    pub(super) places: Vec<Range<usize>>,
}

pub(super) enum Line {
    Document { text: String, labels: Vec<Label> },
    Case(Case),
    Skipped,
}

impl Mapping {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, class) = text.split_once('=').ok_or("expected TYPE=CLASS")?;
        let class = match class {
            "other" => None,
            class => Some(class.parse().map_err(
                |_| "expected a class, which `strongroom pii classes` lists, or `other`",
            )?),
        };
        let name = name.to_owned();
        Ok(Self { name, class })
    }
}

impl Types {
    pub(super) fn new(mappings: &[Mapping]) -> Self {
        let known = mappings.iter().cloned();
        Self {
            known: known.map(|one| (one.name, one.class)).collect(),
            unknown: BTreeMap::new(),
        }
    }

    /// The types that are no class and were not mapped, with how often each was met.
    pub(super) fn into_unknown(self) -> BTreeMap<String, usize> {
        self.unknown
    }

    fn class(&mut self, name: &str) -> Option<Class> {
        if let Some(class) = self.known.get(name) {
            return class.clone();
        }
        let class = name.parse().ok();
        if class.is_none() {
            *self.unknown.entry(name.to_owned()).or_default() += 1;
        }
        class
    }
}

/// Reads a line. An error names the member that is wrong, and repeats nothing of the line.
pub(super) fn parse(line: &str, types: &mut Types) -> Result<Line, String> {
    let line: Value = serde_json::from_str(line).map_err(|_| "not a JSON object")?;
    let string = |name: &str| line.get(name).and_then(Value::as_str);
    let is_case = match string("kind") {
        Some("analyze") => true,
        Some(_) => return Ok(Line::Skipped),
        None => false,
    };
    let text = string("text").ok_or("text: expected a string")?.to_owned();
    let spans = line.get("spans").and_then(Value::as_array);
    let spans = spans.ok_or("spans: expected an array")?;
    let length = text.chars().count();
    let checked = |number: usize, start: Option<&Value>, end: Option<&Value>| {
        let offset = |value: Option<&Value>| {
            let offset = value.and_then(Value::as_u64);
            offset.and_then(|offset| usize::try_from(offset).ok())
        };
        match (offset(start), offset(end)) {
            (Some(start), Some(end)) if start < end && end <= length => Ok(start..end),
            _ => Err(format!(
                "spans[{number}]: expected offsets in code points, start before end, within the \
                 text"
            )),
        }
    };
    if is_case {
        let places = spans
            .iter()
            .enumerate()
            .map(|(number, span)| checked(number, span.get(0), span.get(1)))
            .collect::<Result<_, _>>()?;
        let entity = string("entity").ok_or("entity: expected a string")?;
        // The spans' own type, where it is told, is what they are of.
        let told = line
            .get("types")
            .and_then(|types| types.get(0))
            .and_then(Value::as_str);
        return Ok(types
            .class(told.unwrap_or(entity))
            .map_or(Line::Skipped, |class| {
                Line::Case(Case {
                    text,
                    class,
                    places,
                })
            }));
    }
    let mut labels = Vec::with_capacity(spans.len());
    for (number, span) in spans.iter().enumerate() {
        let place = checked(number, span.get("start"), span.get("end"))?;
        let name = span.get("type").or(span.get("class"));
        let name = name.and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("spans[{number}].type: expected a string"))?;
        let class = types.class(name);
        labels.push(Label { place, class });
    }
    Ok(Line::Document { text, labels })
}
