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

use strongroom_pii::{Class, Confidence, scan_from};

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

/// Every table, as it is written and with values in place of their recipes.
fn tables() -> Vec<(Table, Table)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let seed = recipes::seed();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let table: Table = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (table.clone(), table.expanded(seed))
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
    for (written, table) in tables() {
        let mut open = table.open.clone();
        for ((id, _), (text, expected)) in written.rows().into_iter().zip(table.rows()) {
            rows += 1;
            let seen = table.in_text(&text);
            let class = &table.class;
            match (expected.is_met_by(&seen), open.remove(&id)) {
                (true, false) | (false, true) => {}
                (false, false) => wrong.push(format!("{class}\t{id}\t{text:?} gives {seen:?}")),
                (true, true) => wrong.push(format!("{class}\t{id}\tis right, and no longer open")),
            }
        }
        let rest = open.into_iter();
        wrong.extend(rest.map(|id| format!("{}\t{id}\tis open and no row", table.class)));
    }
    assert!(rows > 7000, "{rows}");
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
    let known: BTreeSet<&str> = tables
        .iter()
        .map(|(table, _)| table.class.as_str())
        .collect();
    let missing: Vec<_> = Class::ALL
        .iter()
        .map(Class::id)
        .filter(|id| !known.contains(id))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (table, _) in &tables {
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
