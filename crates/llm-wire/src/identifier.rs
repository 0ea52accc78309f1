//! What stands for something else and is nobody's data: names of models and tools, ids of calls, moments.

use serde_json::Number;

/// Whether a text is of the shape of a model's, tool's or call's name.
pub(crate) fn is_identifier(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b))
}

/// Whether a text is a UUID (RFC 9562, section 4): one in some thousands has the digits of a
/// telephone number or an account by chance.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            14 => matches!(b, b'1'..=b'8'),
            19 => matches!(b, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// An identifier without what tool calls' begin with, which says nothing of telephones.
pub(crate) fn of_call(text: &str) -> &str {
    const PREFIXES: [&str; 2] = ["call_", "function-call-"];
    let mut rest = PREFIXES.iter().map(|prefix| text.strip_prefix(prefix));
    rest.find_map(|rest| rest).unwrap_or(text)
}

/// Whether an identifier is a UUID, or a tool call's of 64 random bits in decimal digits, of which one in
/// a hundred has a card's check digit.
pub(crate) fn is_call(text: &str) -> bool {
    let id = of_call(text);
    let digits = id.strip_prefix('-').unwrap_or(id);
    let is_random = matches!(digits.len(), 19 | 20) && digits.bytes().all(|b| b.is_ascii_digit());
    is_uuid(id) || is_random && id.len() < text.len()
}

/// Whether a number is a moment in Unix seconds, as an answer's `created` is, from 2001 to 2100: by chance
/// one in two hundred is also somebody's insurance number, and the answer would be refused.
pub(crate) fn is_moment(number: &Number) -> bool {
    let seconds = number.as_u64();
    seconds.is_some_and(|seconds| (1_000_000_000..4_102_444_800).contains(&seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_has_no_other_character() {
        for text in ["gpt-4o", "ft:gpt-4o:org::id", "meta/llama_3.1", "x"] {
            assert!(is_identifier(text), "{text}");
        }
        for text in ["", "a b", "a@b", "[EMAIL]", "é", "a\n", &"x".repeat(257)] {
            assert!(!is_identifier(text), "{text}");
        }
    }

    #[test]
    fn a_uuid_has_one_form() {
        assert!(is_uuid("0190b2a4-8c7e-7d3a-9f00-0242ac120002"));
        for text in [
            "0190b2a48c7e7d3a9f000242ac120002",
            "0190b2a4-8c7e-7d3a-9f00-0242ac12000",
            "0190b2a4-8c7e-0d3a-9f00-0242ac120002",
            "0190b2a4-8c7e-7d3a-cf00-0242ac120002",
            "0190b2a4-8c7e-7d3a-9f00-0242ac12000g",
            "4111-1111-1111-1111",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
