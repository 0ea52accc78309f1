//! A detector: the built-in classes, the user's own, and lists of what is always or never a value.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::class::Kind;
use crate::custom::Listed;
use crate::engine::{Engine, Floors, Progress, Taken};
use crate::normal::Normal;
use crate::secrets::vendor::AFTER_TOLD;
use crate::{Class, Confidence, CustomClass, CustomError, CustomRule, Match, Recognizer};

static STANDARD: LazyLock<Detector> = LazyLock::new(|| Detector {
    engine: Engine::standard(),
    allowed: BTreeSet::new(),
});

/// The built-in classes, the user's own, and lists.
///
/// Building one takes some milliseconds; scanning with it is as [`scan`](crate::scan).
pub struct Detector {
    pub(crate) engine: Engine,
    /// In lower case.
    allowed: BTreeSet<String>,
}

/// A detector that is put together.
#[derive(Default)]
pub struct DetectorBuilder {
    recognizers: Vec<Arc<dyn Recognizer>>,
    allowed: BTreeSet<String>,
    listed: usize,
}

/// The most classes of the user's own, and the most values in lists.
const MOST_CLASSES: usize = 64;
const MOST_VALUES: usize = 10_000;

impl Detector {
    /// The detector with the built-in classes alone.
    #[must_use]
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    /// Begins a detector with the built-in classes.
    #[must_use]
    pub fn builder() -> DetectorBuilder {
        DetectorBuilder::default()
    }

    /// The classes of the user's own.
    pub fn custom_classes(&self) -> impl Iterator<Item = &CustomClass> {
        self.engine
            .custom
            .iter()
            .map(|recognizer| recognizer.class())
    }

    /// Finds what reaches the default threshold.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Match> {
        self.scan_from(text, Confidence::DEFAULT_THRESHOLD)
    }

    /// As [`scan`](Self::scan), from another confidence on.
    #[must_use]
    pub fn scan_from(&self, text: &str, threshold: Confidence) -> Vec<Match> {
        self.scan_with(text, &Floors::all(threshold.log_odds()))
    }

    /// Finds values of these classes alone, from a confidence on: no other class competes for a span.
    ///
    /// ```
    /// use strongroom_pii::{Class, Confidence, Detector};
    ///
    /// let any = Confidence::new(0.0).ok_or("0 is a confidence")?;
    /// let found = Detector::standard().scan_only("2121551234", any, &[Class::AuMedicare]);
    /// assert_eq!(found.len(), 1);
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn scan_only(&self, text: &str, threshold: Confidence, classes: &[Class]) -> Vec<Match> {
        let tenths = |class: &Class| {
            if classes.contains(class) {
                threshold.log_odds()
            } else {
                i16::MAX
            }
        };
        self.scan_with(
            text,
            &Floors::each(self.classes().map(|class| tenths(&class)).collect()),
        )
    }

    fn scan_with(&self, text: &str, floors: &Floors) -> Vec<Match> {
        let normal = Normal::of(text);
        let mut taken = Vec::new();
        let mut progress = Progress::default();
        self.engine
            .advance(&normal.text, false, floors, &mut progress, &mut taken);
        let found = taken.into_iter().filter_map(|taken| {
            let range = normal.original(taken.start..taken.end);
            let value = text.get(range.clone()).unwrap_or_default();
            (!self.allows(value)).then_some(())?;
            Some(Match {
                class: self.class(&taken)?,
                range,
                confidence: Confidence::of_log_odds(taken.tenths),
                evidence: taken.evidence,
            })
        });
        found.collect()
    }

    /// Every class, the built-in ones first.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Class> {
        let custom = self.custom_classes().cloned().map(Class::Custom);
        Class::ALL.iter().cloned().chain(custom)
    }

    /// The class of what was taken.
    pub(crate) fn class(&self, taken: &Taken) -> Option<Class> {
        match taken.class.checked_sub(AFTER_TOLD) {
            Some(custom) => {
                let recognizer = self.engine.custom.get(usize::from(custom))?;
                Some(Class::Custom(recognizer.class().clone()))
            }
            None => Kind::ALL
                .get(usize::from(taken.class))
                .map(|kind| Class::from(*kind)),
        }
    }

    /// Whether a value is on the list of what is none.
    pub(crate) fn allows(&self, value: &str) -> bool {
        !self.allowed.is_empty() && self.allowed.contains(&value.to_lowercase())
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detector")
            .field("custom", &self.custom_classes().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl DetectorBuilder {
    /// Adds a class by a pattern.
    #[must_use]
    pub fn rule(self, rule: CustomRule) -> Self {
        self.recognizer(Arc::new(rule))
    }

    /// Adds a class by a recogniser in code.
    #[must_use]
    pub fn recognizer(mut self, recognizer: Arc<dyn Recognizer>) -> Self {
        self.recognizers.push(recognizer);
        self
    }

    /// Adds values that are never reported, whatever they look like: an address of one's own, an
    /// example's number. They are compared whole, their case aside.
    #[must_use]
    pub fn allow<S: AsRef<str>>(mut self, values: impl IntoIterator<Item = S>) -> Self {
        self.allowed.extend(
            values
                .into_iter()
                .map(|value| value.as_ref().to_lowercase()),
        );
        self
    }

    /// Adds values that are of a class wherever they stand as words, their case aside; longer ones
    /// than 256 bytes never stand.
    ///
    /// # Errors
    /// [`CustomError::Class`].
    pub fn deny<S: Into<String>>(
        mut self,
        id: &str,
        values: impl IntoIterator<Item = S>,
    ) -> Result<Self, CustomError> {
        let class = CustomClass::new(id).map_err(|_| CustomError::Class)?;
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        self.listed += values.len();
        Ok(self.recognizer(Arc::new(Listed::new(class, values))))
    }

    /// Builds it.
    ///
    /// # Errors
    /// [`CustomError`]: too much of something, or two classes with one label.
    pub fn build(self) -> Result<Detector, CustomError> {
        let values = self.allowed.len() + self.listed;
        if self.recognizers.len() > MOST_CLASSES || values > MOST_VALUES {
            return Err(CustomError::TooMany);
        }
        let labels: BTreeSet<&str> = self
            .recognizers
            .iter()
            .map(|it| it.class().label())
            .collect();
        if labels.len() < self.recognizers.len() {
            return Err(CustomError::Class);
        }
        Ok(Detector {
            engine: Engine::with_custom(self.recognizers),
            allowed: self.allowed,
        })
    }
}
