//! What stands in a program where a secret would: a type, a reference, a word of the language.

use super::value::Value;
use crate::class::Kind;
use crate::engine::byte::{self, ALNUM, DIGIT, LETTER, LOWER, UPPER};
use crate::engine::lexicon::Lexicon;
use crate::engine::window::Window;

/// Types of C, Go, Java, Python, Rust and TypeScript that are written without a quotation mark and could
/// be a value; what is a word as well is among the placeholders.
const TYPES: [&str; 52] = [
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "uint",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8_t",
    "int16_t",
    "int32_t",
    "int64_t",
    "uint8_t",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "size_t",
    "ssize_t",
    "c_char",
    "c_schar",
    "c_uchar",
    "c_short",
    "c_ushort",
    "c_int",
    "c_uint",
    "c_long",
    "c_ulong",
    "c_longlong",
    "c_ulonglong",
    "c_void",
    "u_char",
    "u_int",
    "Option",
    "Vec",
    "SecretString",
    "CString",
    "OsString",
];

/// Words behind which an expression or a declaration goes on.
const KEYWORDS: [&str; 17] = [
    "async",
    "await",
    "class",
    "const",
    "function",
    "lambda",
    "let",
    "my",
    "new",
    "private",
    "protected",
    "public",
    "return",
    "shift",
    "static",
    "typeof",
    "yield",
];

/// Whether a value without quotation marks, given by the sign at an offset to the name that ends at
/// another, is of a program's text.
pub(super) fn is_code(
    window: &Window<'_>,
    lexicon: &Lexicon,
    value: &Value,
    sign: usize,
    name: usize,
) -> bool {
    if value.quoted {
        return false;
    }
    let text = window.text(value.start, value.end);
    let next = window.byte(value.end);
    let is_name = is_identifier(text);
    let after = window.byte(value.end + 1);
    // `= await read()`, `= shift;`, `: public Base`
    let goes_on = next == b';'
        || next == b' ' && (byte::is(after, LETTER) || matches!(after, b'(' | b'{' | b'[' | b'*'));
    // `Option<String>`; `</b>` and `<br>` end a value. What has capitals may be a label the second time.
    let generic = next == b'<' && (byte::is(after, UPPER) || after == b'[');
    // `const NAME: Type = 7`
    let declared = window.byte(sign) == b':'
        && window.byte(value.end + usize::from(next == b' ')) == b'='
        && !matches!(
            window.byte(value.end + usize::from(next == b' ') + 1),
            b'=' | b'>'
        );
    let of_type = window.byte(sign) == b':' && is_declared(window, sign);
    TYPES.contains(&text)
        || KEYWORDS.contains(&text) && goes_on
        || is_name && (generic || declared)
        || text.contains("::")
            && text
                .split("::")
                .all(|part| part.is_empty() || is_identifier(part))
        || is_pointer(text)
        || of_type
        || is_subscript(window, value)
        || is_name && is_reference(window, lexicon, value, name)
}

/// `*const`, `*user_pwd`
pub(super) fn is_pointer(text: &str) -> bool {
    let name = text.strip_prefix('*');
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_letter))
}

/// Whether the name before a colon is being declared, so that a type follows: `pub name: Type`; or is a
/// macro's, `$name:ident`.
fn is_declared(window: &Window<'_>, sign: usize) -> bool {
    let (name, _) = key_range(window, sign);
    let gap = name - usize::from(window.before(name) == b' ');
    let word = window.text(window.run_back(gap, LETTER), gap);
    window.before(name) == b'$'
        || gap < name
            && matches!(
                word,
                "pub" | "static" | "const" | "let" | "mut" | "var" | "val"
            )
}

fn is_letter(b: u8) -> bool {
    byte::is(b, LETTER) || b == b'_'
}

/// A name of a program, or several with full stops between.
fn is_identifier(text: &str) -> bool {
    text.bytes().next().is_some_and(is_letter)
        && text
            .bytes()
            .all(|b| byte::is(b, ALNUM) || matches!(b, b'_' | b'.'))
}

/// `config['key']`, `basic[1]`, `Optional[bytes]`
fn is_subscript(window: &Window<'_>, value: &Value) -> bool {
    let text = window.text(value.start, value.end);
    let Some((name, inner)) = text.split_once('[') else {
        return false;
    };
    name.len() >= 2
        && is_identifier(name)
        && (inner.is_empty() || inner.bytes().all(|b| byte::is(b, DIGIT)) || is_identifier(inner))
        && matches!(window.byte(value.end), b']' | b'"' | b'\'' | b',')
}

/// `config.password`, `user = self.user`: what is named as the value would be.
fn is_reference(window: &Window<'_>, lexicon: &Lexicon, value: &Value, name: usize) -> bool {
    let text = window.text(value.start, value.end);
    let last = text.rsplit('.').next().unwrap_or_default();
    let last = last.trim_start_matches('_');
    let names = |word: &str, kinds: &[Kind]| {
        let entry = lexicon.find(word);
        entry.is_some_and(|entry| kinds.iter().any(|kind| entry.names.contains(*kind as u16)))
    };
    if text.len() > last.len() {
        let kinds = [Kind::Password, Kind::Username, Kind::Generic];
        return names(last, &kinds)
            || names(last_word(last), &[Kind::Password, Kind::Generic])
            || last.eq_ignore_ascii_case(key(window, name));
    }
    // `from_user=from_user`
    last.contains('_') && last == key(window, name)
}

/// The name that ends at an offset, or at a space before it.
fn key<'t>(window: &Window<'t>, at: usize) -> &'t str {
    let (start, end) = key_range(window, at);
    window.text(start, end)
}

/// Where the name is that ends at an offset, or at a space before it.
fn key_range(window: &Window<'_>, at: usize) -> (usize, usize) {
    let end = at - usize::from(window.before(at) == b' ');
    let mut start = end;
    while end - start < 40
        && (byte::is(window.before(start), ALNUM) || window.before(start) == b'_')
    {
        start -= 1;
    }
    (start, end)
}

/// The last word of a name: `db_password`, `dbPassword`.
fn last_word(name: &str) -> &str {
    let bytes = name.as_bytes();
    let begins = bytes.windows(2).rposition(|pair| match pair {
        [before, b] => *before == b'_' || byte::is(*before, LOWER) && byte::is(*b, UPPER),
        _ => false,
    });
    begins.and_then(|at| name.get(at + 1..)).unwrap_or(name)
}
