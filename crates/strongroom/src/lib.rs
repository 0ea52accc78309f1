//! The Strongroom family of security primitives, one module behind one feature each.
//!
//! Only [`tenancy`], the shared vocabulary, is always there; nothing else is on by default, and
//! `full` turns everything on. Each module is a crate of its own, `strongroom-<feature>`, with its
//! format specified under `docs/spec`.
//!
//! | feature | module | what it is for |
//! |---|---|---|
//! | | [`tenancy`] | tenants, actors, request ids, capabilities that only narrow |
//! | `envelope` | `envelope` | records sealed under a tenant's key, with a pluggable KMS |
//! | `auditchain` | `auditchain` | a tamper-evident log, its checkpoints, proofs and receipts |
//! | `webhook-sig` | `webhook_sig` | webhooks signed and verified by Standard Webhooks |
//! | `apikey` | `apikey` | API keys, shown once and stored hashed |
//! | `pii` | `pii` | personal data found, and taken out under a policy |
//! | `llm-wire` | `llm_wire` | chat completions redacted in place |
//! | `tenant-token` | `tenant_token` | access tokens that carry a tenant |
//! | `rls` | `rls` | a tenant claim that PostgreSQL verifies itself |
//!
//! # Tenancy
//! ```
//! use strongroom::tenancy::{Capability, CapabilitySet, Role};
//!
//! let asked: CapabilitySet = "chat:create audit:read".parse()?;
//! let granted = Role::Member.capabilities().narrowed_to(&asked);
//! assert!(granted.contains(Capability::ChatCreate));
//! assert!(!granted.contains(Capability::AuditRead));
//! # Ok::<(), strongroom::tenancy::CapabilityError>(())
//! ```
//!
//! # Envelope
//! ```
//! use strongroom::envelope::{
//!     EncryptionContext, KeyAdmin, KeyRef, LocalKms, Recipient, open, seal,
//! };
//! use strongroom::tenancy::TenantId;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("keys");
//! # pollster::block_on(async {
//! let kms = LocalKms::create(&path)?;
//! let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let key: KeyRef = "root".parse()?;
//! kms.create(&tenant, &key).await?;
//!
//! let context = EncryptionContext::new([("purpose", "provider-credential")])?;
//! let root = [Recipient::new(&kms, &key)];
//! let sealed = seal(&root, &tenant, &context, b"sk-example").await?;
//! let opened = open(&root, &tenant, &context, &sealed).await?;
//! assert_eq!(opened.as_slice(), b"sk-example");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Auditchain
//! ```
//! use strongroom::auditchain::{Checkpoint, Ed25519Signer, Frontier, Hash, Origin};
//!
//! let origin: Origin = "audit.example.com/t/acme".parse()?;
//! let signer = Ed25519Signer::generate(origin.as_str())?;
//! let leaves = [Hash::of_leaf(b"a"), Hash::of_leaf(b"b")];
//! let (log, proofs) = Frontier::new().append_batch(&leaves);
//! let note = Checkpoint { origin: origin.clone(), size: log.size(), root: log.root() }.sign(&signer)?;
//!
//! let signed = Checkpoint::verify(&note, signer.verifier_key(), &origin)?;
//! proofs[1].verify(&leaves[1], &signed.root)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Webhook-sig
//! ```
//! use strongroom::webhook_sig::{HeaderSet, SigningSecret, Verifier, WebhookError, sign};
//!
//! let secret = SigningSecret::generate()?;
//! let sent = sign(&secret, &"msg_1".parse()?, 1_800_000_000, b"{}").headers();
//!
//! let headers = HeaderSet::collect(sent.iter().map(|(name, value)| (*name, value.as_bytes())))?;
//! let verifier = Verifier::new(vec![secret])?;
//! assert!(verifier.verify(&headers, b"{}", 1_800_000_010).is_ok());
//! assert_eq!(verifier.verify(&headers, b"{}", 1_800_000_301), Err(WebhookError::TooOld));
//! # Ok::<(), WebhookError>(())
//! ```
//!
//! # Apikey
//! ```
//! use strongroom::apikey::{ApiKey, Environment, KeyRecord};
//! use strongroom::tenancy::{CapabilitySet, Role};
//!
//! let key = ApiKey::generate(&"cust".parse()?, Environment::Live)?;
//! let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let asked: CapabilitySet = "chat:create".parse()?;
//! let record = KeyRecord::issue(&key, tenant, asked, &Role::Member.capabilities(), None)?;
//!
//! let presented: ApiKey = key.expose().parse()?;
//! assert_eq!(record.authenticate(&presented, 1_800_000_000)?.tenant(), &tenant);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Pii
//! ```
//! use strongroom::pii::{Channel, Policy};
//! use strongroom::tenancy::TenantId;
//!
//! let text = "My email is john@example.com and SSN is 123-45-6789";
//! let redacted = Policy::strict().redact(&TenantId::PLATFORM, Channel::Prompt, text)?;
//! assert_eq!(redacted.text, "My email is [EMAIL] and SSN is [US_SSN]");
//! # Ok::<(), strongroom::pii::RedactError>(())
//! ```
//!
//! # Llm-wire
//! ```
//! use strongroom::{llm_wire::ChatRequest, pii::Policy, tenancy::TenantId};
//!
//! let body = br#"{"model":"small","messages":[{"role":"user","content":"I am john@example.com"}]}"#;
//! let redacted = ChatRequest::parse(body)?.redact(&Policy::strict(), &TenantId::PLATFORM)?;
//! assert!(String::from_utf8(redacted.upstream_body())?.contains("I am [EMAIL]"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Tenant-token
//! ```
//! use strongroom::tenancy::Actor;
//! use strongroom::tenant_token::{Authentication, Claims, JwkSet, SigningKey, Verifier, mint};
//!
//! let key = SigningKey::generate()?;
//! let claims = Claims {
//!     issuer: "https://id.example.com".to_owned(),
//!     audience: "https://api.example.com".to_owned(),
//!     tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
//!     actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?),
//!     capabilities: "chat:create".parse()?,
//!     issued_at: 1_800_000_000,
//!     expires_at: 1_800_000_900,
//!     token_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120004".parse()?,
//!     session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse()?,
//!     client_id: "console".to_owned(),
//!     authentication: Authentication::at(1_800_000_000),
//!     epoch: 0,
//! };
//! let token = mint(&key, &claims)?;
//!
//! let keys = JwkSet::of(&[key.public_key()]);
//! let verifier = Verifier::new("https://id.example.com", "https://api.example.com", keys);
//! assert_eq!(verifier.verify(&token, 1_800_000_010)?.claims(), &claims);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rls
//! ```
//! use strongroom::rls::{Backend, ClaimKey, ClaimRequest, Names};
//!
//! let key = ClaimKey::generate("k1".parse()?)?;
//! let claim = key.mint(&ClaimRequest {
//!     tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
//!     actor: "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?,
//!     backend: Backend::Pid(4242),
//!     now: 1_800_000_000,
//!     lifetime: 60,
//! })?;
//! // The statement's one parameter is `claim.expose()`.
//! assert!(Names::default().set_claim_sql().contains("$1"));
//! # assert_eq!(claim.expires_at(), 1_800_000_060);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "apikey")]
pub use strongroom_apikey as apikey;
#[cfg(feature = "auditchain")]
pub use strongroom_auditchain as auditchain;
#[cfg(feature = "envelope")]
pub use strongroom_envelope as envelope;
#[cfg(feature = "llm-wire")]
pub use strongroom_llm_wire as llm_wire;
#[cfg(feature = "pii")]
pub use strongroom_pii as pii;
#[cfg(feature = "rls")]
pub use strongroom_rls as rls;
pub use strongroom_tenancy as tenancy;
#[cfg(feature = "tenant-token")]
pub use strongroom_tenant_token as tenant_token;
#[cfg(feature = "webhook-sig")]
pub use strongroom_webhook_sig as webhook_sig;
