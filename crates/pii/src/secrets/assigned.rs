//! What a secret's name is given: `password: x`, `api_key="x"`, "the password is x".

use super::code::{is_code, is_pointer};
use super::value::{Value, is_odd, is_placeholder, is_secret, is_username};
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::Header;
use crate::engine::byte::{self, ALNUM, LETTER, LOWER, SPACE, UPPER};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::lexicon::Lexicon;
use crate::engine::placeholder;
use crate::engine::window::Window;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const ENTROPY: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Entropy]);

/// What the name beside it has to outweigh.
const PASSWORD: i16 = -20;
const USERNAME: i16 = -26;
const SECRET: i16 = -24;

/// The longest password, and the longest name of a user, in bytes.
const PASSWORD_MAX: usize = 128;
const USERNAME_MAX: usize = 64;

/// Proposes what is given at a colon or an equals sign, when the word before it is one of a
/// secret's names.
pub(crate) fn sign(window: &Window<'_>, lexicon: &Lexicon, at: usize, found: &mut Vec<Candidate>) {
    // `a == b` compares.
    if window.byte(at) == b'='
        && (window.byte(at + 1) == b'=' || matches!(window.before(at), b'=' | b'!' | b'<' | b'>'))
    {
        return;
    }
    // `passwd::Entry` is a path.
    if window.byte(at) == b':' && (window.byte(at + 1) == b':' || window.before(at) == b':') {
        return;
    }
    let typed = || {
        let name = before_type(window, at);
        let names = name.and_then(|name| name_before(window, lexicon, name));
        names.map(|names| (names, true))
    };
    let plain = name_before(window, lexicon, at).map(|names| (names, false));
    let Some((names, typed)) = plain.or_else(typed) else {
        return;
    };
    let assigned = at + 1 + usize::from(matches!(window.byte(at + 1), b'=' | b'>'));
    let Some(value) = value(window, assigned) else {
        return;
    };
    // Behind a type a text has quotation marks.
    if typed && !value.quoted || is_code(window, lexicon, &value, at) {
        return;
    }
    propose(window, &names, &value, window.byte(at) == b':', found);
}

/// Where the name ends before a type and an equals sign: `password: String = "x"`.
fn before_type(window: &Window<'_>, equals: usize) -> Option<usize> {
    if window.byte(equals) != b'=' {
        return None;
    }
    let end = equals - usize::from(window.before(equals) == b' ');
    let start = window.run_back(end, ALNUM);
    let colon = start - usize::from(start > 0 && window.before(start) == b' ');
    let is_type = start < end && window.before(colon) == b':' && colon > 1;
    is_type.then(|| colon - 1)
}

/// Proposes what follows a secret's name that ends at an offset, without a sign: after a verb, or
/// straight behind it.
pub(crate) fn prose(
    window: &Window<'_>,
    lexicon: &Lexicon,
    end: usize,
    found: &mut Vec<Candidate>,
) {
    // `log in as ann`
    let names = if window.bytes(end.saturating_sub(3), end) == b" as"
        || window.bytes(end.saturating_sub(4), end) == b" als"
    {
        Some(Names {
            password: false,
            username: true,
            secret: false,
        })
    } else {
        name_before(window, lexicon, end)
    };
    let Some(names) = names else {
        return;
    };
    if names.username
        && !names.password
        && window.byte(end) == b' '
        && window.before(end) == b's'
        && window.bytes(end.saturating_sub(3), end).contains(&b' ')
    {
        if let Some(value) = value(window, end) {
            propose(window, &names, &trimmed(window, value), false, found);
        }
        return;
    }
    let name = window.run_back(end, byte::LETTER);
    prose_before(window, &names, name, found);
    let verb = is_verb(window, name, end);
    // Up to the verb there are words and nothing else.
    let mut at = end;
    for _ in 0..8 {
        if window.byte(at) != b' ' {
            return;
        }
        let word = window.run_while(at + 1, |b| byte::is(b, LETTER) || !b.is_ascii());
        let text = window.text(at + 1, word).to_lowercase();
        if VERBS.contains(&text.as_str()) {
            if !(verb && text == "to")
                && let Some(value) =
                    value(window, word).filter(|value| value.quoted || is_odd(window, value))
            {
                propose(window, &names, &trimmed(window, value), false, found);
            }
            return;
        }
        if at == end
            && !verb
            && let Some(value) =
                value(window, at).filter(|value| value.quoted || is_odd(window, value))
        {
            // A text of SQL is not in backticks; `pwd *user_pwd` is a declaration.
            if is_pointer(window.text(value.start, value.end)) {
                return;
            }
            let sql = window.bytes(name.saturating_sub(11), end);
            if window.before(value.start) == b'`' && sql.eq_ignore_ascii_case(b"identified by") {
                return;
            }
            propose(window, &names, &trimmed(window, value), false, found);
            return;
        }
        if word == at + 1 || text.len() > 20 {
            return;
        }
        at = word;
    }
}

/// Whether "pass" is what somebody does, by the word before it or for want of one.
fn is_verb(window: &Window<'_>, start: usize, end: usize) -> bool {
    const DOERS: [&str; 30] = [
        "to", "can", "could", "may", "might", "must", "should", "will", "would", "we", "you", "i",
        "they", "not", "t", "don", "never", "and", "or", "then", "also", "just", "simply",
        "please", "instead", "need", "allow", "make", "let", "rerun",
    ];
    if !window.bytes(start, end).eq_ignore_ascii_case(b"pass") {
        return false;
    }
    let gap = start - usize::from(window.before(start) == b' ');
    let word = window.text(window.run_back(gap, LETTER), gap);
    let begins = gap < start && matches!(window.before(gap), b'-' | b'*' | b':' | b'`' | b')');
    begins || DOERS.contains(&word.to_ascii_lowercase().as_str())
}

/// Proposes a whole text that is the value of a secret's name.
pub(crate) fn named(
    window: &Window<'_>,
    lexicon: &Lexicon,
    name: &str,
    found: &mut Vec<Candidate>,
) {
    let naming = Window::new(name, 0, None);
    let Some(names) = name_before(&naming, lexicon, name.len()) else {
        return;
    };
    let end = window.run_while(0, |b| b != b'\n' && b != b'\r');
    let value = Value {
        start: 0,
        end,
        quoted: true,
    };
    if end > 0 && window.byte(end) == 0 && !window.ends_at(end) {
        propose(window, &names, &value, false, found);
    }
}

/// Proposes what stands in an element whose start tag ends at an offset: `<password>x</password>`.
pub(crate) fn tag(window: &Window<'_>, lexicon: &Lexicon, at: usize, found: &mut Vec<Candidate>) {
    let start = window.run_back(at, byte::TOKEN);
    if start == at || window.before(start) != b'<' {
        return;
    }
    let Some(names) = name_before(window, lexicon, at) else {
        return;
    };
    let end = window.run_while(at + 1, |b| b != b'<' && b != b'\n');
    if window.byte(end) == b'<' && window.byte(end + 1) == b'/' && end > at + 1 {
        let value = Value {
            start: at + 1,
            end,
            quoted: true,
        };
        propose(window, &names, &value, false, found);
    }
}

/// Proposes what a flag of a command is given: `--password x`.
pub(crate) fn flag(window: &Window<'_>, lexicon: &Lexicon, at: usize, found: &mut Vec<Candidate>) {
    let end = window.run(at, byte::TOKEN);
    if window.byte(end) != b' ' {
        return;
    }
    if let (Some(names), Some(value)) = (name_before(window, lexicon, end), value(window, end))
        && window.before(value.start) != b'-'
        && window.byte(value.start) != b'-'
    {
        propose(window, &names, &value, false, found);
    }
}

/// Whether a column of this name holds secrets.
pub(crate) fn names_a_secret(lexicon: &Lexicon, name: &str) -> bool {
    name_before(&Window::new(name, 0, None), lexicon, name.len()).is_some()
}

/// Proposes the field of a table whose column is a secret's.
pub(crate) fn cell(
    window: &Window<'_>,
    lexicon: &Lexicon,
    header: &Header,
    at: usize,
    found: &mut Vec<Candidate>,
) {
    let mut start = at;
    while at - start < PASSWORD_MAX
        && start > 0
        && !header.begins_field(window, start)
        && window.before(start) != b'"'
    {
        start -= 1;
    }
    let Some(names) = header
        .column(window.whole(), start)
        .and_then(|name| name_before(&Window::new(name, 0, None), lexicon, name.len()))
    else {
        return;
    };
    let quoted = window.before(start) == b'"';
    let end = header.field_end(window, start);
    let end = end - usize::from(quoted && window.before(end) == b'"');
    if end > start && (header.begins_field(window, start) || quoted) {
        let value = Value {
            start,
            end,
            quoted: true,
        };
        propose(window, &names, &value, false, found);
    }
}

/// Proposes the value before "is my password".
fn prose_before(window: &Window<'_>, names: &Names, name_start: usize, found: &mut Vec<Candidate>) {
    let mut at = name_start;
    let mut verb = false;
    for _ in 0..5 {
        while window.before(at) == b' ' {
            at -= 1;
        }
        let mut start = at;
        while start > 0 && at - start < 80 && !byte::is(window.before(start), SPACE) {
            start -= 1;
        }
        let word = window.text(start, at);
        if verb {
            let (mut from, mut to) = (start, at);
            while matches!(window.byte(from), b'`' | b'"' | b'\'' | b'(') {
                from += 1;
            }
            while to > from && matches!(window.before(to), b'`' | b'"' | b'\'' | b',' | b')') {
                to -= 1;
            }
            let value = Value {
                start: from,
                end: to,
                quoted: false,
            };
            if to > from && is_odd(window, &value) {
                propose(window, names, &value, false, found);
            }
            return;
        }
        match word {
            "is" | "as" => verb = true,
            "my" | "your" | "the" | "a" | "his" | "her" | "our" | "new" | "login" | "user" => {}
            _ => return,
        }
        at = start;
    }
}

/// Between a name and its value.
const VERBS: [&str; 14] = [
    "is", "was", "to", "lautet", "ist", "est", "es", "é", "è", "jest", "as", "als", "becomes",
    "will",
];

/// Which of the classes a name that ends at an offset may be of.
struct Names {
    password: bool,
    username: bool,
    secret: bool,
}

fn name_before(window: &Window<'_>, lexicon: &Lexicon, at: usize) -> Option<Names> {
    let mut end = at;
    while end > 0
        && at - end < 4
        && matches!(
            window.before(end),
            b' ' | b'"' | b'\'' | b'`' | b']' | b'\\'
        )
    {
        // A label is no name: `[PASSWORD]: x`.
        if window.before(end) == b']' && placeholder::is_before(window, end) {
            return None;
        }
        end -= 1;
    }
    let mut start = end;
    while start > 0 && end - start < 24 {
        let b = window.before(start);
        let hump = start < end && byte::is(window.byte(start), UPPER) && byte::is(b, LOWER);
        if hump || b.is_ascii() && !byte::is(b, LETTER) {
            break;
        }
        start -= 1;
    }
    let word = window.text(start, end);
    if !(2..=20).contains(&word.len()) {
        return None;
    }
    let entry = lexicon.find(word)?;
    let phrase = entry.ends_phrase;
    let named = |kind: Kind| entry.names.contains(kind as u16);
    let names = Names {
        password: named(Kind::Password) || phrase,
        username: named(Kind::Username) || phrase,
        secret: named(Kind::Generic) || phrase,
    };
    (names.password || names.username || names.secret).then_some(names)
}

fn propose(
    window: &Window<'_>,
    names: &Names,
    value: &Value,
    colon: bool,
    found: &mut Vec<Candidate>,
) {
    if is_placeholder(window, value) {
        return;
    }
    let length = value.end - value.start;
    let mut push = |kind: Kind, base: i16, evidence: EvidenceSet, tier: Tier| {
        found.push(Candidate {
            class: kind as u16,
            start: value.start,
            end: value.end,
            base,
            evidence,
            tier,
            weighed: true,
            tail: Tail::None,
        });
    };
    if names.password && length <= PASSWORD_MAX {
        push(Kind::Password, PASSWORD, SHAPE, Tier::Assigned);
    }
    if names.secret && is_secret(window, value) {
        push(Kind::Generic, SECRET, ENTROPY, Tier::Assigned);
    }
    if names.username && length <= USERNAME_MAX && is_username(window, value, colon) {
        push(Kind::Username, USERNAME, SHAPE, Tier::Told);
    }
}

/// The value that starts at an offset, after white space.
fn value(window: &Window<'_>, from: usize) -> Option<Value> {
    let mut at = from;
    while matches!(window.byte(at), b' ' | b'\t') && at < from + 8 {
        at += 1;
    }
    // `b"..."`, `r'...'`
    let prefix = window.run_while(at, |b| {
        matches!(b, b'b' | b'B' | b'r' | b'R' | b'u' | b'U' | b'f' | b'F')
    });
    if prefix - at <= 2 && matches!(window.byte(prefix), b'"' | b'\'') {
        at = prefix;
    }
    let escaped = usize::from(window.byte(at) == b'\\');
    let quote = window.byte(at + escaped);
    if matches!(quote, b'"' | b'\'' | b'`') {
        let start = at + escaped + 1;
        let end = window.run_while(start, |b| b != quote && b != b'\n' && b != b'\r');
        if window.byte(end) != quote || end == start {
            return None;
        }
        let end = end - usize::from(escaped == 1 && window.before(end) == b'\\');
        return (end > start).then_some(Value {
            start,
            end,
            quoted: true,
        });
    }
    if window.bytes(at, at + 7) == b"base64:" {
        at += 7;
    }
    let ends = |b: u8| {
        byte::is(b, SPACE)
            || matches!(
                b,
                b',' | b';' | b')' | b'}' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'&' | b'|'
            )
    };
    let mut end = window.run_while(at, |b| !ends(b));
    // `Authorization: Bearer x`
    let scheme = window.bytes(at, end);
    if [b"bearer".as_slice(), b"basic", b"token", b"apikey"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        && window.byte(end) == b' '
    {
        at = end + 1;
        end = window.run_while(at, |b| !ends(b));
    }
    while window.before(end) == b']'
        || matches!(window.before(end), b'.' | b':') && !window.is(end, ALNUM)
    {
        end -= 1;
    }
    (end > at).then_some(Value {
        start: at,
        end,
        quoted: false,
    })
}

/// Without what ends a sentence.
fn trimmed(window: &Window<'_>, mut value: Value) -> Value {
    while !value.quoted
        && value.end > value.start + 1
        && matches!(window.before(value.end), b'.' | b',' | b'?')
    {
        value.end -= 1;
    }
    value
}
