//! The entity classes that this version recognises.

use std::fmt;

macro_rules! classes {
    ($($(#[doc = $doc:literal])+ $name:ident = $id:literal, $label:literal;)+) => {
        /// What kind of personal data a span is.
        ///
        /// Ids are stable and dotted, a country as the last part; policies select by id or by a
        /// prefix of whole parts (`gov.*`). Labels are what stands in a redacted text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Class {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Class {
            /// Every class.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The class's stable id, such as `gov.ssn.us`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)+
                }
            }

            /// The class's label, such as `US_SSN`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)+
                }
            }

            /// What replaces a value of the class: its label in square brackets.
            #[must_use]
            pub const fn placeholder(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("[", $label, "]"),)+
                }
            }
        }
    };
}

classes! {
    /// An e-mail address (RFC 5321, section 4.1.2; RFC 6531 for letters beyond ASCII).
    Email = "contact.email", "EMAIL";
    /// A telephone number, international (ITU-T E.164) or national.
    Phone = "contact.phone", "PHONE";
    /// A United States social security number.
    UsSsn = "gov.ssn.us", "US_SSN";
    /// A payment card number (ISO/IEC 7812).
    Card = "finance.card", "CREDIT_CARD";
    /// An international bank account number (ISO 13616).
    Iban = "finance.iban", "IBAN";
    /// An IPv4 or IPv6 address (RFC 791, RFC 4291).
    Ip = "net.ip", "IP_ADDRESS";
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_labels_are_a_contract() {
        let table: Vec<_> = Class::ALL.iter().map(|c| (c.id(), c.label())).collect();
        let expected = [
            ("contact.email", "EMAIL"),
            ("contact.phone", "PHONE"),
            ("gov.ssn.us", "US_SSN"),
            ("finance.card", "CREDIT_CARD"),
            ("finance.iban", "IBAN"),
            ("net.ip", "IP_ADDRESS"),
        ];
        assert_eq!(table, expected);
        for class in Class::ALL {
            assert_eq!(class.placeholder(), format!("[{}]", class.label()));
        }
    }
}
