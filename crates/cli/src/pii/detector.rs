//! What finds and changes nothing.

use serde_json::json;
use strongroom::pii::{Channel, Class, Confidence, Policy, Redactor};
use strongroom::tenancy::TenantId;

use super::selector::{Selector, chosen};
use crate::failure::Failure;

/// A search for some classes, from one confidence on.
pub(super) struct Detector(Policy);

impl Detector {
    /// For the classes of these selectors; without any, for all.
    pub(super) fn new(selectors: &[Selector], threshold: Confidence) -> Result<Self, Failure> {
        Self::only(&chosen(selectors), threshold)
    }

    /// For these classes. The others, from the default threshold on, still are what they are: no
    /// value of these classes is found inside of one of theirs.
    pub(super) fn only(classes: &[Class], threshold: Confidence) -> Result<Self, Failure> {
        let rule = |class: &str, mode| {
            json!({
                "tenant": "*",
                "class": class,
                "channel": "*",
                "mode": mode,
                "min_confidence": threshold.get(),
            })
        };
        let rules: Vec<_> = if classes.len() == Class::ALL.len() {
            vec![rule("*", "flag")]
        } else {
            let wanted = classes.iter().map(|class| rule(class.id(), "flag"));
            wanted.chain([rule("*", "off")]).collect()
        };
        let document = json!({"version": 1, "rules": rules}).to_string();
        Policy::from_json(&document)
            .map(Self)
            .map_err(Failure::unusable)
    }

    /// A redactor that reports and leaves every text as it is.
    pub(super) fn redactor(&self) -> Redactor<'_> {
        Redactor::new(&self.0, &TenantId::PLATFORM, Channel::Prompt)
    }
}
