//! Forms: `name=value&name=value`, as in a query or a body of a form, not percent-decoded.

use super::{StructureError, Writer};
use crate::{Redaction, Redactor};

impl Redactor<'_> {
    /// Redacts a form's body or a query: each value with its name beside it. Percent signs are not
    /// decoded; a plus sign is a space where nothing else is found.
    ///
    /// # Errors
    /// [`StructureError`] when a value is refused. The text must then go nowhere.
    ///
    /// ```
    /// use strongroom_pii::{Channel, Policy, Redactor};
    /// use strongroom_tenancy::TenantId;
    ///
    /// let policy = Policy::strict();
    /// let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Webhook);
    /// let redaction = redactor.redact_form("user_ssn=123456789&page=2")?;
    /// assert_eq!(redaction.text, "user_ssn=[US_SSN]&page=2");
    /// # Ok::<(), strongroom_pii::StructureError>(())
    /// ```
    pub fn redact_form(&mut self, text: &str) -> Result<Redaction, StructureError> {
        let mut writer = Writer::new(self, text);
        let mut start = 0;
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            let from = start + pair.len() - value.len();
            let range = from..start + pair.len();
            writer.value(name, range, value, &|offset| from + offset, &|new, out| {
                out.push_str(new)
            })?;
            start += pair.len() + 1;
        }
        Ok(writer.finish())
    }
}
