//! The three headers of a received message, parsed and bounded.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Header, MessageId, WebhookError};

/// The longest that names and values of the three headers may be together, in bytes.
pub const MAX_HEADER_BYTES: usize = 4096;

/// The most signatures that one message may carry, of whatever scheme.
pub const MAX_SIGNATURES: usize = 16;

/// The bytes of an HMAC-SHA-256.
pub(crate) const MAC_BYTES: usize = 32;
/// The padded base64 of 32 bytes.
const MAC_BASE64: usize = 44;

/// The headers of one received message: well formed, not yet verified.
///
/// ```
/// use strongroom_webhook_sig::{Header, HeaderSet, WebhookError};
///
/// let received = [("Webhook-Id", b"msg_1".as_slice()), ("Webhook-Timestamp", b"1614265330")];
/// let refused = HeaderSet::collect(received).err();
/// assert_eq!(refused, Some(WebhookError::MissingHeader(Header::Signature)));
/// ```
pub struct HeaderSet {
    id: MessageId,
    timestamp: u64,
    signatures: Vec<[u8; MAC_BYTES]>,
}

impl HeaderSet {
    /// Picks the three headers out of a request's, whatever the case of their names.
    ///
    /// Values are taken as they are: white space around one is the HTTP library's to remove
    /// (RFC 9110, section 5.5) and is refused here.
    ///
    /// # Errors
    /// [`WebhookError`] when one of the three is absent, doubled or outside the grammar of
    /// `docs/spec/webhook.md`, or a bound of its section 4 is exceeded.
    pub fn collect<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, WebhookError> {
        let (mut id, mut timestamp, mut signature) = (None, None, None);
        let mut total: usize = 0;
        for (name, value) in headers {
            let known = Header::ALL
                .into_iter()
                .find(|header| header.as_str().eq_ignore_ascii_case(name));
            let Some(header) = known else { continue };
            total = total.saturating_add(name.len()).saturating_add(value.len());
            if total > MAX_HEADER_BYTES {
                return Err(WebhookError::HeadersTooLarge);
            }
            let slot = match header {
                Header::Id => &mut id,
                Header::Timestamp => &mut timestamp,
                Header::Signature => &mut signature,
            };
            if slot.replace(value).is_some() {
                return Err(WebhookError::DuplicateHeader(header));
            }
        }
        let present = |slot: Option<&'a [u8]>, header| {
            let value = slot.ok_or(WebhookError::MissingHeader(header))?;
            std::str::from_utf8(value).map_err(|_| WebhookError::MalformedHeader(header))
        };
        let id = present(id, Header::Id)?;
        let timestamp = present(timestamp, Header::Timestamp)?;
        let signature = present(signature, Header::Signature)?;
        Ok(Self {
            id: id.parse()?,
            timestamp: parse_timestamp(timestamp)
                .ok_or(WebhookError::MalformedHeader(Header::Timestamp))?,
            signatures: parse_signatures(signature)?,
        })
    }

    /// The message's id.
    #[must_use]
    pub const fn message_id(&self) -> &MessageId {
        &self.id
    }

    /// When the delivery attempt was made, by the sender's account, in Unix seconds.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The MACs of scheme `v1`, at least one.
    pub(crate) fn signatures(&self) -> &[[u8; MAC_BYTES]] {
        &self.signatures
    }
}

/// A logged signature could be sent again, so only their number is shown.
impl fmt::Debug for HeaderSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderSet")
            .field("id", &self.id)
            .field("timestamp", &self.timestamp)
            .field("signatures", &self.signatures.len())
            .finish()
    }
}

/// Reads a decimal number that has one spelling: `u64::from_str` alone would take a sign and
/// leading zeros, and two spellings of one time would be two different signed texts.
fn parse_timestamp(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if canonical && digits {
        text.parse().ok()
    } else {
        None
    }
}

fn parse_signatures(text: &str) -> Result<Vec<[u8; MAC_BYTES]>, WebhookError> {
    if text.split(' ').count() > MAX_SIGNATURES {
        return Err(WebhookError::TooManySignatures);
    }
    let mut macs = Vec::with_capacity(1);
    for entry in text.split(' ') {
        let malformed = WebhookError::MalformedHeader(Header::Signature);
        let (version, value) = entry.split_once(',').ok_or(malformed)?;
        if version == "v1" {
            macs.push(parse_mac(value).ok_or(malformed)?);
        } else if !is_version(version) || !is_value(value) {
            return Err(malformed);
        }
    }
    if macs.is_empty() {
        return Err(WebhookError::NoSupportedSignature);
    }
    Ok(macs)
}

fn parse_mac(base64: &str) -> Option<[u8; MAC_BYTES]> {
    if base64.len() != MAC_BASE64 {
        return None;
    }
    // The decoder wants room for whole groups of three bytes.
    let mut buffer = [0; MAC_BYTES + 1];
    let length = STANDARD.decode_slice(base64, &mut buffer).ok()?;
    buffer.get(..length)?.try_into().ok()
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
    use proptest::prelude::*;

    use super::*;

    const MAC: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn collect(id: &[u8], timestamp: &[u8], signature: &[u8]) -> Result<HeaderSet, WebhookError> {
        HeaderSet::collect([
            ("webhook-id", id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signature),
        ])
    }

    #[test]
    fn a_timestamp_has_one_spelling() {
        for (name, text) in [
            ("empty", ""),
            ("plus", "+1614265330"),
            ("minus", "-1614265330"),
            ("leading zero", "01614265330"),
            ("two zeros", "00"),
            ("fraction", "1614265330.0"),
            ("exponent", "1e9"),
            ("underscore", "1_614_265_330"),
            ("trailing junk", "1614265330abc"),
            ("leading space", " 1614265330"),
            ("trailing space", "1614265330 "),
            ("trailing line feed", "1614265330\n"),
            ("hexadecimal", "0x60377b32"),
            ("other digits", "١٦١٤٢٦٥٣٣٠"),
            ("2^64", "18446744073709551616"),
            ("not utf-8", "\u{80}"),
        ] {
            let refused = collect(b"a", text.as_bytes(), MAC.as_bytes()).err();
            let expected = WebhookError::MalformedHeader(Header::Timestamp);
            assert_eq!(refused, Some(expected), "{name}");
        }
        for accepted in ["0", "1", "18446744073709551615"] {
            let set = collect(b"a", accepted.as_bytes(), MAC.as_bytes()).unwrap();
            assert_eq!(set.timestamp().to_string(), accepted);
        }
    }

    #[test]
    fn signatures_are_canonical_and_bounded() {
        let malformed = WebhookError::MalformedHeader(Header::Signature);
        let seventeen = [MAC; 17].join(" ");
        for (name, text, expected) in [
            ("empty", "", malformed),
            ("no comma", "v1", malformed),
            (
                "no version",
                ",g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                malformed,
            ),
            (
                "upper-case version",
                "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                malformed,
            ),
            ("empty mac", "v1,", malformed),
            (
                "no padding",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE",
                malformed,
            ),
            (
                "trailing bits",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=",
                malformed,
            ),
            (
                "url alphabet",
                "v1,g0hM9SsE-OTPJTGt_tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                malformed,
            ),
            (
                "junk inside",
                "v1,g0hM9SsE+OTPJTGt!tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                malformed,
            ),
            (
                "31 bytes",
                "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
                malformed,
            ),
            (
                "33 bytes",
                "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                malformed,
            ),
            ("two spaces", &format!("{MAC}  {MAC}"), malformed),
            ("leading space", &format!(" {MAC}"), malformed),
            ("trailing space", &format!("{MAC} "), malformed),
            ("tab between", &format!("{MAC}\t{MAC}"), malformed),
            (
                "malformed beside good",
                &format!("{MAC} v1,AA=="),
                malformed,
            ),
            (
                "malformed unknown version",
                &format!("{MAC} v1a,"),
                malformed,
            ),
            (
                "only unknown versions",
                "v1a,AAAA v2,BBBB",
                WebhookError::NoSupportedSignature,
            ),
            ("seventeen", &seventeen, WebhookError::TooManySignatures),
            (
                "thirteen hundred empty",
                &" ".repeat(1300),
                WebhookError::TooManySignatures,
            ),
        ] {
            let refused = collect(b"a", b"1", text.as_bytes()).err();
            assert_eq!(refused, Some(expected), "{name}");
        }
        let sixteen = [MAC; 16].join(" ");
        let set = collect(b"a", b"1", sixteen.as_bytes()).unwrap();
        assert_eq!(set.signatures().len(), 16);
        let mixed = collect(b"a", b"1", format!("v1a,xyz {MAC}").as_bytes()).unwrap();
        assert_eq!(mixed.signatures().len(), 1);
    }

    #[test]
    fn each_header_stands_exactly_once() {
        let all = [
            ("Webhook-ID", "a"),
            ("WEBHOOK-TIMESTAMP", "1"),
            ("webhook-signature", MAC),
        ];
        let bytes = |(name, value): (&'static str, &'static str)| (name, value.as_bytes());
        assert!(HeaderSet::collect(all.map(bytes)).is_ok());
        for (position, header) in Header::ALL.into_iter().enumerate() {
            let others = all.iter().enumerate().filter(|(at, _)| *at != position);
            let refused = HeaderSet::collect(others.map(|(_, pair)| bytes(*pair))).err();
            assert_eq!(refused, Some(WebhookError::MissingHeader(header)));
            let doubled = all.into_iter().chain([all[position]]);
            let refused = HeaderSet::collect(doubled.map(bytes)).err();
            assert_eq!(refused, Some(WebhookError::DuplicateHeader(header)));
        }
    }

    #[test]
    fn the_three_headers_are_bounded_together() {
        let names: usize = Header::ALL.iter().map(|header| header.as_str().len()).sum();
        let filler = "x".repeat(MAX_HEADER_BYTES - names - 2 - MAC.len() - " v9,".len());
        let fits = format!("{MAC} v9,{filler}");
        assert!(collect(b"a", b"1", fits.as_bytes()).is_ok());
        let over = collect(b"a", b"1", format!("{fits}x").as_bytes()).err();
        assert_eq!(over, Some(WebhookError::HeadersTooLarge));
        // What is not ours is not counted.
        let cookie = vec![b'x'; 1 << 16];
        let ours = [("webhook-id", b"a".as_slice()), ("webhook-timestamp", b"1")];
        let mut all = vec![
            ("cookie", cookie.as_slice()),
            ("webhook-signature", MAC.as_bytes()),
        ];
        all.extend(ours);
        assert!(HeaderSet::collect(all).is_ok());
    }

    #[test]
    fn debug_shows_no_signature() {
        let set = collect(b"msg_1", b"7", MAC.as_bytes()).unwrap();
        let shown = r#"HeaderSet { id: MessageId(msg_1), timestamp: 7, signatures: 1 }"#;
        assert_eq!(format!("{set:?}"), shown);
    }

    proptest! {
        #[test]
        fn collecting_never_panics(
            id in prop::collection::vec(any::<u8>(), 0..300),
            timestamp in prop::collection::vec(any::<u8>(), 0..30),
            signature in "(v1,)?[ -~]{0,100}",
        ) {
            let _ = collect(&id, &timestamp, signature.as_bytes());
        }

        #[test]
        fn an_accepted_timestamp_is_its_own_text(text in "[0-9+]{1,21}") {
            if let Some(value) = parse_timestamp(&text) {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
