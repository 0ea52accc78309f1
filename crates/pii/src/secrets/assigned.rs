//! What a secret's name is given: `password: x`, `api_key="x"`, "the password is x".

use super::code::is_code;
use super::name::{Names, before_operator, before_type, is_gem_source, name_before, names_within};
use super::read::{behind_scheme, block, next_line, value};
use super::stand_in::is_placeholder;
use super::value::{Value, is_certain, is_login, is_secret, is_username, is_uuid};
use super::{certain, command, line};
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::Header;
use crate::engine::again::FILL;
use crate::engine::byte::{self, SPACE};
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
/// What goes on with a value that was found, or stands where nothing else does.
const LINE: i16 = 20;

/// The longest password, and the longest name of a user, in bytes.
const PASSWORD_MAX: usize = 128;
/// From this length on three full stops do not stand for the rest of a secret.
const WHOLE: usize = 32;
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
    let name = before_operator(window, at);
    if is_gem_source(window, name)
        && let Some(value) = value(window, at + 1).filter(|value| is_login(window, value))
    {
        found.push(certain(Kind::Password, value.start, value.end, LINE, SHAPE));
        return;
    }
    let plain = name_before(window, lexicon, name).map(|names| (names, false));
    let Some((names, typed)) = plain.or_else(typed) else {
        if let Some(names) = names_within(window, name)
            && let Some(value) = value(window, at + 1).filter(|value| is_certain(window, value))
            && !is_code(window, lexicon, &value, at, name)
        {
            propose(window, &names, &value, false, found);
        }
        return;
    };
    let assigned = at + 1 + usize::from(matches!(window.byte(at + 1), b'=' | b'>'));
    let of_block = || (window.byte(at) == b':').then(|| block(window, assigned));
    let Some(value) = of_block().flatten().or_else(|| value(window, assigned)) else {
        return;
    };
    // Behind a type a text has quotation marks.
    if typed && !value.quoted || is_code(window, lexicon, &value, at, name) {
        return;
    }
    // `||=`, `+=`, `|=`, `.=` and `::=` are of programs and grammars.
    let is_computed = matches!(window.bytes(name, at), b"||" | b"|" | b"+" | b"." | b"::");
    if is_computed && !value.quoted && !is_secret(window, &value) {
        return;
    }
    propose(window, &names, &value, window.byte(at) == b':', found);
    // Where another value is in it, it loses, and the first is left.
    if !value.quoted
        && !is_placeholder(window, &value)
        && let Some(line) = line::of_settings(window, at, &value)
    {
        propose(window, &names, &line, false, found);
    }
}

/// Proposes a whole text that is the value of a secret's name.
pub(crate) fn named(
    window: &Window<'_>,
    lexicon: &Lexicon,
    name: &str,
    found: &mut Vec<Candidate>,
) {
    let naming = Window::new(name, 0, None);
    let end = window.run_while(0, |b| b != b'\n' && b != b'\r');
    let value = Value {
        start: 0,
        end,
        quoted: true,
    };
    let within = || names_within(&naming, name.len()).filter(|_| is_certain(window, &value));
    let Some(names) = name_before(&naming, lexicon, name.len()).or_else(within) else {
        return;
    };
    if end > 0 && window.byte(end) == 0 {
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
    // On a line of its own it is one word.
    let start = window.run(at + 1, SPACE);
    let is_set_in = window.bytes(at + 1, start).contains(&b'\n');
    let end = match is_set_in {
        true => window.run_while(start, |b| b != b'<' && !byte::is(b, SPACE)),
        false => window.run_while(at + 1, |b| b != b'<' && b != b'\n'),
    };
    let start = if is_set_in { start } else { at + 1 };
    let closes = if is_set_in {
        window.run(end, SPACE)
    } else {
        end
    };
    if window.byte(closes) == b'<' && window.byte(closes + 1) == b'/' && end > start {
        let value = Value {
            start,
            end,
            quoted: true,
        };
        propose(window, &names, &value, false, found);
    }
}

/// Proposes what a flag of a command is given: `--password x`. `curl` is where curl was first called in
/// the text.
pub(crate) fn flag(
    window: &Window<'_>,
    lexicon: &Lexicon,
    at: usize,
    curl: Option<usize>,
    found: &mut Vec<Candidate>,
) {
    let end = window.run(at, byte::TOKEN);
    if window.byte(end) != b' ' || command::login(window, at, end, curl, found) {
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
    // Beside a label there are values of their own.
    let is_label = |at: usize| window.byte(at) == FILL || placeholder::end(window, at).is_some();
    let is_field = end > start && (header.begins_field(window, start) || quoted);
    if is_field && !(start..end).any(is_label) {
        let value = Value {
            start,
            end,
            quoted: true,
        };
        propose(window, &names, &value, false, found);
    }
}

/// Proposes the line that starts at an offset, as more of what the line before was.
pub(crate) fn continued(window: &Window<'_>, start: usize, found: &mut Vec<Candidate>) {
    let start = window.run_back(start, byte::BASE64);
    if window.before(start) != b' ' {
        return;
    }
    if let Some(line) = next_line(window, start) {
        let mut candidate = certain(Kind::Generic, line.start, line.end, LINE, ENTROPY);
        if window.ends_at(line.end) {
            candidate.tail = Tail::Run(byte::BASE64);
        }
        found.push(candidate);
    }
}

pub(super) fn propose(
    window: &Window<'_>,
    names: &Names<'_>,
    value: &Value,
    colon: bool,
    found: &mut Vec<Candidate>,
) {
    let value = &match names.secret && !names.password {
        true => behind_scheme(window, value),
        false => *value,
    };
    if is_placeholder(window, value) {
        return;
    }
    let length = value.end - value.start;
    // What is longer than can be seen goes on as it begins.
    let tail = match window.ends_at(value.end) {
        true => Tail::Run(byte::BASE64 | byte::KEYISH),
        false => Tail::None,
    };
    let mut push = |kind: Kind, base: i16, evidence: EvidenceSet, tier: Tier| {
        found.push(Candidate {
            class: kind as u16,
            start: value.start,
            end: value.end,
            base,
            evidence,
            tier,
            weighed: true,
            tail,
        });
    };
    if names.password && length <= PASSWORD_MAX {
        push(Kind::Password, PASSWORD, SHAPE, Tier::Assigned);
    }
    let uuid = is_uuid(window.bytes(value.start, value.end));
    // What is whole may end a sentence so; the beginning of an object in base64 is not.
    let begins_object = || {
        let text = window.bytes(value.start, value.end);
        let mut parts = text.split(|b| !byte::is(*b, byte::TOKEN));
        parts.any(|part| part.starts_with(b"eyJ"))
    };
    let elided =
        window.bytes(value.end, value.end + 3) == b"..." && (length < WHOLE || begins_object());
    if names.secret && !elided && (uuid && names.open() || is_secret(window, value)) {
        push(Kind::Generic, SECRET, ENTROPY, Tier::Assigned);
    }
    // A user's UUID is a row's, and no name to log in with.
    let is_short = length <= USERNAME_MAX && !uuid;
    if names.username && is_short && is_username(window, value, colon) {
        push(Kind::Username, USERNAME, SHAPE, Tier::Told);
    }
}
