//! Restoring: tokens in a model's answer become the values that they stand for.

use std::collections::BTreeMap;
use std::ops::Range;

use secrecy::{ExposeSecret, SecretString};

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

/// Where values may be put back. Into an answer's text always; elsewhere only if told: a model can
/// be talked into writing a token into an address that somebody else reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestorePolicy {
    /// Inside web addresses.
    pub urls: bool,
    /// Inside the arguments of tools.
    pub tools: bool,
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

/// The tokens of one conversation and one caller, with their values.
///
/// Nothing else is restored: a token that somebody made up, or that is another's, is text. A model
/// may change a token's case, put spaces or marks between its characters, take its brackets away
/// or escape them: it is known all the same. A character that is missing, or another, is not made
/// up for.
#[derive(Default)]
pub struct Restorer {
    policy: RestorePolicy,
    /// By what is left of a token when case, marks and look-alikes are taken away.
    tokens: BTreeMap<String, (Class, SecretString)>,
}

/// The most marks that may have come between two characters of a token.
const MARKS: usize = 4;

impl Restorer {
    /// Without tokens.
    #[must_use]
    pub fn new(policy: RestorePolicy) -> Self {
        Self {
            policy,
            tokens: BTreeMap::new(),
        }
    }

    /// Adds a token with its value.
    pub fn insert(&mut self, class: Class, token: &Token, value: SecretString) {
        self.tokens.insert(token.folded(), (class, value));
    }

    /// Puts values back into a text.
    #[must_use]
    pub fn restore(&self, destination: Destination, text: &str) -> Restored {
        let mut restored = Restored {
            text: String::with_capacity(text.len()),
            restored: BTreeMap::new(),
            withheld: 0,
        };
        let withheld = destination == Destination::ToolArguments && !self.policy.tools;
        let mut done = 0;
        let mut at = 0;
        while let Some(start) = self.next_start(text, at) {
            let Some((range, class, value)) = self.token_at(text, start) else {
                at = start + 1;
                continue;
            };
            at = range.end;
            if withheld || !self.policy.urls && is_in_url(text, range.start) {
                restored.withheld += 1;
                continue;
            }
            restored
                .text
                .push_str(text.get(done..range.start).unwrap_or_default());
            restored.text.push_str(value.expose_secret());
            *restored.restored.entry(class.clone()).or_default() += 1;
            done = range.end;
        }
        restored.text.push_str(text.get(done..).unwrap_or_default());
        restored
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

/// Whether an offset lies in a web address: no white space back to its scheme.
fn is_in_url(text: &str, offset: usize) -> bool {
    let before = text.get(..offset).unwrap_or_default();
    let word = before
        .rfind(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<'))
        .map_or(0, |at| at + 1);
    let word = before.get(word..).unwrap_or_default();
    word.contains("://") || word.contains("www.") || word.contains("](")
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
        assert_eq!(
            restorer
                .restore(Destination::ToolArguments, token.as_str())
                .withheld,
            1
        );

        let (open, token) = self::restorer(RestorePolicy {
            urls: true,
            tools: true,
        });
        let address = format!("https://example.com/?q={token}");
        let restored = open.restore(Destination::ToolArguments, &address);
        assert_eq!(restored.text, "https://example.com/?q=ann@example.com");
    }
}
