//! Each class by its table: `tests/tables/<class>.json`, written from the issuers' rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

use strongroom_pii::{Class, Confidence, Match, scan_from};

mod recipes;

use recipes::{Random, Recipes, Row};

#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    class: String,
    name: String,
    sources: Vec<String>,
    form: String,
    written: Vec<String>,
    check: String,
    context: Vec<String>,
    keys: Vec<String>,
    valid: Vec<String>,
    invalid: Vec<Invalid>,
    found: Vec<Found>,
    silent: Vec<Silent>,
    /// The confidence from which on the class's values are found, when it is not the default.
    #[serde(default)]
    threshold: Option<f32>,
    /// Rows that are not read as they say, by their text: known, and open.
    #[serde(default)]
    open: BTreeSet<String>,
    /// What makes the values that `«…»` in the rows stand for.
    #[serde(default)]
    secrets: Option<Recipes>,
    /// The issuers of the class's values, where each has a form of its own.
    #[serde(default)]
    vendors: Vec<Vendor>,
}

#[derive(Clone, serde::Deserialize)]
struct Vendor {
    vendor: String,
    /// What has to stand beside a form that says little by itself.
    #[serde(default)]
    context: Vec<String>,
    examples: Vec<String>,
    near_misses: Vec<String>,
}

#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalid {
    value: String,
    why: String,
}

#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    text: String,
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Silent {
    text: String,
    why: String,
}

/// Every table as it is written.
fn tables() -> Vec<Table> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(read).collect()
}

impl Table {
    /// With values in place of their recipes.
    fn expanded(mut self, seed: u64) -> Self {
        let Some(recipes) = &self.secrets else {
            return self;
        };
        let mut random = Random::new(seed);
        let mut expand = |texts: &mut [&mut String]| {
            let mut row = Row::new(recipes, &mut random);
            for text in texts {
                **text = row.expand(text);
            }
        };
        self.valid.iter_mut().for_each(|value| expand(&mut [value]));
        self.invalid
            .iter_mut()
            .for_each(|invalid| expand(&mut [&mut invalid.value]));
        for found in &mut self.found {
            let mut texts = vec![&mut found.text];
            texts.extend(found.value.as_mut());
            texts.extend(&mut found.values);
            expand(&mut texts);
        }
        self.silent
            .iter_mut()
            .for_each(|silent| expand(&mut [&mut silent.text]));
        for vendor in &mut self.vendors {
            vendor
                .examples
                .iter_mut()
                .for_each(|value| expand(&mut [value]));
            vendor
                .near_misses
                .iter_mut()
                .for_each(|value| expand(&mut [value]));
        }
        self
    }

    /// The rows that are not read as they say, with the values that a seed makes, and the open ones that
    /// are.
    fn wrong(&self, seed: u64) -> Vec<String> {
        let (mut wrong, mut open) = (Vec::new(), self.open.clone());
        let (class, made) = (&self.class, self.clone().expanded(seed));
        for ((id, _), (text, expected)) in self.rows().into_iter().zip(made.rows()) {
            let seen = made.in_text(&text);
            match (expected.is_met_by(&seen), open.remove(&id)) {
                (true, false) | (false, true) => {}
                (false, false) => wrong.push(format!(
                    "{class}\t{id}\t{text:?} gives {seen:?}, TEST_SEED={seed}"
                )),
                (true, true) => wrong.push(format!(
                    "{class}\t{id}\tis right, and no longer open, TEST_SEED={seed}"
                )),
            }
        }
        let rest = open.into_iter();
        wrong.extend(rest.map(|id| format!("{class}\t{id}\tis open and no row")));
        wrong
    }

    /// What is found of the class in a text.
    fn in_text<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let threshold = self.threshold.and_then(Confidence::new);
        let found = scan_from(text, threshold.unwrap_or(Confidence::DEFAULT_THRESHOLD));
        let found = found
            .into_iter()
            .filter(|found| found.class.id() == self.class);
        found.map(|found| text.get(found.range).unwrap()).collect()
    }

    /// Every row as a text and what is to be found of the class in it.
    fn rows(&self) -> Vec<(String, Expected)> {
        let mut rows = Vec::new();
        for found in &self.found {
            let mut values: Vec<String> = found.values.clone();
            values.extend(found.value.clone());
            rows.push((found.text.clone(), Expected::Exactly(values)));
        }
        for silent in &self.silent {
            rows.push((silent.text.clone(), Expected::Exactly(Vec::new())));
        }
        // Beside its name a value stands or falls with its check.
        if let Some(name) = self.context.first() {
            for value in &self.valid {
                rows.push((format!("{name}: {value}"), Expected::Has(value.clone())));
            }
            for invalid in &self.invalid {
                let text = format!("{name}: {}", invalid.value);
                rows.push((text, Expected::HasNot(invalid.value.clone())));
            }
        }
        for vendor in &self.vendors {
            let beside = |value: &String| match vendor.context.first() {
                Some(word) => format!("{word}: {value}"),
                None => value.clone(),
            };
            for value in &vendor.examples {
                rows.push((beside(value), Expected::Exactly(vec![value.clone()])));
            }
            for value in &vendor.near_misses {
                rows.push((beside(value), Expected::HasNot(value.clone())));
            }
        }
        rows
    }
}

/// What is to be found of its class in a row's text.
enum Expected {
    Exactly(Vec<String>),
    Has(String),
    HasNot(String),
}

impl Expected {
    fn is_met_by(&self, seen: &[&str]) -> bool {
        match self {
            Self::Exactly(values) => {
                let (mut values, mut seen) = (values.clone(), seen.to_vec());
                values.sort_unstable();
                seen.sort_unstable();
                seen == values
            }
            Self::Has(value) => seen.contains(&value.as_str()),
            Self::HasNot(value) => !seen.contains(&value.as_str()),
        }
    }
}

#[test]
fn every_value_is_found_and_every_decoy_is_not() {
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for written in tables() {
        // A table without recipes says the same whatever the seed is.
        let seeds = recipes::seeds().take(written.secrets.as_ref().map_or(1, |_| usize::MAX));
        for seed in seeds {
            rows += written.rows().len();
            wrong.extend(written.wrong(seed));
        }
    }
    assert!(rows > 7000, "{rows}");
    // A value drawn at random may be a word or another vendor's key: no more than one row in a million.
    assert!(
        wrong.len() <= rows / 1_000_000,
        "{} of {rows} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{} of {rows} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_found_is_found_as_well_where_less_is_enough() {
    let low = Confidence::new(0.2).unwrap();
    let seed = recipes::seeds().next().unwrap();
    let mut wrong = Vec::new();
    for table in tables() {
        for (text, _) in table.expanded(seed).rows() {
            let more = scan_from(&text, low);
            for found in scan_from(&text, Confidence::DEFAULT_THRESHOLD) {
                let is_same =
                    |other: &Match| other.class == found.class && other.range == found.range;
                let is_held = |other: &Match| {
                    other.class == Class::Url && other.range.contains(&found.range.start)
                };
                if !more.iter().any(|other| is_same(other) || is_held(other)) {
                    wrong.push(format!("{text:?}: {} {:?}", found.class, found.range));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_class_has_its_table() {
    let tables = tables();
    let known: BTreeSet<&str> = tables.iter().map(|table| table.class.as_str()).collect();
    let missing: Vec<_> = Class::ALL
        .iter()
        .map(Class::id)
        .filter(|id| !known.contains(id))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for table in &tables {
        assert!(
            !table.sources.is_empty() && !table.name.is_empty(),
            "{}",
            table.class
        );
        assert!(table.class.parse::<Class>().is_ok(), "{}", table.class);
        let said = [&table.form, &table.check].into_iter();
        let said = said.chain(table.invalid.iter().map(|invalid| &invalid.why));
        let said = said.chain(table.silent.iter().map(|silent| &silent.why));
        let mut said = said.chain(table.vendors.iter().map(|vendor| &vendor.vendor));
        assert!(said.all(|text| !text.is_empty()), "{}", table.class);
        assert!(
            !table.written.is_empty() && table.keys.len() + table.context.len() > 0,
            "{}",
            table.class
        );
    }
}
