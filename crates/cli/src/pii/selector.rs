//! Which classes are meant: one, or a group of them.

use strongroom::pii::{Class, Confidence};

/// Some of the built-in classes.
#[derive(Clone, Debug)]
pub(super) struct Selector(Vec<Class>);

impl Selector {
    pub(super) fn classes(&self) -> &[Class] {
        &self.0
    }

    /// Reads `*`, a group such as `gov.*`, an id, a label or an alias.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let group = text
            .strip_suffix('*')
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
        let named = text.parse::<Class>().ok();
        let chosen = Class::ALL.iter().filter(|class| match group {
            Some(prefix) => class.id().starts_with(prefix),
            None => Some(*class) == named.as_ref(),
        });
        let chosen: Vec<_> = chosen.cloned().collect();
        if chosen.is_empty() {
            return Err(
                "expected *, a group such as gov.*, or a class, which `strongroom pii classes` \
                 lists"
                    .to_owned(),
            );
        }
        Ok(Self(chosen))
    }
}

/// The classes of several selectors; of none, every class.
pub(super) fn chosen(selectors: &[Selector]) -> Vec<Class> {
    let all = Class::ALL.iter();
    all.filter(|class| selectors.is_empty() || selectors.iter().any(|one| one.0.contains(class)))
        .cloned()
        .collect()
}

/// Reads a threshold.
pub(super) fn confidence(text: &str) -> Result<Confidence, &'static str> {
    let number = text.parse().ok().and_then(Confidence::new);
    number.ok_or("expected a number from 0 to 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_a_class_or_a_group() {
        let ids = |text| {
            let selector = Selector::parse(text).unwrap();
            let ids = selector.0.iter().map(|class| class.id().to_owned());
            ids.collect::<Vec<_>>()
        };
        for name in ["contact.email", "EMAIL", "EMAIL_ADDRESS"] {
            assert_eq!(ids(name), ["contact.email"]);
        }
        assert_eq!(ids("gov.ssn.*"), ["gov.ssn.us"]);
        assert_eq!(ids("*").len(), Class::ALL.len());
        assert!(ids("gov.*").iter().all(|id| id.starts_with("gov.")));
        for text in ["", "gov", "go*", "gov.x.*", "contact.emai", "custom.mine"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
