//! The grammars of timestamps and signatures: one spelling each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::header::MAX_SIGNATURES;
use crate::{Header, WebhookError};

/// The bytes of an HMAC-SHA-256.
pub(crate) const MAC_BYTES: usize = 32;
/// The bytes of an Ed25519 signature.
pub(crate) const ED25519_BYTES: usize = 64;
/// The padded base64 of 32 and of 64 bytes.
const MAC_BASE64: usize = 44;
const ED25519_BASE64: usize = 88;

/// What a message carries of the versions that its scheme knows; at least one.
#[derive(Default)]
pub(crate) struct Signatures {
    pub(crate) macs: Vec<[u8; MAC_BYTES]>,
    pub(crate) ed25519: Vec<[u8; ED25519_BYTES]>,
}

impl Signatures {
    /// Reads the list of Standard Webhooks.
    pub(crate) fn standard(text: &str, header: Header) -> Result<Self, WebhookError> {
        if text.bytes().filter(|b| *b == b' ').count() >= MAX_SIGNATURES {
            return Err(WebhookError::TooManySignatures);
        }
        let malformed = WebhookError::MalformedHeader(header);
        let mut found = Self::default();
        for entry in text.split(' ') {
            let (version, value) = entry.split_once(',').ok_or(malformed)?;
            match version {
                "v1" => found.macs.push(base64_mac(value).ok_or(malformed)?),
                "v1a" => found.ed25519.push(base64_ed25519(value).ok_or(malformed)?),
                _ if is_version(version) && is_value(value) => {}
                _ => return Err(malformed),
            }
        }
        found.at_least_one()
    }

    /// Reads Stripe's list: the timestamp and the MACs.
    pub(crate) fn stripe(text: &str) -> Result<(u64, Self), WebhookError> {
        if text.split(',').count() > MAX_SIGNATURES + 1 {
            return Err(WebhookError::TooManySignatures);
        }
        let malformed = WebhookError::MalformedHeader(Header::StripeSignature);
        let (mut at, mut others, mut found) = (None, 0, Self::default());
        for item in text.split(',') {
            let (name, value) = item.split_once('=').ok_or(malformed)?;
            match name {
                "t" if at.is_none() => at = Some(timestamp(value).ok_or(malformed)?),
                "v1" => found.macs.push(hexadecimal(value).ok_or(malformed)?),
                _ if name != "t" && is_version(name) && is_value(value) => others += 1,
                _ => return Err(malformed),
            }
        }
        if found.macs.len() + others > MAX_SIGNATURES {
            return Err(WebhookError::TooManySignatures);
        }
        Ok((at.ok_or(malformed)?, found.at_least_one()?))
    }

    /// Reads Slack's one signature.
    pub(crate) fn slack(text: &str) -> Result<Self, WebhookError> {
        let malformed = WebhookError::MalformedHeader(Header::SlackSignature);
        let (version, value) = text.split_once('=').ok_or(malformed)?;
        let mut found = Self::default();
        match version {
            "v0" => found.macs.push(hexadecimal(value).ok_or(malformed)?),
            _ if is_version(version) && is_value(value) => {}
            _ => return Err(malformed),
        }
        found.at_least_one()
    }

    /// Reads GitHub's one signature.
    pub(crate) fn github(text: &str) -> Result<Self, WebhookError> {
        let malformed = WebhookError::MalformedHeader(Header::GithubSignature);
        let value = text.strip_prefix("sha256=").ok_or(malformed)?;
        let mut found = Self::default();
        found.macs.push(hexadecimal(value).ok_or(malformed)?);
        Ok(found)
    }

    pub(crate) fn count(&self) -> usize {
        self.macs.len() + self.ed25519.len()
    }

    fn at_least_one(self) -> Result<Self, WebhookError> {
        if self.count() == 0 {
            return Err(WebhookError::NoSupportedSignature);
        }
        Ok(self)
    }
}

/// Reads a decimal number that has one spelling: no sign and no leading zeros, because two
/// spellings of one time would be two different signed texts.
pub(crate) fn timestamp(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if text.is_empty() || !canonical {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

fn base64_mac(base64: &str) -> Option<[u8; MAC_BYTES]> {
    // The decoder wants room for whole groups of three bytes.
    let mut buffer = [0; MAC_BYTES + 1];
    decode(base64, MAC_BASE64, &mut buffer)?.try_into().ok()
}

fn base64_ed25519(base64: &str) -> Option<[u8; ED25519_BYTES]> {
    let mut buffer = [0; ED25519_BYTES + 2];
    decode(base64, ED25519_BASE64, &mut buffer)?.try_into().ok()
}

fn decode<'b>(base64: &str, length: usize, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    if base64.len() != length {
        return None;
    }
    let written = STANDARD.decode_slice(base64, buffer).ok()?;
    buffer.get(..written)
}

fn hexadecimal(text: &str) -> Option<[u8; MAC_BYTES]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut mac = [0; MAC_BYTES];
    hex::decode_to_slice(text, &mut mac).ok()?;
    Some(mac)
}

fn is_version(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=8).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeaderSet, Scheme};

    const HEX: &str = "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd";

    fn named(scheme: Scheme, headers: &[(&str, &str)]) -> Result<HeaderSet, WebhookError> {
        let pairs = headers.iter();
        HeaderSet::collect_as(scheme, pairs.map(|(name, value)| (*name, value.as_bytes())))
    }

    #[test]
    fn stripes_header_has_one_spelling() {
        let malformed = WebhookError::MalformedHeader(Header::StripeSignature);
        let upper = HEX.to_uppercase();
        for (name, value, expected) in [
            ("empty", String::new(), malformed),
            ("no timestamp", format!("v1={HEX}"), malformed),
            ("two timestamps", format!("t=1,t=1,v1={HEX}"), malformed),
            ("leading zero", format!("t=01,v1={HEX}"), malformed),
            ("fraction", format!("t=1.0,v1={HEX}"), malformed),
            ("sign", format!("t=+1,v1={HEX}"), malformed),
            ("spaces", format!("t=1, v1={HEX}"), malformed),
            ("upper case", format!("t=1,v1={upper}"), malformed),
            (
                "31 bytes",
                format!("t=1,v1={}", HEX.get(2..).unwrap()),
                malformed,
            ),
            ("33 bytes", format!("t=1,v1={HEX}00"), malformed),
            (
                "not hexadecimal",
                format!("t=1,v1={}g", HEX.get(1..).unwrap()),
                malformed,
            ),
            ("no value", format!("t=1,v1={HEX},v0="), malformed),
            ("no equals sign", format!("t=1,v1={HEX},v0"), malformed),
            ("empty item", format!("t=1,,v1={HEX}"), malformed),
            ("trailing comma", format!("t=1,v1={HEX},"), malformed),
            (
                "malformed beside good",
                format!("t=1,v1={HEX},v1=00"),
                malformed,
            ),
            (
                "only v0",
                format!("t=1,v0={HEX}"),
                WebhookError::NoSupportedSignature,
            ),
            (
                "seventeen",
                format!("t=1{}", format!(",v1={HEX}").repeat(17)),
                WebhookError::TooManySignatures,
            ),
            (
                "seventeen without a timestamp",
                vec![format!("v1={HEX}"); 17].join(","),
                WebhookError::TooManySignatures,
            ),
        ] {
            let refused = named(Scheme::Stripe, &[("Stripe-Signature", &value)]).err();
            assert_eq!(refused, Some(expected), "{name}");
        }
        let sixteen = format!("t=7{}", format!(",v1={HEX}").repeat(16));
        let set = named(Scheme::Stripe, &[("stripe-signature", &sixteen)]).unwrap();
        assert_eq!((set.timestamp(), set.signatures().count()), (7, 16));
        let late = format!("v0=x,v1={HEX},t=7");
        assert!(named(Scheme::Stripe, &[("stripe-signature", &late)]).is_ok());
        let pair = ("stripe-signature", sixteen.as_str());
        let doubled = named(Scheme::Stripe, &[pair, pair]).err();
        assert_eq!(
            doubled,
            Some(WebhookError::DuplicateHeader(Header::StripeSignature))
        );
        let missing = named(Scheme::Stripe, &[]).err();
        assert_eq!(
            missing,
            Some(WebhookError::MissingHeader(Header::StripeSignature))
        );
    }

    #[test]
    fn slacks_headers_have_one_spelling() {
        let good = format!("v0={HEX}");
        let upper = format!("v0={}", HEX.to_uppercase());
        let two = format!("{good},{good}");
        let at = WebhookError::MalformedHeader(Header::SlackTimestamp);
        let malformed = WebhookError::MalformedHeader(Header::SlackSignature);
        let unknown = format!("v1={HEX}");
        for (name, timestamp, signature, expected) in [
            ("text for a time", "abc", good.as_str(), at),
            ("leading zero", "01", &good, at),
            ("empty time", "", &good, at),
            ("empty", "1", "", malformed),
            ("upper case", "1", &upper, malformed),
            ("short", "1", good.get(..65).unwrap(), malformed),
            ("two", "1", &two, malformed),
            ("space", "1", " v0=", malformed),
            (
                "another version",
                "1",
                &unknown,
                WebhookError::NoSupportedSignature,
            ),
        ] {
            let headers = [
                ("X-Slack-Request-Timestamp", timestamp),
                ("X-Slack-Signature", signature),
            ];
            assert_eq!(
                named(Scheme::Slack, &headers).err(),
                Some(expected),
                "{name}"
            );
        }
        let one = [("x-slack-signature", good.as_str())];
        let missing = WebhookError::MissingHeader(Header::SlackTimestamp);
        assert_eq!(named(Scheme::Slack, &one).err(), Some(missing));
    }
}
