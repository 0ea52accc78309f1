//! Telling words: those that say what a number after them is.

use crate::page::{Page, is_word};

/// What a word says the next number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    /// A social security number.
    Ssn,
    /// A payment card.
    Card,
    /// A telephone.
    Phone,
    /// A version.
    Version,
    /// Some other number: an order, an account, a ticket.
    Other,
}

/// How many words a telling word reaches over.
const REACH: usize = 6;

/// The words so far, of which only the last telling one counts: in "my phone is busy, the order
/// is 12345678" the number is an order.
#[derive(Default)]
pub(crate) struct Hints {
    last: Option<(Hint, usize)>,
    social: bool,
}

impl Hints {
    /// Takes the next word.
    pub(crate) fn push(&mut self, word: &str) {
        let hint = self.telling(word);
        self.last = match (hint, self.last) {
            (Some(hint), _) => Some((hint, 0)),
            (None, Some((hint, ago))) if ago < REACH => Some((hint, ago + 1)),
            _ => None,
        };
    }

    /// The last telling word, and how many words came after it.
    pub(crate) fn nearest(&self) -> Option<(Hint, usize)> {
        self.last
    }

    fn telling(&mut self, word: &str) -> Option<Hint> {
        let mut lower = [0; 28];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        let after_social = std::mem::replace(&mut self.social, *lower == *b"social");
        match std::str::from_utf8(lower).ok()? {
            "ssn" | "ssns" | "ss" | "socialsecurity" | "socialsecuritynumber" | "ssnumber" => {
                Some(Hint::Ssn)
            }
            "security" | "sec" if after_social => Some(Hint::Ssn),
            "card" | "cards" | "cardnumber" | "cc" | "ccn" | "creditcard" | "credit" | "debit"
            | "visa" | "mastercard" | "amex" | "maestro" | "discover" | "diners" | "jcb"
            | "unionpay" | "kreditkarte" | "kartennummer" | "carte" | "tarjeta" => Some(Hint::Card),
            "phone" | "phones" | "phonenumber" | "telephone" | "tel" | "mobile" | "mob"
            | "cell" | "cellphone" | "landline" | "fax" | "call" | "dial" | "sms" | "whatsapp"
            | "hotline" | "msisdn" | "telefon" | "telefonnummer" | "handy" | "handynummer"
            | "rufnummer" | "mobil" | "festnetz" | "téléphone" | "appeler" | "appelez"
            | "teléfono" | "telefono" | "móvil" | "movil" | "cellulare" => Some(Hint::Phone),
            "version" | "versions" | "ver" | "v" | "build" | "release" | "firmware" => {
                Some(Hint::Version)
            }
            "order" | "orders" | "invoice" | "ticket" | "tracking" | "shipment" | "reference"
            | "ref" | "id" | "serial" | "sku" | "isbn" | "commit" | "issue" | "account"
            | "acct" | "routing" | "iban" | "nhs" | "aadhaar" | "passport" | "uuid"
            | "transaction" | "bestellung" | "rechnung" | "commande" | "facture" => {
                Some(Hint::Other)
            }
            _ => None,
        }
    }
}

/// Where the word that starts at an offset ends; `None` when no letter stands there.
pub(crate) fn word_end(page: &Page<'_>, start: usize) -> Option<usize> {
    let first = page.byte(start);
    if first.is_ascii() && !first.is_ascii_alphabetic() || !page.word_at(start) {
        return None;
    }
    let rest = page.bytes().get(start..).unwrap_or_default();
    let ascii = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let mut end = start + ascii;
    // Beyond ASCII, by characters.
    while !page.byte(end).is_ascii() && page.word_at(end) {
        let c = page.text(end..page.bytes().len()).chars().next()?;
        if !is_word(c) || !c.is_alphabetic() {
            break;
        }
        end += c.len_utf8();
        let rest = page.bytes().get(end..).unwrap_or_default();
        end += rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
    }
    (end > start).then_some(end)
}
