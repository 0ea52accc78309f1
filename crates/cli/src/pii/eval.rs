//! `eval`: what is found, against what a corpus says is there.

mod cases;
mod corpus;
mod score;
mod table;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use strongroom::pii::{Class, Confidence};

use self::cases::Cases;
use self::corpus::{Line, Mapping, Types};
use self::score::{Kind, Scores};
use super::detector::Detector;
use super::finding::range;
use super::selector::{Selector, chosen, confidence};
use crate::failure::Failure;
use crate::input::{self, MAX_CONTENT};
use crate::output::{self, Output};
use crate::progress::{Progress, is_watched};

pub(super) const HELP: &str = "\
A corpus is JSON Lines: {\"text\": ..., \"spans\": [{\"type\": ..., \"start\": ..., \"end\": ...}]}, offsets in
Unicode code points, the end excluded. A type (or \"class\") is a class's id, label or alias, or what
--map says. Spans of other types are told, and count as `other`: a finding that shares a character
with one is neither right nor false, unless it is a label exactly.

  n          labels of the class
  exact      precision, recall and F1 of findings that are a label of the class, end for end
  overlap    the same, of findings that share a character with a label of the class
  false      findings that share no character with a label of any type
  false/MB   such findings in texts without labels, for each 1,000,000 bytes of those
  ECE        expected calibration error: by how much confidence is off the share of findings that
             are exactly right, over ten bins; of so many findings as `judged`. Only what reaches
             --min-confidence is among them: give 0 to measure all

A line with \"kind\": \"analyze\", an \"entity\" and spans as [start, end] is a case: with spans, the
entity's class must be found exactly there at threshold 0; without, nothing of it at the default
threshold. Lines of other kinds are counted and skipped.

--list tells a class's misses and false findings by line and offset; texts only with --show-text.

Examples:
  strongroom pii eval corpus.jsonl
  strongroom pii eval --classes 'gov.*' --map ZIP=location.postcode --map AGE=other corpus.jsonl
  strongroom pii eval --list contact.phone --show-text corpus.jsonl
  strongroom pii eval --min-confidence 0 --json train.jsonl test.jsonl";

#[derive(Args)]
pub(crate) struct Options {
    /// The corpora, or `-` for standard input; several count as one
    #[arg(value_name = "CORPUS", required = true)]
    corpora: Vec<PathBuf>,
    /// What a type of the corpus is: a class's id, label or alias, or `other`; repeat for several
    #[arg(long = "map", value_name = "TYPE=CLASS", value_parser = Mapping::parse)]
    mappings: Vec<Mapping>,
    /// Only these: an id, a group such as gov.*, a label or an alias; repeat for several
    #[arg(long, value_name = "SELECTOR", value_parser = Selector::parse)]
    classes: Vec<Selector>,
    /// Only what is at least so sure, from 0 to 1
    #[arg(long, value_name = "NUMBER", default_value = "0.5", value_parser = confidence)]
    min_confidence: Confidence,
    /// Tell the misses and false findings of these
    #[arg(long, value_name = "SELECTOR", value_parser = Selector::parse)]
    list: Vec<Selector>,
    /// Tell their texts as well
    #[arg(long, requires = "list")]
    show_text: bool,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let detector = Detector::new(&options.classes, options.min_confidence)?;
    let mut redactor = detector.redactor();
    let mut types = Types::new(&options.mappings);
    let mut scores = Scores::new(chosen(&options.classes));
    let mut cases = Cases::default();
    let mut listed = Listed::new(options, output);
    let mut skipped = 0;
    let shows_itself = !options.list.is_empty() && io::stdout().is_terminal();
    let is_watched = is_watched(output) && !shows_itself;
    let mut progress = Progress::new(size(&options.corpora), is_watched);
    for path in &options.corpora {
        let name = input::name(Some(path));
        each_line(path, |number, line| {
            progress.add(line.len());
            let wrong =
                |reason: String| Failure::unusable(format!("{name}, line {number}: {reason}"));
            match corpus::parse(line, &mut types).map_err(wrong)? {
                Line::Document { text, labels } => {
                    let redaction = redactor
                        .redact(&text)
                        .map_err(|error| wrong(error.to_string()))?;
                    scores.document(&text, labels, &redaction.findings, |kind, class, place| {
                        listed.add(&name, number, kind, class, place, &text)
                    })
                }
                Line::Case(case) => {
                    if scores.covers(&case.class) {
                        let right = cases.judge(&case);
                        for (kind, place) in right.errors {
                            listed.add(&name, number, kind, &case.class, &place, &case.text)?;
                        }
                    }
                    Ok(())
                }
                Line::Skipped => {
                    skipped += 1;
                    Ok(())
                }
            }
        })?;
    }
    drop(progress);
    let unknown = types.into_unknown();
    if output == Output::Text {
        let table = table::text(&scores, &cases, &unknown, skipped);
        return output::write(table.as_bytes());
    }
    let mut report = table::json(&scores, &cases, &unknown, skipped);
    if let (Some(members), false) = (report.as_object_mut(), options.list.is_empty()) {
        members.insert("listed".to_owned(), listed.objects.into());
    }
    output::write(format!("{report}\n").as_bytes())
}

/// Misses and false findings that are told.
struct Listed {
    classes: Vec<Class>,
    show_text: bool,
    output: Output,
    objects: Vec<Value>,
}

impl Listed {
    fn new(options: &Options, output: Output) -> Self {
        let classes = options.list.iter().flat_map(|one| one.classes().to_vec());
        Self {
            classes: classes.collect(),
            show_text: options.show_text,
            output,
            objects: Vec::new(),
        }
    }

    fn add(
        &mut self,
        name: &str,
        number: usize,
        kind: Kind,
        class: &Class,
        place: &Range<usize>,
        text: &str,
    ) -> Result<(), Failure> {
        if !self.classes.contains(class) {
            return Ok(());
        }
        let kind = kind.as_str();
        let shown = self.show_text.then(|| {
            let shown = text.chars().skip(place.start).take(place.len());
            shown.collect::<String>()
        });
        if self.output == Output::Json {
            let mut object = json!({
                "kind": kind,
                "corpus": name,
                "line": number,
                "class": class.id(),
                "chars": range(place),
            });
            if let (Some(members), Some(shown)) = (object.as_object_mut(), shown) {
                members.insert("text".to_owned(), shown.into());
            }
            self.objects.push(object);
            return Ok(());
        }
        // As a JSON string, so that it stays on its line.
        let shown = shown.map_or(String::new(), |shown| format!("\t{}", Value::from(shown)));
        let (start, end) = (place.start, place.end);
        let line = format!("{name}:{number}\t{kind}\t{class}\t{start}..{end}{shown}\n");
        output::write(line.as_bytes())
    }
}

/// Gives each line that is not empty, with its number, while the rest is unread.
fn each_line(
    path: &Path,
    mut take: impl FnMut(usize, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let name = input::name(Some(path));
    let broken = |error: io::Error| Failure::unusable(format!("{name}: {error}"));
    let source: Box<dyn io::Read> = if input::is_stdin(Some(path)) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(broken)?)
    };
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        let mut limited = source.by_ref().take(MAX_CONTENT as u64 + 1);
        if limited.read_until(b'\n', &mut line).map_err(broken)? == 0 {
            break;
        }
        let wrong = |reason: &str| Failure::unusable(format!("{name}, line {number}: {reason}"));
        if line.len() > MAX_CONTENT {
            return Err(wrong(&format!("longer than {MAX_CONTENT} bytes")));
        }
        let text = str::from_utf8(&line).map_err(|_| wrong("not UTF-8"))?;
        if !text.trim().is_empty() {
            take(number, text)?;
        }
    }
    Ok(())
}

/// The bytes of all corpora, if that is known.
fn size(corpora: &[PathBuf]) -> Option<u64> {
    let sizes = corpora.iter().map(|path| {
        let metadata = path.metadata().ok();
        metadata.filter(|m| m.is_file()).map(|m| m.len())
    });
    sizes.sum()
}
