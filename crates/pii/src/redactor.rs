//! Redaction: a policy applied to the texts of one request or conversation.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

use crate::engine::{Floors, Taken};
use crate::operator::masked;
use crate::policy::Decision;
use crate::redaction::Position;
use crate::stream::{Part, Scanner};
use crate::vault::{Binding, Vault};
use crate::{
    Blocked, Channel, Class, Confidence, Finding, Mode, Operator, Policy, RedactError, Redaction,
    Token,
};

/// The key of the operator `hmac`: 32 random bytes, one for each tenant.
///
/// # Security
/// Whoever holds it can try values: identity numbers and telephones are few enough to try all.
pub struct LinkingKey(Zeroizing<[u8; 32]>);

impl LinkingKey {
    /// Takes the key's bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The first 64 bits of HMAC-SHA-256 over tenant, class and value, each with its length.
    fn code(&self, tenant: &TenantId, class: &Class, value: &str) -> String {
        // A key shorter than a block is one with zeros behind (RFC 2104, section 2).
        let mut block = Zeroizing::new([0; 64]);
        for (slot, byte) in block.iter_mut().zip(self.0.iter()) {
            *slot = *byte;
        }
        let mut mac = Hmac::<Sha256>::new((&*block).into());
        mac.update(b"strongroom pii link v1\0");
        for part in [tenant.to_string().as_str(), class.id(), value] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let code = mac.finalize().into_bytes();
        hex::encode_upper(code.get(..8).unwrap_or_default())
    }
}

impl fmt::Debug for LinkingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkingKey")
    }
}

/// Applies a policy to the texts of one request or conversation, whole or in pieces.
///
/// The same value has the same number and the same token in each of its texts.
///
/// ```
/// use strongroom_pii::{Channel, MemoryVault, Policy, Redactor};
/// use strongroom_tenancy::TenantId;
///
/// let policy = Policy::from_toml(r#"
/// version = 1
/// [[rules]]
/// tenant = "*"
/// class = "contact.email"
/// channel = "prompt"
/// mode = "reversible"
/// "#)?;
/// let vault = MemoryVault::new();
/// let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Prompt).with_vault(&vault);
/// let first = redactor.redact("mail ann@example.com")?;
/// let second = redactor.redact("again: ann@example.com")?;
/// assert_eq!(first.text.get(5..), second.text.get(7..));
/// assert_eq!(vault.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Redactor<'p> {
    policy: &'p Policy,
    tenant: TenantId,
    channel: Channel,
    vault: Option<&'p dyn Vault>,
    linking: Option<&'p LinkingKey>,
    random: fn(&mut [u8]) -> Result<(), RedactError>,
    verdicts: Vec<Decision>,
    floors: Floors,
    /// What stands for a value already, by its class and digest.
    known: BTreeMap<(Class, [u8; 32]), String>,
    numbers: BTreeMap<Class, usize>,
    minted: Vec<(Class, Token)>,
}

impl<'p> Redactor<'p> {
    /// A redactor for one tenant and channel, without vault and linking key.
    #[must_use]
    pub fn new(policy: &'p Policy, tenant: &TenantId, channel: Channel) -> Self {
        let classes = policy.detector().classes();
        let verdicts: Vec<Decision> = classes
            .map(|class| policy.decision(tenant, channel, &class))
            .collect();
        let floors = Floors::each(verdicts.iter().map(Decision::floor).collect());
        Self {
            policy,
            tenant: *tenant,
            channel,
            vault: None,
            linking: None,
            random: |bytes| getrandom::fill(bytes).map_err(|_| RedactError::Randomness),
            verdicts,
            floors,
            known: BTreeMap::new(),
            numbers: BTreeMap::new(),
            minted: Vec::new(),
        }
    }

    /// With a vault, which reversible rules need.
    #[must_use]
    pub fn with_vault(mut self, vault: &'p dyn Vault) -> Self {
        self.vault = Some(vault);
        self
    }

    /// With a key, which the operator `hmac` needs.
    #[must_use]
    pub fn with_linking_key(mut self, key: &'p LinkingKey) -> Self {
        self.linking = Some(key);
        self
    }

    /// With random bytes from elsewhere than the operating system.
    ///
    /// # Security
    /// They must come from a cryptographically secure generator: tokens must not be guessed.
    #[must_use]
    pub fn with_random(mut self, random: fn(&mut [u8]) -> Result<(), RedactError>) -> Self {
        self.random = random;
        self
    }

    /// The tokens that stand for values in the vault, with their classes, in the order in which
    /// they were made.
    #[must_use]
    pub fn minted(&self) -> &[(Class, Token)] {
        &self.minted
    }

    /// Redacts a whole text.
    ///
    /// # Errors
    /// [`RedactError`]; the text must then go nowhere.
    pub fn redact(&mut self, text: &str) -> Result<Redaction, RedactError> {
        let mut stream = self.stream();
        let mut redacted = String::with_capacity(text.len());
        let findings = stream.finish_with(text, &mut redacted)?;
        Ok(Redaction {
            text: redacted,
            findings,
            policy_hash: self.policy.hash(),
        })
    }

    /// Redacts a value that has a name: the member of an object, the column of a table. The name is
    /// read as words before the value, and is no part of what comes out.
    ///
    /// # Errors
    /// [`RedactError`]; the value must then go nowhere.
    pub fn redact_named(&mut self, name: &str, value: &str) -> Result<Redaction, RedactError> {
        let mut stream = self.stream();
        stream.scanner.name(name);
        let mut redacted = String::with_capacity(value.len());
        let findings = stream.finish_with(value, &mut redacted)?;
        Ok(Redaction {
            text: redacted,
            findings,
            policy_hash: self.policy.hash(),
        })
    }

    pub(crate) fn policy_hash(&self) -> [u8; 32] {
        self.policy.hash()
    }

    /// Begins a text that comes in pieces.
    pub fn stream(&mut self) -> RedactionStream<'_, 'p> {
        RedactionStream {
            // The scanner reads floors that do not change; they are shared, not borrowed from what
            // the sink writes to.
            scanner: Scanner::new(&self.policy.detector().engine, self.floors.clone()),
            redactor: self,
            position: Position::default(),
            findings: Vec::new(),
            failed: None,
        }
    }

    /// What stands in the place of a value.
    fn replacement(
        &mut self,
        class: &Class,
        operator: Operator,
        mode: Mode,
        value: &str,
    ) -> Result<String, RedactError> {
        if operator == Operator::Label {
            return Ok(class.placeholder());
        }
        if let Operator::Mask { keep } = operator {
            return Ok(masked(class, value, keep));
        }
        let digest: [u8; 32] = Sha256::digest(value.as_bytes()).into();
        let key = (class.clone(), digest);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let replacement = match operator {
            Operator::Number => {
                let number = self.numbers.entry(class.clone()).or_default();
                *number += 1;
                format!("[{}_{number}]", class.label())
            }
            Operator::Hmac => {
                let linking = self.linking.ok_or(RedactError::NoLinkingKey)?;
                format!(
                    "[{}#{}]",
                    class.label(),
                    linking.code(&self.tenant, class, value)
                )
            }
            _ => {
                let mut random = [0; Token::RANDOM];
                (self.random)(&mut random)?;
                let token = Token::from_random(class, &random);
                if mode == Mode::Reversible {
                    let binding = Binding {
                        tenant: self.tenant,
                        class: class.clone(),
                        channel: self.channel,
                        token: token.clone(),
                    };
                    let vault = self.vault.ok_or(RedactError::NoVault)?;
                    vault.keep(&binding, &SecretString::from(value.to_owned()))?;
                    self.minted.push((class.clone(), token.clone()));
                }
                token.to_string()
            }
        };
        self.known.insert(key, replacement.clone());
        Ok(replacement)
    }

    fn verdict(&self, taken: &Taken) -> Decision {
        let index = Floors::index(taken.class);
        self.verdicts.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Redactor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("policy", &self.policy)
            .field("tenant", &self.tenant)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// A text that comes in pieces, redacted as it would be whole: what comes out, put together, is
/// byte for byte the same however the text was cut.
///
/// What may still become part of a value is held back: the word that goes on and the two before
/// it, and what has begun like a value until it is known to be none, 256 bytes at most. Text in
/// which nothing begins is handed on with the next word.
///
/// ```
/// use strongroom_pii::{Channel, Policy, Redactor};
/// use strongroom_tenancy::TenantId;
///
/// let policy = Policy::strict();
/// let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Output);
/// let mut stream = redactor.stream();
/// let mut out = String::new();
/// for piece in ["Write to jo", "hn@exam", "ple.com", " today."] {
///     stream.push(piece, &mut out)?;
/// }
/// let findings = stream.finish(&mut out)?;
/// assert_eq!(out, "Write to [EMAIL] today.");
/// assert_eq!(findings[0].span.bytes, 9..25);
/// # Ok::<(), strongroom_pii::RedactError>(())
/// ```
pub struct RedactionStream<'r, 'p> {
    redactor: &'r mut Redactor<'p>,
    scanner: Scanner<'p>,
    position: Position,
    findings: Vec<Finding>,
    failed: Option<RedactError>,
}

impl RedactionStream<'_, '_> {
    /// Takes the next piece; what is decided is added to `out`.
    ///
    /// # Errors
    /// [`RedactError`], and again at each later call: the rest of the text must go nowhere.
    pub fn push(&mut self, piece: &str, out: &mut String) -> Result<(), RedactError> {
        self.run(Some(piece), false, out)
    }

    /// Takes what was found so far and goes on no further; what is found later is taken later. For texts
    /// of any length: the rest is kept until then.
    ///
    /// ```
    /// use strongroom_pii::{Channel, Policy, Redactor};
    /// use strongroom_tenancy::TenantId;
    ///
    /// let policy = Policy::strict();
    /// let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Log);
    /// let mut stream = redactor.stream();
    /// let mut out = String::new();
    /// stream.push("ann@example.com was here, and bob@example.com ", &mut out)?;
    /// assert_eq!(stream.take_findings().len(), 1);
    /// assert_eq!(stream.finish(&mut out)?.len(), 1);
    /// # Ok::<(), strongroom_pii::RedactError>(())
    /// ```
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let open = usize::from(self.scanner.in_region());
        let known = self.findings.len().saturating_sub(open);
        self.findings.drain(..known).collect()
    }

    /// Ends the text: what was held back is added to `out`. Returns everything that was found and not
    /// taken before.
    ///
    /// # Errors
    /// [`RedactError`].
    pub fn finish(mut self, out: &mut String) -> Result<Vec<Finding>, RedactError> {
        self.run(None, true, out)?;
        Ok(std::mem::take(&mut self.findings))
    }

    fn finish_with(&mut self, text: &str, out: &mut String) -> Result<Vec<Finding>, RedactError> {
        self.run(Some(text), true, out)?;
        Ok(std::mem::take(&mut self.findings))
    }

    fn run(&mut self, piece: Option<&str>, end: bool, out: &mut String) -> Result<(), RedactError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let Self {
            redactor,
            scanner,
            position,
            findings,
            failed,
        } = self;
        let mut sink = |part: Part<'_>| {
            if failed.is_some() {
                return;
            }
            match part {
                Part::Plain(text) => {
                    position.read(text);
                    out.push_str(text);
                }
                Part::Longer(text) => {
                    let span = position.read(text);
                    if let Some(last) = findings.last_mut() {
                        last.span.extend(&span);
                    }
                }
                Part::Found(taken, value) => {
                    let span = position.read(value);
                    match decide(redactor, taken, value, out) {
                        Ok(Some(mut finding)) => {
                            finding.span = span;
                            findings.push(finding);
                        }
                        Ok(None) => {}
                        Err(error) => *failed = Some(error),
                    }
                }
            }
        };
        match (piece, end) {
            (Some(text), true) => scanner.whole(text, &mut sink),
            (Some(text), false) => scanner.push(text, &mut sink),
            (None, _) => scanner.finish(&mut sink),
        }
        self.failed.clone().map_or(Ok(()), Err)
    }
}

/// Applies the deciding rule to what was found; `None` when it is as if it had not been found.
fn decide(
    redactor: &mut Redactor<'_>,
    taken: &Taken,
    value: &str,
    out: &mut String,
) -> Result<Option<Finding>, RedactError> {
    let detector = redactor.policy.detector();
    let Some(class) = detector.class(taken) else {
        return Ok(None);
    };
    let verdict = redactor.verdict(taken);
    let mode = if detector.allows(value) {
        Mode::Off
    } else {
        verdict.mode
    };
    let operator = match mode {
        Mode::Block => {
            return Err(RedactError::Blocked(Blocked {
                class,
                channel: redactor.channel,
            }));
        }
        Mode::Off => {
            out.push_str(value);
            return Ok(None);
        }
        Mode::FlagOnly => None,
        // What has no bound is never held as a whole: its label has to do.
        Mode::Strict | Mode::Reversible if taken.unbounded => Some(Operator::Label),
        Mode::Strict | Mode::Reversible => Some(verdict.operator),
    };
    match operator {
        None => out.push_str(value),
        Some(operator) => out.push_str(&redactor.replacement(&class, operator, mode, value)?),
    }
    Ok(Some(Finding {
        class,
        span: Position::default().read(""),
        confidence: Confidence::of_log_odds(taken.tenths),
        evidence: taken.evidence,
        action: mode,
        operator,
        rule: verdict.rule,
    }))
}
