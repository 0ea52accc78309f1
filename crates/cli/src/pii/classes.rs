//! `classes`: what can be found.

use clap::Args;
use serde_json::json;

use super::selector::{Selector, chosen};
use crate::failure::Failure;
use crate::output::{self, Output};

pub(super) const HELP: &str = "\
A line each: the id, which policies name; the label, which stands in a redacted text; other names
for the same; what it is.

Examples:
  strongroom pii classes
  strongroom pii classes 'gov.*'
  strongroom pii classes EMAIL_ADDRESS --json";

#[derive(Args)]
pub(crate) struct Options {
    /// Only these: an id, a group such as gov.*, a label or an alias
    #[arg(value_name = "SELECTOR", value_parser = Selector::parse)]
    selectors: Vec<Selector>,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let mut lines = String::new();
    for class in chosen(&options.selectors) {
        let (id, label, description) = (class.id(), class.label(), class.description());
        if output == Output::Json {
            let line = json!({
                "class": id,
                "label": label,
                "placeholder": class.placeholder(),
                "aliases": class.aliases(),
                "calibrated": class.is_calibrated(),
                "description": description,
            });
            lines.push_str(&format!("{line}\n"));
        } else {
            let aliases = class.aliases().join(",");
            lines.push_str(&format!("{id}\t{label}\t{aliases}\t{description}\n"));
        }
    }
    output::write(lines.as_bytes())
}
