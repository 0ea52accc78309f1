//! Text in which characters are written as `\u0040`.
//!
//! JSON is often quoted inside a prompt, a tool's result or arguments cut short; its escapes are
//! then part of the text, and a scanner of the text alone does not see the address in
//! `jane\u0040mail.example`.

/// The text with each `\uXXXX` (RFC 8259, section 7) decoded, whatever the number of backslashes
/// before the `u`; `None` when there is none.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut found = false;
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        let after = escape.trim_start_matches('\\');
        out.push_str(before);
        if let Some((character, remains)) = character(after) {
            found = true;
            out.push(character);
            rest = remains;
        } else {
            // Nothing is dropped from what is not an escape.
            out.extend(std::iter::repeat_n('\\', escape.len() - after.len()));
            rest = after;
        }
    }
    out.push_str(rest);
    found.then_some(out)
}

fn character(text: &str) -> Option<(char, &str)> {
    let (unit, rest) = unit(text)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, rest));
    }
    let (low, rest) = self::unit(rest.trim_start_matches('\\'))?;
    let pair = u16::try_from(unit).ok().zip(u16::try_from(low).ok())?;
    let character = char::decode_utf16([pair.0, pair.1]).next()?.ok()?;
    Some((character, rest))
}

fn unit(text: &str) -> Option<(u32, &str)> {
    let rest = text.strip_prefix('u')?;
    let digits = rest.get(..4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, rest.get(4..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_every_escape_and_keeps_the_rest() {
        for (text, expected) in [
            (r"a\u0040b", "a@b"),
            (r"a\\\u0040b", "a@b"),
            (r"\u0031\u0032", "12"),
            (r"\ud83d\ude00", "\u{1f600}"),
            (r"\n\u0040\\n", r"\n@\\n"),
            (r"\ud83d\u0040", r"\ud83d@"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "u0040",
            r"\u",
            r"\u004",
            r"\u00g0",
            r"\ud83d",
            r"\u+040",
            r"\né\u00é",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_without_escapes_is_left_alone(text in "[^\\\\]{0,40}") {
            prop_assert_eq!(decoded(&text), None);
        }

        #[test]
        fn an_escaped_text_is_decoded(text in "[a-z0-9@.]{1,20}") {
            let escaped: String = text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
            prop_assert_eq!(decoded(&escaped), Some(text));
        }
    }
}
