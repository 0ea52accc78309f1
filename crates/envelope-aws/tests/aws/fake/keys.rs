//! The fake's keys: their states, aliases and ciphertexts.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_envelope::Dek;
use uuid::Uuid;

/// The types of error that AWS KMS answers with.
type Answer = Result<Value, &'static str>;

const ACCOUNT: &str = "111122223333";

pub(super) struct Keys {
    region: String,
    keys: Vec<Key>,
    aliases: BTreeMap<String, usize>,
}

struct Key {
    id: String,
    arn: String,
    state: &'static str,
    deletion: Option<f64>,
    /// One key for each rotation, the last of which encrypts.
    material: Vec<[u8; 32]>,
}

impl Keys {
    pub(super) fn new(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            keys: Vec::new(),
            aliases: BTreeMap::new(),
        }
    }

    pub(super) fn states(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.state).collect()
    }

    pub(super) fn act(&mut self, action: &str, asked: &Value) -> Answer {
        match action {
            "CreateKey" => Ok(json!({ "KeyMetadata": self.create().metadata() })),
            "CreateAlias" => self.create_alias(asked),
            "DescribeKey" => {
                let key = self.named(asked, "KeyId", true)?;
                Ok(json!({ "KeyMetadata": self.keys[key].metadata() }))
            }
            "Encrypt" => self.encrypt(asked),
            "Decrypt" => self.decrypt(asked),
            "ReEncrypt" => self.re_encrypt(asked),
            "RotateKeyOnDemand" => {
                let key = self.usable(asked, "KeyId", false)?;
                self.keys[key].material.push(random());
                Ok(json!({ "KeyId": self.keys[key].id }))
            }
            "DisableKey" => self.set_state(asked, "Disabled"),
            "EnableKey" => self.set_state(asked, "Enabled"),
            "ScheduleKeyDeletion" => self.schedule(asked),
            _ => Err("UnknownOperationException"),
        }
    }

    fn create(&mut self) -> &Key {
        let id = Uuid::from_slice(&random()[..16]).unwrap().to_string();
        let arn = format!("arn:aws:kms:{}:{ACCOUNT}:key/{id}", self.region);
        self.keys.push(Key {
            id,
            arn,
            state: "Enabled",
            deletion: None,
            material: vec![random()],
        });
        self.keys.last().unwrap()
    }

    fn create_alias(&mut self, asked: &Value) -> Answer {
        let name = text(asked, "AliasName")?;
        let safe = |b: u8| b.is_ascii_alphanumeric() || b"/_-".contains(&b);
        let rest = name.strip_prefix("alias/").unwrap_or_default();
        if rest.is_empty() || rest.starts_with("aws/") || !rest.bytes().all(safe) {
            return Err("InvalidAliasNameException");
        }
        if name.len() > 256 {
            return Err("ValidationException");
        }
        let key = self.named(asked, "TargetKeyId", false)?;
        self.keys[key].not_pending()?;
        if self.aliases.contains_key(name) {
            return Err("AlreadyExistsException");
        }
        self.aliases.insert(name.to_owned(), key);
        Ok(json!({}))
    }

    /// Finds a key by what the request calls it. Only some actions take aliases.
    fn named(&self, asked: &Value, field: &str, by_alias: bool) -> Result<usize, &'static str> {
        let name = text(asked, field)?;
        let by_id = |key: &Key| key.id == name || key.arn == name;
        let alias = || self.aliases.get(name).copied().filter(|_| by_alias);
        let key = self.keys.iter().position(by_id).or_else(alias);
        key.ok_or("NotFoundException")
    }

    /// Finds a key that may do cryptography.
    fn usable(&self, asked: &Value, field: &str, by_alias: bool) -> Result<usize, &'static str> {
        let key = self.named(asked, field, by_alias)?;
        match self.keys[key].state {
            "Enabled" => Ok(key),
            "Disabled" => Err("DisabledException"),
            _ => Err("KMSInvalidStateException"),
        }
    }

    fn encrypt(&self, asked: &Value) -> Answer {
        let key = self.usable(asked, "KeyId", true)?;
        let plaintext = bytes(asked, "Plaintext")?;
        let blob = self.keys[key].seal(plaintext, &asked["EncryptionContext"]);
        Ok(json!({ "KeyId": self.keys[key].arn, "CiphertextBlob": STANDARD.encode(blob) }))
    }

    fn decrypt(&self, asked: &Value) -> Answer {
        let (key, plaintext) = self.opened(asked, "KeyId", "EncryptionContext")?;
        Ok(json!({ "KeyId": self.keys[key].arn, "Plaintext": STANDARD.encode(plaintext) }))
    }

    fn re_encrypt(&self, asked: &Value) -> Answer {
        let (from, plaintext) = self.opened(asked, "SourceKeyId", "SourceEncryptionContext")?;
        let to = self.usable(asked, "DestinationKeyId", true)?;
        let blob = self.keys[to].seal(plaintext, &asked["DestinationEncryptionContext"]);
        Ok(json!({
            "KeyId": self.keys[to].arn,
            "SourceKeyId": self.keys[from].arn,
            "CiphertextBlob": STANDARD.encode(blob),
        }))
    }

    /// A ciphertext says which key it is under; one that the request names must be that one.
    fn opened(
        &self,
        asked: &Value,
        key_field: &str,
        context_field: &str,
    ) -> Result<(usize, Vec<u8>), &'static str> {
        let invalid = "InvalidCiphertextException";
        let blob = bytes(asked, "CiphertextBlob")?;
        let under = |key: &Key| blob.starts_with(key.id.as_bytes());
        let key = self.keys.iter().position(under);
        if asked.get(key_field).is_some() {
            let named = self.usable(asked, key_field, true)?;
            if key.is_some_and(|key| key != named) {
                return Err("IncorrectKeyException");
            }
        }
        let key = key.ok_or(invalid)?;
        if self.keys[key].state != "Enabled" {
            return Err("DisabledException");
        }
        let plaintext = self.keys[key].open(&blob, &asked[context_field]);
        Ok((key, plaintext.ok_or(invalid)?))
    }

    fn set_state(&mut self, asked: &Value, state: &'static str) -> Answer {
        let key = self.named(asked, "KeyId", false)?;
        self.keys[key].not_pending()?;
        self.keys[key].state = state;
        Ok(json!({}))
    }

    fn schedule(&mut self, asked: &Value) -> Answer {
        let key = self.named(asked, "KeyId", false)?;
        let key = &mut self.keys[key];
        key.not_pending()?;
        let days = asked["PendingWindowInDays"].as_u64().unwrap_or(30);
        if !(7..=30).contains(&days) {
            return Err("ValidationException");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let date = now.as_secs_f64() + (days * 24 * 60 * 60) as f64;
        (key.state, key.deletion) = ("PendingDeletion", Some(date));
        Ok(json!({ "KeyId": key.arn, "KeyState": key.state, "DeletionDate": date }))
    }
}

impl Key {
    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "AWSAccountId": ACCOUNT,
            "KeyId": self.id,
            "Arn": self.arn,
            "Enabled": self.state == "Enabled",
            "KeyState": self.state,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
        });
        if let Some(date) = self.deletion {
            metadata["DeletionDate"] = json!(date);
        }
        metadata
    }

    fn not_pending(&self) -> Result<(), &'static str> {
        if self.state == "PendingDeletion" {
            return Err("KMSInvalidStateException");
        }
        Ok(())
    }

    /// The key's id, the number of its material, a nonce, the ciphertext.
    fn seal(&self, mut plaintext: Vec<u8>, context: &Value) -> Vec<u8> {
        let version = self.material.len() - 1;
        let nonce: [u8; 12] = random()[..12].try_into().unwrap();
        let cipher = cipher(&self.material[version]);
        let aad = Aad::from(canonical(context));
        let unique = Nonce::assume_unique_for_key(nonce);
        cipher
            .seal_in_place_append_tag(unique, aad, &mut plaintext)
            .unwrap();
        let mut blob = self.id.as_bytes().to_vec();
        blob.push(u8::try_from(version).unwrap());
        blob.extend(nonce);
        blob.extend(plaintext);
        blob
    }

    fn open(&self, blob: &[u8], context: &Value) -> Option<Vec<u8>> {
        let (version, rest) = blob.strip_prefix(self.id.as_bytes())?.split_first()?;
        let (nonce, ciphertext) = rest.split_at_checked(12)?;
        let cipher = cipher(self.material.get(usize::from(*version))?);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = ciphertext.to_vec();
        let aad = Aad::from(canonical(context));
        let plaintext = cipher.open_in_place(nonce, aad, &mut buffer).ok()?;
        Some(plaintext.to_vec())
    }
}

fn cipher(material: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, material).unwrap())
}

/// The pairs in the order of their keys.
fn canonical(context: &Value) -> Vec<u8> {
    let pairs: BTreeMap<String, String> =
        serde_json::from_value(context.clone()).unwrap_or_default();
    serde_json::to_vec(&pairs).unwrap()
}

fn text<'v>(asked: &'v Value, field: &str) -> Result<&'v str, &'static str> {
    asked[field].as_str().ok_or("ValidationException")
}

fn bytes(asked: &Value, field: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = STANDARD.decode(text(asked, field)?);
    let bytes = bytes.map_err(|_| "SerializationException")?;
    if (1..=6144).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err("ValidationException")
    }
}

fn random() -> [u8; 32] {
    *Dek::generate().unwrap().expose_bytes()
}
