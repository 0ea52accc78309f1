//! Classes of the user's own: a pattern with the words that name its values and the check digits that
//! they have, or a recogniser in code.

use std::fmt;

use regex::Regex;

use crate::ids::checksum;
use crate::{Confidence, CustomClass};

/// Reads the values of one class that is the user's own.
///
/// It is asked where a word begins whose first byte it takes, and sees 256 bytes at most: what it says
/// must depend on these alone, so that a text in pieces is read as the whole text is.
pub trait Recognizer: Send + Sync {
    /// The class of its values.
    fn class(&self) -> &CustomClass;

    /// Words and phrases that name the class, in any case: beside one a value is surer.
    fn context(&self) -> &[String];

    /// Whether a value may begin with a byte.
    fn begins_with(&self, first: u8) -> bool;

    /// How long a value may be, in bytes; more than 256 counts as 256.
    fn longest(&self) -> usize;

    /// The value with which a text begins; `None` when it does not.
    fn read(&self, text: &str) -> Option<Reading>;
}

/// A value that a [`Recognizer`] has read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// How long it is, in bytes.
    pub length: usize,
    /// How sure it is without the words around.
    pub confidence: Confidence,
    /// Whether a check digit was checked.
    pub checked: bool,
}

/// Check digits that numbers of the user's own may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum {
    /// Luhn, over the digits (ISO/IEC 7812-1, annex B).
    Luhn,
    /// ISO 7064 MOD 97-10, over digits and letters, where 1 is left.
    Mod97,
    /// ISO 7064 MOD 11,10, over the digits.
    Mod11,
    /// Verhoeff, over the digits.
    Verhoeff,
}

impl Checksum {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Luhn, Self::Mod97, Self::Mod11, Self::Verhoeff];

    /// The name, as it stands in a policy.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Luhn => "luhn",
            Self::Mod97 => "mod97",
            Self::Mod11 => "mod11",
            Self::Verhoeff => "verhoeff",
        }
    }

    fn holds(self, value: &str) -> bool {
        let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).collect();
        let all = value.bytes().filter(u8::is_ascii_alphanumeric);
        !digits.is_empty()
            && match self {
                Self::Luhn => checksum::luhn(&digits),
                Self::Mod97 => checksum::mod_97(all.map(|b| b.to_ascii_uppercase())) == 1,
                Self::Mod11 => checksum::mod_11_10(&digits),
                Self::Verhoeff => checksum::verhoeff(&digits),
            }
    }
}

/// A class by a pattern.
///
/// ```
/// use strongroom_pii::{Checksum, CustomRule, Detector};
///
/// let rule = CustomRule::new("custom.employee", r"EMP-\d{6}")?
///     .with_context(["employee", "staff id"])?;
/// let badge = CustomRule::new("custom.badge", r"\d{8}")?
///     .with_checksum(Checksum::Luhn)
///     .with_context(["badge"])?;
/// let detector = Detector::builder().rule(rule).rule(badge).build()?;
/// let found = detector.scan("employee EMP-004711, her badge is 49927398");
/// let ids: Vec<_> = found.iter().map(|found| found.class.id().to_owned()).collect();
/// assert_eq!(ids, ["custom.employee"]);
/// # Ok::<(), strongroom_pii::CustomError>(())
/// ```
pub struct CustomRule {
    class: CustomClass,
    pattern: Regex,
    longest: usize,
    context: Vec<String>,
    checksum: Option<Checksum>,
    confidence: Option<Confidence>,
}

/// A class of the user's own, or a detector, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomError {
    /// The id is not `custom.` and a name, or its label is another class's.
    #[error("class: expected custom. and a name that no other class has")]
    Class,
    /// The pattern is no regular expression, or too large a one.
    #[error("pattern: expected a regular expression")]
    Pattern,
    /// The pattern takes texts of any length.
    #[error("pattern: expected one that takes 256 bytes at most")]
    Unbounded,
    /// The pattern takes a text of fewer than three bytes, or the class's own label.
    #[error("pattern: expected one that takes three bytes at least, and not the class's label")]
    Short,
    /// A word is empty, or longer than 64 bytes.
    #[error("context: expected words and phrases of 1 to 64 bytes")]
    Context,
    /// There are more than 64 classes, or 10,000 values in a list.
    #[error("at most 64 classes, and 10000 values in a list")]
    TooMany,
}

/// The longest value, in bytes.
pub(crate) const LONGEST: usize = 256;

impl CustomRule {
    /// Takes an id such as `custom.employee`, and a pattern in the syntax of the crate `regex`, whose
    /// matches are 3 to 256 bytes long. A value begins where a word begins, and ends where one ends.
    ///
    /// # Errors
    /// [`CustomError`].
    pub fn new(id: &str, pattern: &str) -> Result<Self, CustomError> {
        let class = CustomClass::new(id).map_err(|_| CustomError::Class)?;
        let parsed = regex_syntax::parse(pattern).map_err(|_| CustomError::Pattern)?;
        let properties = parsed.properties();
        let longest = properties
            .maximum_len()
            .filter(|longest| *longest <= LONGEST);
        let longest = longest.ok_or(CustomError::Unbounded)?;
        let anchored = regex::RegexBuilder::new(&format!(r"\A(?:{pattern})"));
        let pattern = { anchored }
            .size_limit(1 << 20)
            .build()
            .map_err(|_| CustomError::Pattern)?;
        let label = pattern.is_match(class.label());
        if properties.minimum_len().unwrap_or(0) < 3 || label {
            return Err(CustomError::Short);
        }
        Ok(Self {
            class,
            pattern,
            longest,
            context: Vec::new(),
            checksum: None,
            confidence: None,
        })
    }

    /// With words and phrases that name the class: without one beside it, a value is not reported at
    /// the default threshold, unless a check digit or [`with_confidence`](Self::with_confidence)
    /// says otherwise.
    ///
    /// # Errors
    /// [`CustomError::Context`].
    pub fn with_context<S: Into<String>>(
        mut self,
        words: impl IntoIterator<Item = S>,
    ) -> Result<Self, CustomError> {
        for word in words {
            let word = word.into();
            if word.trim().is_empty() || word.len() > 64 {
                return Err(CustomError::Context);
            }
            self.context.push(word);
        }
        Ok(self)
    }

    /// With check digits: a value whose do not hold is none.
    #[must_use]
    pub const fn with_checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// With a confidence of its own, where no word names it.
    #[must_use]
    pub const fn with_confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

/// What a value has without a word beside it: alone, when words are known that name it, with a check
/// digit, with both.
const ALONE: i16 = 25;
const UNNAMED: i16 = -20;
const CHECKED: i16 = 30;
const CHECKED_UNNAMED: i16 = -10;

impl Recognizer for CustomRule {
    fn class(&self) -> &CustomClass {
        &self.class
    }

    fn context(&self) -> &[String] {
        &self.context
    }

    fn begins_with(&self, _: u8) -> bool {
        true
    }

    fn longest(&self) -> usize {
        self.longest
    }

    fn read(&self, text: &str) -> Option<Reading> {
        let found = self.pattern.find(text)?;
        if self
            .checksum
            .is_some_and(|checksum| !checksum.holds(found.as_str()))
        {
            return None;
        }
        let tenths = match (self.context.is_empty(), self.checksum.is_some()) {
            (true, true) => CHECKED,
            (true, false) => ALONE,
            (false, true) => CHECKED_UNNAMED,
            (false, false) => UNNAMED,
        };
        Some(Reading {
            length: found.len(),
            confidence: self.confidence.unwrap_or(Confidence::of_log_odds(tenths)),
            checked: self.checksum.is_some(),
        })
    }
}

impl fmt::Debug for CustomRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomRule({:?})", self.class)
    }
}

/// Values that are of a class wherever they stand.
pub(crate) struct Listed {
    class: CustomClass,
    /// In lower case, sorted.
    values: Vec<String>,
    longest: usize,
}

impl Listed {
    pub(crate) fn new(class: CustomClass, values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = values
            .into_iter()
            .map(|value| value.to_lowercase())
            .collect();
        values.retain(|value| !value.is_empty() && value.len() <= LONGEST);
        values.sort_unstable();
        values.dedup();
        let longest = values.iter().map(String::len).max().unwrap_or(0);
        Self {
            class,
            values,
            longest,
        }
    }
}

impl Recognizer for Listed {
    fn class(&self) -> &CustomClass {
        &self.class
    }

    fn context(&self) -> &[String] {
        &[]
    }

    fn begins_with(&self, _: u8) -> bool {
        true
    }

    fn longest(&self) -> usize {
        self.longest
    }

    fn read(&self, text: &str) -> Option<Reading> {
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
        let ends: Vec<usize> = ends.take_while(|end| *end <= self.longest).collect();
        let known = |end: &&usize| {
            let value = text.get(..**end).unwrap_or_default().to_lowercase();
            self.values.binary_search(&value).is_ok()
        };
        let length = ends.iter().rev().find(known)?;
        Some(Reading {
            length: *length,
            confidence: Confidence::of_log_odds(60),
            checked: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_are_refused() {
        let new = |id: &str, pattern: &str| CustomRule::new(id, pattern).map(|_| ());
        for (id, pattern, error) in [
            ("employee", "EMP-[0-9]{6}", CustomError::Class),
            ("custom.email", "EMP-[0-9]{6}", CustomError::Class),
            ("custom.a", "EMP-[0-9", CustomError::Pattern),
            ("custom.a", "a+b", CustomError::Unbounded),
            ("custom.a", "a{257}", CustomError::Unbounded),
            ("custom.a", "ab", CustomError::Short),
            ("custom.a", "(?:abc)?", CustomError::Short),
            ("custom.project", "[A-Z_]{3,20}", CustomError::Short),
            ("custom.a", "(abc", CustomError::Pattern),
        ] {
            assert_eq!(new(id, pattern), Err(error), "{id} {pattern}");
        }
        assert_eq!(new("custom.a", "EMP-[0-9]{6}"), Ok(()));
        let rule = || CustomRule::new("custom.a", "EMP-[0-9]{6}").expect("well-formed");
        assert!(rule().with_context(["  "]).is_err());
        assert!(rule().with_context(["x".repeat(65)]).is_err());
    }

    #[test]
    fn check_digits_decide() {
        // The examples of the standards; MOD 97-10's with its check digits behind.
        for (checksum, value, other) in [
            (Checksum::Luhn, "4992-7398-716", "4992-7398-717"),
            (Checksum::Mod97, "794 44", "794 45"),
            (Checksum::Mod11, "0794 5", "0794 6"),
            (Checksum::Verhoeff, "2363", "2364"),
        ] {
            assert!(checksum.holds(value), "{value}");
            assert!(!checksum.holds(other), "{other}");
            assert!(!checksum.holds("no digits"));
        }
    }
}
