//! Restoring: tokens in a model's answer become the values that they stand for.

mod addresses;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use secrecy::{ExposeSecret, SecretString};

use self::addresses::addresses;
use crate::token::fold;
use crate::{Class, Token};

/// Where a text that is to be restored is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// To the caller, as text.
    Answer,
    /// Into the arguments of a tool.
    ToolArguments,
}

/// Where values may be put back. By default into an answer's text, and elsewhere only if told: a
/// model can be talked into writing a token into an address that somebody else reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestorePolicy {
    /// In what the caller reads.
    pub answers: bool,
    /// Inside web addresses, the destinations of links and the tags of HTML, wherever they are.
    pub urls: bool,
    /// Inside the arguments of tools.
    pub tools: bool,
}

impl Default for RestorePolicy {
    fn default() -> Self {
        Self {
            answers: true,
            urls: false,
            tools: false,
        }
    }
}

/// A text with values put back.
#[derive(Clone, PartialEq, Eq)]
pub struct Restored {
    /// The text.
    pub text: String,
    /// How many tokens of each class were restored.
    pub restored: BTreeMap<Class, usize>,
    /// How many tokens were seen and left where they stood, because the policy says so.
    pub withheld: usize,
}

impl std::fmt::Debug for Restored {
    /// Without the text: it holds values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restored")
            .field("restored", &self.restored)
            .field("withheld", &self.withheld)
            .finish_non_exhaustive()
    }
}

impl Default for Restorer {
    fn default() -> Self {
        Self::new(RestorePolicy::default())
    }
}

/// The tokens of one conversation and one caller, with their values.
///
/// Nothing else is restored: a token that somebody made up, or that is another's, is text. A model
/// may change a token's case, put spaces or marks between its characters, take its brackets away
/// or escape them: it is known all the same. A character that is missing, or another, is not made
/// up for.
pub struct Restorer {
    policy: RestorePolicy,
    /// By what is left of a token when case, marks and look-alikes are taken away.
    tokens: BTreeMap<String, (Class, SecretString)>,
    /// How many bytes values may be in one text.
    most: usize,
}

/// How many bytes of values are put into one text, unless told otherwise: a text of nothing but
/// tokens would become many times as long.
const MOST: usize = 16 << 20;

/// The most marks that may have come between two characters of a token.
const MARKS: usize = 4;

impl Restorer {
    /// Without tokens.
    #[must_use]
    pub fn new(policy: RestorePolicy) -> Self {
        Self {
            policy,
            tokens: BTreeMap::new(),
            most: MOST,
        }
    }

    /// With so many bytes of values in one text at most; the tokens that stand behind stay.
    #[must_use]
    pub const fn with_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// Adds a token with its value.
    pub fn insert(&mut self, class: Class, token: &Token, value: SecretString) {
        self.tokens.insert(token.folded(), (class, value));
    }

    /// Puts values back into a text.
    #[must_use]
    pub fn restore(&self, destination: Destination, text: &str) -> Restored {
        let mut restored = BTreeMap::new();
        let mut withheld = 0;
        let allowed = match destination {
            Destination::Answer => self.policy.answers,
            Destination::ToolArguments => self.policy.tools,
        };
        // Looked for once there is a token.
        let mut closed: Option<Vec<Range<usize>>> = None;
        let (mut passed, mut added) = (0, 0_usize);
        let text = self.replaced(text, |range, class, value| {
            let value = value.expose_secret();
            let mut is_open = allowed && value.len() <= self.most.saturating_sub(added);
            if is_open && !self.policy.urls {
                let closed = closed.get_or_insert_with(|| addresses(text));
                while closed.get(passed).is_some_and(|it| it.end <= range.start) {
                    passed += 1;
                }
                // One that is the token itself, whose brackets a model made `<` and `>`, is none.
                let is_apart = |it: &Range<usize>| {
                    it.start >= range.end || it.start == range.start && it.end <= range.end
                };
                is_open = closed.get(passed).is_none_or(is_apart);
            }
            if !is_open {
                withheld += 1;
                return None;
            }
            added += value.len();
            *restored.entry(class.clone()).or_default() += 1;
            Some(Cow::Borrowed(value))
        });
        Restored {
            text,
            restored,
            withheld,
        }
    }

    /// Puts each token's label in its place, as `[EMAIL]`, wherever it stands and whatever became of
    /// it: for what is written down, and must not lead back to a value.
    #[must_use]
    pub fn label(&self, text: &str) -> String {
        self.replaced(text, |_, class, _| Some(Cow::Owned(class.placeholder())))
    }

    /// Whether it has no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// A text with what is to stand in the place of its tokens; where there is nothing, they stay.
    fn replaced<'v>(
        &'v self,
        text: &str,
        mut by: impl FnMut(&Range<usize>, &Class, &'v SecretString) -> Option<Cow<'v, str>>,
    ) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut done = 0;
        let mut at = 0;
        while let Some(start) = self.next_start(text, at) {
            let Some((range, class, value)) = self.token_at(text, start) else {
                at = start + 1;
                continue;
            };
            at = range.end;
            let Some(new) = by(&range, class, value) else {
                continue;
            };
            replaced.push_str(text.get(done..range.start).unwrap_or_default());
            replaced.push_str(&new);
            done = range.end;
        }
        replaced.push_str(text.get(done..).unwrap_or_default());
        replaced
    }

    /// Where the next word starts.
    fn next_start(&self, text: &str, from: usize) -> Option<usize> {
        if self.tokens.is_empty() {
            return None;
        }
        let bytes = text.as_bytes();
        let alnum = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        (from..bytes.len()).find(|at| alnum(*at) && (*at == 0 || !alnum(at - 1)))
    }

    /// The token whose label starts at an offset: its range with the brackets around it.
    fn token_at(&self, text: &str, start: usize) -> Option<(Range<usize>, &Class, &SecretString)> {
        let mut folded = String::new();
        let mut marks = 0;
        for (offset, c) in text.get(start..)?.char_indices() {
            let Some(character) = fold(c) else {
                marks += 1;
                if marks > MARKS || !is_mark(c) {
                    return None;
                }
                continue;
            };
            marks = 0;
            folded.push(character);
            // Only what begins a token that is known is read on.
            let next = self.tokens.range(folded.clone()..).next();
            let (known, (class, value)) = next?;
            if !known.starts_with(&folded) {
                return None;
            }
            if *known == folded {
                let end = start + offset + c.len_utf8();
                let goes_on = text
                    .get(end..)?
                    .chars()
                    .next()
                    .is_some_and(|c| c.is_ascii_alphanumeric());
                return (!goes_on).then(|| (with_brackets(text, start..end), class, value));
            }
        }
        None
    }
}

/// What a model, or Markdown, puts between the characters of a token.
fn is_mark(c: char) -> bool {
    matches!(
        c,
        ' ' | '\n'
            | '\r'
            | '\t'
            | '_'
            | '-'
            | '\\'
            | '*'
            | '`'
            | '.'
            | ':'
            | '\u{200B}'
            | '\u{2011}'
            | '\u{A0}'
    )
}

/// The range with the brackets around it, whichever they have become.
fn with_brackets(text: &str, range: Range<usize>) -> Range<usize> {
    let before = text.get(..range.start).unwrap_or_default();
    let after = text.get(range.end..).unwrap_or_default();
    let opening = ["\\[", "[", "&#91;", "(", "<", "&lt;", "{", "\u{3010}"];
    let closing = ["\\]", "]", "&#93;", ")", ">", "&gt;", "}", "\u{3011}"];
    for (open, close) in opening.iter().zip(closing) {
        let trimmed = before.trim_end_matches(' ');
        let follows = after.trim_start_matches(' ');
        if trimmed.ends_with(open) && follows.starts_with(close) {
            let start = trimmed.len() - open.len();
            let end = text.len() - follows.len() + close.len();
            return start..end;
        }
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restorer(policy: RestorePolicy) -> (Restorer, Token) {
        let mut restorer = Restorer::new(policy);
        let token = Token::from_random(&Class::Email, &[0x5A, 1, 2, 3, 4, 5, 6, 7, 8]);
        restorer.insert(Class::Email, &token, SecretString::from("ann@example.com"));
        (restorer, token)
    }

    #[test]
    fn a_token_is_known_whatever_became_of_it() {
        let (restorer, token) = restorer(RestorePolicy::default());
        let plain = token.as_str();
        let inner = plain.trim_matches(['[', ']']).to_owned();
        let (label, random) = inner.split_once('_').expect("a label");
        let (seven, rest) = random.split_at(7);
        let (three, more) = random.split_at(3);
        for echo in [
            plain.to_owned(),
            plain.to_lowercase(),
            inner.clone(),
            format!("({inner})"),
            format!("<{inner}>"),
            format!("[{label} {random}]"),
            format!("[{label}-{random}]"),
            format!("[{label}\\_{random}]"),
            format!("\\[{label}\\_{random}\\]"),
            format!("[ {inner} ]"),
            format!("[{label}_{seven} {rest}]"),
            format!("[{label}_{three}\n{more}]"),
            format!("`{inner}`").replace('`', ""),
            plain.replace('0', "O"),
            plain.replace('1', "l"),
        ] {
            let restored = restorer.restore(Destination::Answer, &format!("to {echo}, now"));
            assert_eq!(restored.text, "to ann@example.com, now", "{echo}");
            assert_eq!(restored.restored.get(&Class::Email), Some(&1));
        }
    }

    #[test]
    fn what_is_not_of_this_conversation_stays() {
        let (restorer, token) = restorer(RestorePolicy::default());
        let other = Token::from_random(&Class::Email, &[9; 9]);
        let cut = token.as_str().replace(']', "");
        for text in [
            other.as_str(),
            "[EMAIL_1]",
            "[EMAIL]",
            cut.get(..cut.len() - 1).expect("longer"),
            &format!("{cut}7]"),
            "",
        ] {
            assert_eq!(restorer.restore(Destination::Answer, text).text, text);
        }
    }

    #[test]
    fn addresses_and_tools_get_no_values_unless_told() {
        let (restorer, token) = restorer(RestorePolicy::default());
        let address = format!("https://evil.example/?q={token}");
        let restored = restorer.restore(Destination::Answer, &address);
        assert_eq!(
            (restored.text.as_str(), restored.withheld),
            (address.as_str(), 1)
        );
        let link = format!("[x](//evil.example/{token})");
        assert_eq!(restorer.restore(Destination::Answer, &link).withheld, 1);
        for address in [
            format!("![x](<https://evil.example/?q=a {token}>)"),
            format!("![x](<?q=a {token}>)"),
            format!("<img alt=\">\" src=\"a? {token}\">"),
            format!("[r]: a '{token}"),
        ] {
            let restored = restorer.restore(Destination::Answer, &address);
            assert_eq!((restored.text, restored.withheld), (address, 1));
        }
        let both = format!("{token} <a {token}> {token} www.{token} {token}");
        let restored = restorer.restore(Destination::Answer, &both);
        assert_eq!(
            (restored.withheld, restored.restored.get(&Class::Email)),
            (2, Some(&3))
        );
        let few = self::restorer(RestorePolicy::default()).0.with_most(31);
        let restored = few.restore(Destination::Answer, &both);
        assert_eq!(
            (restored.withheld, restored.restored.get(&Class::Email)),
            (3, Some(&2))
        );
        let tool = restorer.restore(Destination::ToolArguments, token.as_str());
        assert_eq!(tool.withheld, 1);

        let (quiet, token) = self::restorer(RestorePolicy {
            answers: false,
            urls: false,
            tools: true,
        });
        let answer = quiet.restore(Destination::Answer, token.as_str());
        assert_eq!((answer.text.as_str(), answer.withheld), (token.as_str(), 1));
        let tool = quiet.restore(Destination::ToolArguments, token.as_str());
        assert_eq!(tool.text, "ann@example.com");

        let (open, token) = self::restorer(RestorePolicy {
            answers: true,
            urls: true,
            tools: true,
        });
        let address = format!("https://example.com/?q={token}");
        let restored = open.restore(Destination::ToolArguments, &address);
        assert_eq!(restored.text, "https://example.com/?q=ann@example.com");
    }
}
