//! What was given to a secret's name, and whether it can be the secret.

use super::spelling::{is_spelled, is_wordlike};
use super::stand_in::is_placeholder;
use crate::engine::byte::{self, ALNUM, DIGIT, LETTER, LOWER, SPACE, UPPER};
use crate::engine::placeholder;
use crate::engine::window::Window;

/// A value, without its quotes.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
}

/// Whether a word in prose is a password rather than a word: it has a digit, or a sign other than
/// hyphen and apostrophe.
pub(super) fn is_odd(window: &Window<'_>, value: &Value) -> bool {
    let text = window.bytes(value.start, value.end);
    let body = text
        .strip_suffix(b".")
        .or(text.strip_suffix(b"?"))
        .unwrap_or(text);
    body.len() >= 4
        && body.iter().any(|b| {
            byte::is(*b, DIGIT)
                || b.is_ascii_punctuation()
                    && !matches!(
                        b,
                        b'-' | b'\'' | b'.' | b',' | b'/' | b'(' | b')' | b':' | b'*' | b'"'
                    )
        })
}

/// The name of a user: letters first, and no word that goes on as prose does.
pub(super) fn is_username(window: &Window<'_>, value: &Value, colon: bool) -> bool {
    let text = window.bytes(value.start, value.end);
    let legal = text
        .iter()
        .all(|b| byte::is(*b, ALNUM) || matches!(b, b'.' | b'_' | b'-'));
    let first = text
        .first()
        .is_some_and(|b| byte::is(*b, LETTER) || *b == b'_');
    let last = text.last().is_some_and(|b| byte::is(*b, ALNUM));
    // `User: hello there` is somebody speaking; what is redacted may have been a word.
    let next = value.end + 1;
    let is_word = window.is(next, LETTER) || placeholder::end(window, next).is_some();
    let speaks = colon && !value.quoted && window.byte(value.end) == b' ' && is_word;
    let is_nobody = matches!(text, b"test" | b"foo" | b"bar" | b"example" | b"user");
    text.len() >= 2 && legal && first && last && !speaks && !is_nobody
}

/// Whether a value is random enough, and none of the other things that look random.
pub(super) fn is_secret(window: &Window<'_>, value: &Value) -> bool {
    let text = window.bytes(value.start, value.end);
    let letters = text.iter().filter(|b| byte::is(**b, LETTER)).count();
    let digits = text.iter().filter(|b| byte::is(**b, DIGIT)).count();
    if text.len() < 16 || letters == 0 || digits == 0 {
        return false;
    }
    if !text.iter().all(is_key_character) {
        // What goes on may be anything, and what ends at a sign has perhaps not ended.
        let next = window.byte(value.end);
        let is_whole = value.quoted
            || next == 0
            || byte::is(next, SPACE)
            || matches!(next, b'"' | b'\'' | b'`');
        return is_whole && !window.ends_at(value.end) && is_scrambled(text);
    }
    let hex = text.iter().all(u8::is_ascii_hexdigit);
    let digest = [
        b"sha256-".as_slice(),
        b"sha384-",
        b"sha512-",
        b"sha1-",
        b"h1:",
        b"md5-",
        // The scheme of a signed request.
        b"AWS4-",
    ]
    .iter()
    .any(|head| text.starts_with(head));
    // A file's name, a host, a class: words joined by full stops or slashes.
    let parts = text.split(|b| matches!(b, b'.' | b'/' | b'_' | b'-'));
    let wordy = parts
        .clone()
        .filter(|part| part.len() >= 3 && part.iter().all(|b| byte::is(*b, LETTER)))
        .filter(|part| is_wordlike(part))
        .map(<[u8]>::len)
        .sum::<usize>();
    !is_uuid(text)
        && !is_alphabet(text)
        && !is_file(text)
        && !digest
        && wordy * 2 < text.len()
        && entropy(text) >= if hex { 3.0 } else { 3.5 }
}

fn is_key_character(b: &u8) -> bool {
    byte::is(*b, ALNUM) || matches!(b, b'+' | b'/' | b'=' | b'_' | b'.' | b'~' | b'-')
}

/// Whether a text is what a generator makes of letters, digits and the signs that keys do not have:
/// Django's `SECRET_KEY`, a password of 20 characters and more. Three of those above the digits of a
/// keyboard are in it, or two where it is mixed; `%2F` is a slash, and `?page=2` a query.
pub(super) fn is_scrambled(text: &[u8]) -> bool {
    let count = |kinds: u16| text.iter().filter(|b| byte::is(**b, kinds)).count();
    let is_escape =
        |part: &[u8]| matches!(part, [b'%', rest @ ..] if rest.iter().all(u8::is_ascii_hexdigit));
    let escaped = text.windows(3).any(is_escape);
    let kinds = SIGNS.iter().filter(|sign| text.contains(sign)).count();
    let kinds = kinds - usize::from(escaped);
    let bounds = |b: &u8| matches!(b, b'[' | b']' | b'{' | b'}' | b'<' | b'>');
    text.len() >= 20
        && kinds >= if is_mixed(text) { 2 } else { 3 }
        && is_typed(text)
        && !text.iter().any(bounds)
        && !is_query(text)
        && count(LETTER) * 4 >= text.len()
        && !text.windows(3).any(|part| part == b"://")
        && entropy(text) >= 3.5
}

/// The signs above the digits of a keyboard.
const SIGNS: &[u8; 10] = b"!@#$%^&*()";

/// Whether a text is what a generator makes of letters, digits and all signs but quotation marks: not a
/// program's, in which parentheses have their other halves and words are spelled, and no pattern.
pub(super) fn is_generated(text: &[u8]) -> bool {
    let count = |half: u8| text.iter().filter(|b| **b == half).count();
    let has_sign = || {
        text.iter()
            .any(|b| matches!(b, b'!' | b'#'..=b'&' | b'*' | b'@' | b'^'))
    };
    let is_pattern = [b"(?".as_slice(), b".*", b"a-z", b"A-Z", b"0-9"]
        .into_iter()
        .any(|part| text.windows(part.len()).any(|window| window == part));
    text.len() >= 8
        && is_typed(text)
        && (has_sign() || count(b'(') != count(b')'))
        && !is_pattern
        && !is_query(text)
}

/// Whether a text has a field of a query or of a form in it: `?page=2`, `&page=2`.
fn is_query(text: &[u8]) -> bool {
    let mut parts = text.split(|b| matches!(b, b'?' | b'&')).skip(1);
    parts.any(|part| {
        let name = part.split(|b| *b == b'=').next().unwrap_or_default();
        let is_field = !name.is_empty() && name.len() < part.len();
        is_field && name.iter().all(|b| byte::is(*b, LETTER) || *b == b'_')
    })
}

/// Whether a text has letters and digits, no white space nor quotation marks, and is not half of words,
/// which are four letters and more of one case.
fn is_typed(text: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'\'' | b'`');
    let spelled = |kind: u16| {
        let runs = text.split(|b| !byte::is(*b, kind)).map(<[u8]>::len);
        runs.filter(|length| *length >= 4).sum::<usize>()
    };
    let has = |kinds: u16| text.iter().any(|b| byte::is(*b, kinds));
    text.iter().all(legal)
        && has(LETTER)
        && has(DIGIT)
        && (spelled(LOWER) + spelled(UPPER)) * 2 < text.len()
}

/// Whether a value is a secret whatever it is called: long, of capitals, small letters and digits.
pub(super) fn is_certain(window: &Window<'_>, value: &Value) -> bool {
    let text = window.bytes(value.start, value.end);
    text.len() >= 20
        && is_mixed(text)
        && text.iter().all(|b| byte::is(*b, ALNUM))
        && is_secret(window, value)
}

/// Whether a value has digits, small letters and capitals, and no words are what it is made of.
pub(super) fn is_mixed(text: &[u8]) -> bool {
    let has = |kinds: u16| text.iter().any(|b| byte::is(*b, kinds));
    has(DIGIT) && has(UPPER) && has(LOWER) && !is_spelled(text)
}

/// Whether a value is a name and a password: `ann:secret`.
pub(super) fn is_login(window: &Window<'_>, value: &Value) -> bool {
    let parts = window.text(value.start, value.end).split_once(':');
    let is_long = |part: &str| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_graphic());
    parts.is_some_and(|(name, password)| is_long(name) && is_long(password))
        && !is_placeholder(window, value)
}

/// Whether a value is a UUID, which names things far more often than it opens them.
pub(super) fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Whether a value is a file's name.
fn is_file(text: &[u8]) -> bool {
    const ENDINGS: [&[u8]; 20] = [
        b"pem", b"key", b"crt", b"cer", b"der", b"p12", b"pfx", b"jks", b"json", b"yaml", b"yml",
        b"toml", b"xml", b"txt", b"ini", b"cfg", b"conf", b"env", b"html", b"zip",
    ];
    let dot = text.iter().rposition(|b| *b == b'.');
    let ending = dot.and_then(|dot| text.get(dot + 1..));
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// Shannon's entropy of a value's bytes, in bits a byte.
fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0_u32; 128];
    for b in text {
        if let Some(count) = counts.get_mut(usize::from(*b)) {
            *count += 1;
        }
    }
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let shares = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

/// Whether ten characters and more follow one another as in the alphabet.
fn is_alphabet(text: &[u8]) -> bool {
    text.windows(10).any(|run| {
        run.windows(2)
            .all(|pair| matches!(pair, [a, b] if a.wrapping_add(1) == *b))
    })
}
