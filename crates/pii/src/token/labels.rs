//! Labels in the place of what leads back to a value.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::{ALPHABET, CHARACTERS, LONGEST_LABEL, fold, halves};
use crate::Class;

/// The longest that stands in brackets: a label, and what an operator puts behind it.
const LONGEST: usize = LONGEST_LABEL + CHARACTERS + 8;

/// Most marks between a label and its token's characters.
const MARKS: usize = 4;

pub(super) fn labels(text: &str) -> Cow<'_, str> {
    let mut found = Vec::new();
    in_brackets(text, &mut found);
    spelled(text, &mut found);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|(range, _): &(Range<usize>, String)| range.start);
    let mut labelled = String::with_capacity(text.len());
    let mut done = 0;
    for (range, label) in found {
        if range.start < done {
            // What looked like a token's characters may have been the next one's label.
            done = done.max(range.end);
            continue;
        }
        labelled.push_str(text.get(done..range.start).unwrap_or_default());
        labelled.push_str(&label);
        done = range.end;
    }
    labelled.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(labelled)
}

/// What the operators write, of whatever label.
fn in_brackets(text: &str, found: &mut Vec<(Range<usize>, String)>) {
    for open in memchr::memchr_iter(b'[', text.as_bytes()) {
        let rest = text.get(open + 1..).unwrap_or_default();
        let Some(end) = rest.bytes().take(LONGEST).position(|b| b == b']') else {
            continue;
        };
        let whole = rest.get(..end).unwrap_or_default();
        let mut label = whole;
        // A label that was a token's with its characters becomes one too.
        while let Some(shorter) = shorter(label) {
            label = shorter;
        }
        if label.len() < whole.len() {
            // What is left may spell a token by itself.
            let mut inside = Vec::new();
            spelled(label, &mut inside);
            let label = inside
                .pop()
                .map_or_else(|| format!("[{label}]"), |(_, label)| label);
            found.push((open..open + end + 2, label));
        }
    }
}

fn shorter(inner: &str) -> Option<&str> {
    let label = |text: &str| {
        let legal = |b: u8| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        (1..=LONGEST_LABEL).contains(&text.len()) && text.bytes().all(legal)
    };
    let token = halves(inner).map(|(label, _)| label);
    let linked = inner
        .split_once('#')
        .filter(|(_, code)| code.len() == 16 && code.bytes().all(|b| b.is_ascii_hexdigit()));
    let masked = inner.split_once(" ****").filter(|(_, shown)| {
        shown.chars().count() <= 4 && shown.chars().all(char::is_alphanumeric)
    });
    let cut = linked.or(masked).map(|(label, _)| label);
    token.or(cut.filter(|text| label(text)))
}

/// Tokens of built-in classes, whatever became of their letters and of what stands around them: a
/// label, marks, and fourteen characters of which one is a digit.
fn spelled(text: &str, found: &mut Vec<(Range<usize>, String)>) {
    let bytes = text.as_bytes();
    let is_base32 = |b: u8| ALPHABET.contains(&b.to_ascii_uppercase()) || b"oOiIlL".contains(&b);
    let mut index = 0;
    while index < bytes.len() {
        if !bytes.get(index).copied().is_some_and(is_base32) {
            index += 1;
            continue;
        }
        let start = index;
        while bytes.get(index).copied().is_some_and(is_base32) {
            index += 1;
        }
        let end = start + CHARACTERS;
        let random = bytes.get(start..end.min(index)).unwrap_or_default();
        if random.len() == CHARACTERS && random.iter().any(u8::is_ascii_digit) {
            let before = text.get(..start).unwrap_or_default();
            if let Some((from, label)) = label_before(before) {
                let open = before.get(..from).is_some_and(|it| it.ends_with('['));
                let close = text.get(end..).is_some_and(|rest| rest.starts_with(']'));
                let both = usize::from(open && close);
                found.push((from - both..end + both, format!("[{label}]")));
            }
        }
    }
}

/// The label at the end of a text, with marks behind it: where it starts, and which it is. The longest:
/// `SSN` is the end of `US_SSN`.
fn label_before(text: &str) -> Option<(usize, &'static str)> {
    let mut folded = Vec::with_capacity(LONGEST_LABEL);
    let (mut marks, mut best) = (0, None);
    for (offset, c) in text.char_indices().rev() {
        let Some(c) = fold(c) else {
            marks += 1;
            // A token has no bracket within: `[EMAIL] 20240131123456` is a label and a number.
            if marks > MARKS || matches!(c, '[' | ']') {
                break;
            }
            continue;
        };
        // Without a mark between, it is one word.
        if folded.is_empty() && marks == 0 {
            break;
        }
        marks = 0;
        folded.push(c);
        let Some(known) = known().get(folded.len()) else {
            break;
        };
        if let Some((_, label)) = known.iter().find(|(known, _)| *known == folded) {
            best = Some((offset, *label));
        }
    }
    best
}

/// A label, folded and from its end, and as it is written.
type Known = (Vec<char>, &'static str);

/// The labels of the built-in classes, by their length.
fn known() -> &'static [Vec<Known>] {
    static KNOWN: OnceLock<Vec<Vec<Known>>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut by_length: Vec<Vec<Known>> = Vec::new();
        for label in Class::ALL.iter().map(Class::label) {
            let folded: Vec<char> = label.chars().rev().filter_map(fold).collect();
            if by_length.len() <= folded.len() {
                by_length.resize_with(folded.len() + 1, Vec::new);
            }
            if let Some(known) = by_length.get_mut(folded.len()) {
                known.push((folded, label));
            }
        }
        by_length
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;

    #[test]
    fn tokens_become_labels() {
        let token = Token::from_random(&Class::UsSsn, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let random = token.as_str().rsplit_once('_').expect("a token").1;
        let random = random.trim_end_matches(']');
        for (text, expected) in [
            (format!("{token}"), "[US_SSN]".to_owned()),
            (
                format!("a {token}{token} [b]"),
                "a [US_SSN][US_SSN] [b]".to_owned(),
            ),
            (format!("[[{token}]"), "[[[US_SSN]]".to_owned()),
            (
                "[A_ZZZZZZZZZZZZZZ_00000000000000]".to_owned(),
                "[A]".to_owned(),
            ),
            ("[OWN_ZZZZZZZZZZZZZZ]".to_owned(), "[OWN]".to_owned()),
            (
                "to [EMAIL#9F86D081884C7D65].".to_owned(),
                "to [EMAIL].".to_owned(),
            ),
            (
                "[CREDIT_CARD ****1111]".to_owned(),
                "[CREDIT_CARD]".to_owned(),
            ),
            (token.as_str().to_lowercase(), "[US_SSN]".to_owned()),
            (format!("us ssn {random}"), "[US_SSN]".to_owned()),
            (format!("[US\\_SSN\\_{random}]"), "[US_SSN]".to_owned()),
            (
                format!("%5BUS_SSN_{random}%5D"),
                "%5B[US_SSN]%5D".to_owned(),
            ),
            (format!("xUS-SSN-{random}x"), "x[US_SSN]x".to_owned()),
            (
                "[EMAIL_K7Q2M4XR9TZMAIL_K7Q2M4XR9TZB3C]".to_owned(),
                "[EMAIL]".to_owned(),
            ),
            (
                format!("EMAIL K7Q2M4XR9EMAIL {random}!"),
                "[EMAIL]!".to_owned(),
            ),
            (
                format!("US_SSN_{random} {random}"),
                format!("[US_SSN] {random}"),
            ),
        ] {
            assert_eq!(labels(&text), expected, "{text}");
            assert!(matches!(labels(&expected), Cow::Borrowed(_)), "{expected}");
        }
        for text in [
            "",
            "[",
            "[EMAIL]",
            "[EMAIL_1]",
            "é[é]",
            "email acknowledgement is due",
            "EMAIL 1234",
            "[EMAIL] 20240131123456",
            "the hash 5f4dcc3b5aa765d61d8327deb882cf99",
            "[x](a) [1] [NOTE#12]",
        ] {
            assert_eq!(labels(text), text);
        }
        let longest = format!("[{}_ZZZZZZZZZZZZZZ]", "A".repeat(LONGEST_LABEL));
        assert_eq!(labels(&longest).len(), LONGEST_LABEL + 2);
    }
}
