//! The headers of a received message, parsed and bounded.

use std::fmt;

use crate::signatures::{self, Signatures};
use crate::{Header, MessageId, Scheme, WebhookError};

/// The longest that names and values of a scheme's headers may be together, in bytes.
pub const MAX_HEADER_BYTES: usize = 4096;

/// The most signatures that one message may carry, of whatever version.
pub const MAX_SIGNATURES: usize = 16;

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
    scheme: Scheme,
    id: Option<MessageId>,
    timestamp: u64,
    signatures: Signatures,
}

/// The values of the wanted headers of a request.
pub(crate) struct Picked<'a, const N: usize> {
    wanted: [Header; N],
    values: [Option<&'a [u8]>; N],
}

impl HeaderSet {
    /// Picks the three headers of Standard Webhooks out of a request's, whatever the case of their
    /// names.
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
        Self::collect_as(Scheme::Standard, headers)
    }

    /// Picks the headers of a scheme out of a request's.
    ///
    /// # Errors
    /// Those of [`collect`](Self::collect), for the scheme's headers.
    pub fn collect_as<'a>(
        scheme: Scheme,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, WebhookError> {
        match scheme {
            Scheme::Standard => {
                let names = [Header::Id, Header::Timestamp, Header::Signature];
                Self::standard(scheme, &Picked::pick(names, headers)?, names)
            }
            Scheme::Svix => {
                let svix = [Header::SvixId, Header::SvixTimestamp, Header::SvixSignature];
                let plain = [Header::Id, Header::Timestamp, Header::Signature];
                let [a, b, c] = svix;
                let [d, e, f] = plain;
                let picked = Picked::pick([a, b, c, d, e, f], headers)?;
                // Half of one set is never completed from the other.
                let names = if picked.any(&svix) { svix } else { plain };
                Self::standard(scheme, &picked, names)
            }
            Scheme::Stripe => {
                let picked = Picked::pick([Header::StripeSignature], headers)?;
                let (timestamp, signatures) =
                    Signatures::stripe(picked.text(Header::StripeSignature)?)?;
                Ok(Self {
                    scheme,
                    id: None,
                    timestamp,
                    signatures,
                })
            }
            Scheme::Slack => {
                let names = [Header::SlackTimestamp, Header::SlackSignature];
                let picked = Picked::pick(names, headers)?;
                let timestamp = picked.text(Header::SlackTimestamp)?;
                let signature = picked.text(Header::SlackSignature)?;
                Ok(Self {
                    scheme,
                    id: None,
                    timestamp: signatures::timestamp(timestamp)
                        .ok_or(WebhookError::MalformedHeader(Header::SlackTimestamp))?,
                    signatures: Signatures::slack(signature)?,
                })
            }
        }
    }

    fn standard<const N: usize>(
        scheme: Scheme,
        picked: &Picked<'_, N>,
        [id, timestamp, signature]: [Header; 3],
    ) -> Result<Self, WebhookError> {
        // All three are there before any is parsed.
        let texts = (
            picked.text(id)?,
            picked.text(timestamp)?,
            picked.text(signature)?,
        );
        let malformed = |_| WebhookError::MalformedHeader(id);
        Ok(Self {
            scheme,
            id: Some(texts.0.parse().map_err(malformed)?),
            timestamp: signatures::timestamp(texts.1)
                .ok_or(WebhookError::MalformedHeader(timestamp))?,
            signatures: Signatures::standard(texts.2, signature)?,
        })
    }

    /// The scheme whose headers these are.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The message's id, where the scheme sends one.
    #[must_use]
    pub const fn message_id(&self) -> Option<&MessageId> {
        self.id.as_ref()
    }

    /// When the delivery attempt was made, by the sender's account, in Unix seconds.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// What there is to compare with.
    pub(crate) const fn signatures(&self) -> &Signatures {
        &self.signatures
    }
}

impl<'a, const N: usize> Picked<'a, N> {
    pub(crate) fn pick(
        wanted: [Header; N],
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, WebhookError> {
        let mut values = [None; N];
        let mut total: usize = 0;
        for (name, value) in headers {
            let mut slots = wanted.iter().zip(&mut values);
            let known = slots.find(|(header, _)| header.as_str().eq_ignore_ascii_case(name));
            let Some((header, slot)) = known else {
                continue;
            };
            total = total.saturating_add(name.len()).saturating_add(value.len());
            if total > MAX_HEADER_BYTES {
                return Err(WebhookError::HeadersTooLarge);
            }
            if slot.replace(value).is_some() {
                return Err(WebhookError::DuplicateHeader(*header));
            }
        }
        Ok(Self { wanted, values })
    }

    /// A header's value, if it is there.
    pub(crate) fn value(&self, header: Header) -> Option<&'a [u8]> {
        let mut all = self.wanted.iter().zip(&self.values);
        all.find(|(wanted, _)| **wanted == header)
            .and_then(|(_, value)| *value)
    }

    /// The text of a header that must be there.
    pub(crate) fn text(&self, header: Header) -> Result<&'a str, WebhookError> {
        let value = self.value(header);
        let value = value.ok_or(WebhookError::MissingHeader(header))?;
        std::str::from_utf8(value).map_err(|_| WebhookError::MalformedHeader(header))
    }

    fn any(&self, headers: &[Header]) -> bool {
        headers.iter().any(|header| self.value(*header).is_some())
    }
}

/// A logged signature could be sent again, so only their number is shown.
impl fmt::Debug for HeaderSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderSet")
            .field("scheme", &self.scheme)
            .field("id", &self.id)
            .field("timestamp", &self.timestamp)
            .field("signatures", &self.signatures.count())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [Header; 3] = [Header::Id, Header::Timestamp, Header::Signature];
    const ED25519: &str = concat!(
        "v1a,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA==",
    );
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
                &format!("{MAC} v2,"),
                malformed,
            ),
            (
                "v1a of 63 bytes",
                &ED25519.replacen("AAAA", "", 1),
                malformed,
            ),
            (
                "v1a without padding",
                ED25519.trim_end_matches('='),
                malformed,
            ),
            (
                "v1a with trailing bits",
                &ED25519.replace("A==", "B=="),
                malformed,
            ),
            ("v1a beside good", &format!("{MAC} v1a,AAAA"), malformed),
            (
                "only unknown versions",
                "v0,AAAA v2,BBBB",
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
        assert_eq!(set.signatures().count(), 16);
        let mixed = format!("v2,xyz {MAC} {ED25519}");
        let mixed = collect(b"a", b"1", mixed.as_bytes()).unwrap();
        assert_eq!(
            (
                mixed.signatures().macs.len(),
                mixed.signatures().ed25519.len()
            ),
            (1, 1)
        );
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
        for (position, header) in NAMES.into_iter().enumerate() {
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
        let names: usize = NAMES.iter().map(|header| header.as_str().len()).sum();
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
        let shown = "HeaderSet { scheme: Standard, id: Some(MessageId(msg_1)), timestamp: 7, \
                     signatures: 1 }";
        assert_eq!(format!("{set:?}"), shown);
    }

    fn named(scheme: Scheme, headers: &[(&str, &str)]) -> Result<HeaderSet, WebhookError> {
        let pairs = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()));
        HeaderSet::collect_as(scheme, pairs)
    }

    #[test]
    fn svix_takes_its_own_names_or_the_plain_ones_and_never_some_of_each() {
        let svix = [
            ("svix-id", "a"),
            ("Svix-Timestamp", "1"),
            ("svix-signature", MAC),
        ];
        let plain = [
            ("webhook-id", "b"),
            ("webhook-timestamp", "2"),
            ("webhook-signature", MAC),
        ];
        let time = |headers: &[_]| named(Scheme::Svix, headers).map(|set| set.timestamp());
        assert_eq!(time(&svix), Ok(1));
        assert_eq!(time(&plain), Ok(2));
        assert_eq!(time(&[plain, svix].concat()), Ok(1));
        let missing = Err(WebhookError::MissingHeader(Header::SvixSignature));
        assert_eq!(time(&[&svix[..2], &plain[..]].concat()), missing);
        let missing = Err(WebhookError::MissingHeader(Header::Id));
        assert_eq!(time(&[]), missing);
        let doubled = Err(WebhookError::DuplicateHeader(Header::SvixId));
        assert_eq!(time(&[&svix[..], &svix[..1]].concat()), doubled);
        let malformed = Err(WebhookError::MalformedHeader(Header::SvixTimestamp));
        assert_eq!(
            time(&[svix[0], ("svix-timestamp", "01"), svix[2]]),
            malformed
        );
        let malformed = Err(WebhookError::MalformedHeader(Header::SvixId));
        assert_eq!(time(&[("svix-id", "a.b"), svix[1], svix[2]]), malformed);
        // To a receiver of Standard Webhooks, Svix's own names are nobody's.
        let missing = Some(WebhookError::MissingHeader(Header::Id));
        assert_eq!(named(Scheme::Standard, &svix).err(), missing);
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
        fn collecting_for_any_scheme_never_panics(
            at in "[0-9+]{0,3}[ -~]{0,10}",
            list in "(t=1)?(,?v[01]a?=?[0-9a-f,]{0,66}){0,3}",
        ) {
            for scheme in [Scheme::Standard, Scheme::Svix, Scheme::Stripe, Scheme::Slack] {
                let _ = named(scheme, &[
                    ("svix-id", "a"), ("svix-timestamp", &at), ("svix-signature", &list),
                    ("webhook-id", "a"), ("webhook-timestamp", &at), ("webhook-signature", &list),
                    ("stripe-signature", &list),
                    ("x-slack-request-timestamp", &at), ("x-slack-signature", &list),
                ]);
            }
        }

        #[test]
        fn an_accepted_timestamp_is_its_own_text(text in "[0-9+]{1,21}") {
            if let Some(value) = signatures::timestamp(&text) {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
