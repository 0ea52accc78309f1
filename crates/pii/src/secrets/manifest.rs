//! What stands under `data` in a manifest of Kubernetes whose kind is `Secret`.

use super::certain;
use super::read::behind_block;
use super::value::is_mixed;
use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, BASE64, KEYISH, SPACE};
use crate::engine::candidate::{Candidate, Tail};
use crate::engine::window::Window;

const SHAPE: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
const ENTRY: i16 = 20;
/// The shortest entry that is taken for one.
const ENTRY_MIN: usize = 12;

/// What the lines up to an offset say of the manifest that they are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Manifest {
    /// How far its own keys are set in, once there is one.
    indent: Option<usize>,
    /// Whether its version was said.
    has_version: bool,
    /// Whether its kind is `Secret`, if that was said.
    is_secret: Option<bool>,
    /// How far `data` is set in whose entries these are.
    data: Option<usize>,
}

/// The manifests of a text. A text may be looked at again from a place that was passed: what was said
/// before it is known from when it was said.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    said: Vec<(usize, Manifest)>,
}

impl Manifests {
    fn before(&self, at: usize) -> Manifest {
        let said = self.said.iter().rev().find(|(said, _)| *said < at);
        said.map_or_else(Manifest::default, |(_, manifest)| *manifest)
    }

    fn set(&mut self, at: usize, manifest: Manifest) {
        self.forget(at);
        if self.before(at) != manifest {
            self.said.push((at, manifest));
        }
    }

    /// Takes back what was said from a place on, which is looked at again.
    pub(crate) fn forget(&mut self, from: usize) {
        while self.said.pop_if(|(said, _)| *said >= from).is_some() {}
    }

    /// Moves everything when the first bytes of the text are taken away.
    pub(crate) fn shift(&mut self, bytes: usize) {
        let gone = self.said.partition_point(|(at, _)| *at < bytes);
        self.said.drain(..gone.saturating_sub(1));
        for (at, _) in &mut self.said {
            *at = at.saturating_sub(bytes);
        }
    }
}

/// Reads the line of a manifest whose key ends at a colon, and proposes the value of an entry: in
/// base64, as the data of a secret are (Kubernetes API, core/v1 Secret). Says whether it is one.
///
/// Nothing of it depends on how far things are from one another: what was redacted is shorter, and has
/// to be the same the second time.
pub(crate) fn colon(
    window: &Window<'_>,
    at: usize,
    manifests: &mut Manifests,
    found: &mut Vec<Candidate>,
) -> bool {
    let known = manifests.before(at);
    if known.data.is_none() && !matches!(window.before(at), b'a' | b'd' | b'n' | b's') {
        return false;
    }
    let Some(line) = Line::of(window, at) else {
        return false;
    };
    let key = window.bytes(line.key, line.end);
    let of_manifest = matches!(
        key,
        b"apiVersion" | b"kind" | b"items" | b"data" | b"stringData"
    );
    let mut said = known;
    if line.begins_document(window) || of_manifest && line.begins_manifest(key, &known) {
        said = Manifest::default();
    }
    // Data are a map: a list is of something else.
    if line.is_item || said.data.is_some_and(|data| line.indent <= data) {
        said.data = None;
    }
    if of_manifest && said.indent.is_none_or(|indent| indent == line.indent) {
        said.indent = Some(line.indent);
        line.say(window, key, &mut said);
    }
    manifests.set(at, said);
    said.data.is_some_and(|data| data < line.indent)
        && entry(window, at, said.is_secret == Some(true), found)
}

/// A line that begins with a key.
struct Line {
    /// Where it begins.
    start: usize,
    /// How far the key is set in, and where it begins and ends.
    indent: usize,
    key: usize,
    end: usize,
    colon: usize,
    is_item: bool,
}

impl Line {
    fn of(window: &Window<'_>, colon: usize) -> Option<Self> {
        let quoted = matches!(window.before(colon), b'"' | b'\'');
        let end = colon - usize::from(quoted);
        let key = window.run_back(end, KEYISH);
        let first = key - usize::from(quoted && key > 0);
        let spaces = |end: usize| window.run_back(end, SPACE);
        let over = |end: usize| {
            // Not over the end of a line.
            let gap = window.bytes(spaces(end), end);
            let line = gap.iter().rposition(|b| *b == b'\n' || *b == b'\r');
            end - gap.len() + line.map_or(0, |line| line + 1)
        };
        let mut start = over(first);
        let is_item = start < first && window.before(start) == b'-';
        if is_item {
            start = over(start - 1);
        }
        let begins = matches!(window.before(start), 0 | b'\n' | b'\r');
        (key < end && begins).then_some(Self {
            start,
            indent: first - start,
            key,
            end,
            colon,
            is_item,
        })
    }

    /// What is said behind the colon, without quotation marks.
    fn value<'t>(&self, window: &Window<'t>) -> &'t str {
        let start = self.colon + 1;
        let end = window.run_while(start, |b| b != b'\n' && b != b'\r');
        let value = window.text(start, end);
        let bare = value.split_once(" #").map_or(value, |(value, _)| value);
        bare.trim().trim_matches(['"', '\''])
    }

    /// Reads one of a manifest's own keys.
    fn say(&self, window: &Window<'_>, key: &[u8], said: &mut Manifest) {
        match key {
            b"apiVersion" => said.has_version = true,
            b"kind" => said.is_secret = Some(self.value(window).eq_ignore_ascii_case("secret")),
            b"data" | b"stringData" if self.value(window).is_empty() => {
                let may_be = match said.is_secret {
                    // In the order of their names the kind comes behind the data.
                    None => self.is_behind_version(window),
                    Some(is_secret) => is_secret,
                };
                said.data = may_be.then_some(self.indent);
            }
            // Its items are manifests of their own, wherever they are set in.
            b"items" => said.indent = Some(usize::MAX),
            _ => {}
        }
    }

    /// Whether a key is of another manifest than the one that is known: what was said is said again, or
    /// stands further left. Items that are set in deeper are of the manifest that holds them.
    fn begins_manifest(&self, key: &[u8], known: &Manifest) -> bool {
        let Some(indent) = known.indent else {
            return false;
        };
        let again = match key {
            b"apiVersion" => known.has_version,
            b"kind" => known.is_secret.is_some(),
            _ => false,
        };
        self.indent < indent
            && (indent < usize::MAX || self.is_item || matches!(key, b"apiVersion" | b"kind"))
            || self.indent == indent && (again || self.is_item)
    }

    /// The line before it, without white space.
    fn before<'t>(&self, window: &Window<'t>) -> &'t [u8] {
        let before = window.bytes(self.start.saturating_sub(64), self.start);
        let line = before.trim_ascii_end();
        let begins = line.iter().rposition(|b| *b == b'\n');
        let line = begins.and_then(|at| line.get(at + 1..)).unwrap_or(line);
        line.trim_ascii()
    }

    /// Whether it is the first of a document, or of a block of Markdown.
    fn begins_document(&self, window: &Window<'_>) -> bool {
        let before = self.before(window);
        before == b"---" || before.starts_with(b"```")
    }

    fn is_behind_version(&self, window: &Window<'_>) -> bool {
        let before = self.before(window);
        let key = before.strip_prefix(b"- ").unwrap_or(before);
        let value = key.strip_prefix(b"apiVersion:").map(<[u8]>::trim_ascii);
        matches!(value, Some(b"v1" | b"'v1'" | b"\"v1\""))
    }
}

/// Proposes the value of an entry. In a manifest that may be of another kind it has to look like what was
/// encoded.
fn entry(window: &Window<'_>, colon: usize, is_secret: bool, found: &mut Vec<Candidate>) -> bool {
    let start = behind_block(window, colon + 1)
        .unwrap_or_else(|| window.run_while(colon + 1, |b| b == b' '));
    let quote = window.byte(start);
    let start = start + usize::from(matches!(quote, b'"' | b'\''));
    let end = window.run(start, BASE64);
    let closes = match quote {
        b'"' | b'\'' => window.byte(end) == quote,
        _ => window.byte(end) == 0 || window.is(end, SPACE),
    };
    let is_cut = window.ends_at(end);
    let text = window.bytes(start, end);
    let is_encoded = text.ends_with(b"=") || !text.starts_with(b"/") && is_mixed(text);
    let is_base64 = text.len() >= ENTRY_MIN
        && (is_cut || closes && text.len().is_multiple_of(4))
        && text.iter().any(|b| byte::is(*b, ALNUM))
        && (is_secret || is_encoded);
    if is_base64 {
        let mut candidate = certain(Kind::Generic, start, end, ENTRY, SHAPE);
        if is_cut {
            candidate.tail = Tail::Run(BASE64);
        }
        found.push(candidate);
    }
    is_base64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_known_from_where_it_was_said() {
        let secret = Manifest {
            is_secret: Some(true),
            ..Manifest::default()
        };
        let mut manifests = Manifests::default();
        manifests.set(10, secret);
        manifests.set(20, Manifest::default());
        assert_eq!(manifests.before(10), Manifest::default());
        assert_eq!(manifests.before(11), secret);
        assert_eq!(manifests.before(21), Manifest::default());
        // The same again takes back what was said behind it.
        manifests.set(10, secret);
        assert_eq!(manifests.before(99), secret);
        manifests.set(30, Manifest::default());
        manifests.shift(25);
        assert_eq!(manifests.before(1), secret);
        assert_eq!(manifests.before(6), Manifest::default());
        assert_eq!(manifests.said.len(), 2);
    }
}
