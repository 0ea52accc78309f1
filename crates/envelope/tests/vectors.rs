//! Every vector of `tests/vectors/sealed.json`, opened and, where it opens, sealed again; and the
//! second implementation, `tests/open.py`, on the same vectors and on what was sealed just now.
//!
//! A long plaintext is told by its length: byte i is i mod 251. A long record is told in pieces:
//! hexadecimal, or from where to where in `stream_body`.

#![cfg(feature = "std")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pollster::block_on;
use serde_json::Value;
use strongroom_envelope::hazmat::{self, KeyPlace, WrappingKey};
use strongroom_envelope::{
    DataKey, Dek, DekId, EncryptionContext, HeaderError, KekRecord, KekState, KeyAdmin as _,
    KeyLocation, KeyRef, Kms, KmsError, LocalKms, LookupKey, OpenError, Plaintext, Provider,
    Purpose, Recipient, Suite, TagLength, TenantKeys, WrappedDek, inspect, open, seal, stream,
};
use strongroom_tenancy::TenantId;

/// The vectors, and the keys that they need.
struct Vectors {
    file: Value,
    kms: LocalKms,
    tenant_keys: TenantKeys,
    directory: tempfile::TempDir,
}

impl Vectors {
    fn load() -> Self {
        #[cfg(feature = "fips")]
        strongroom_envelope::fips::accept_streams_outside_the_approved_services();
        let path = folder().join("vectors/sealed.json");
        let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let kms = LocalKms::create(directory.path().join("keys")).unwrap();
        for (tenant, keyring) in file["keyrings"].as_object().unwrap() {
            let path = kms.path(&tenant.parse().unwrap());
            write_private(&path, keyring.as_str().unwrap());
        }
        let root = "root".parse().unwrap();
        let keks = file["keks"].as_array().unwrap().iter();
        let good: Vec<_> = keks.filter(|kek| kek["expect"] == "ok").map(kek).collect();
        assert_eq!(good.len(), 2);
        let root = Recipient::new(&kms, &root);
        let tenant_keys = block_on(TenantKeys::load(root, &good[0].tenant, &good)).unwrap();
        Self {
            file,
            kms,
            tenant_keys,
            directory,
        }
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.file[name].as_array().unwrap().iter()
    }

    fn recipient<'a>(&'a self, provider: u64, key: &'a KeyRef) -> Recipient<'a> {
        let kms: &dyn Kms = match provider {
            1 => &self.kms,
            2 => &self.tenant_keys,
            other => panic!("provider {other}"),
        };
        Recipient::new(kms, key)
    }

    /// What is sealed in a vector.
    fn sealed(&self, vector: &Value) -> Vec<u8> {
        let Some(pieces) = vector["pieces"].as_array() else {
            return hex::decode(text(vector, "sealed")).unwrap();
        };
        let body = BASE64.decode(text(&self.file, "stream_body")).unwrap();
        let piece = |piece: &Value| match piece.as_str() {
            Some(piece) => hex::decode(piece).unwrap(),
            None => {
                let [start, end] = [0, 1].map(|at| piece[at].as_u64().unwrap());
                body[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()].to_vec()
            }
        };
        pieces.iter().flat_map(piece).collect()
    }

    fn open(
        &self,
        vector: &Value,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, OpenError> {
        let names = allowed(vector);
        let recipients: Vec<_> = names
            .iter()
            .map(|(provider, name)| self.recipient(*provider, name))
            .collect();
        match block_on(open(&recipients, tenant, context, sealed)) {
            Err(OpenError::Detached) => {
                assert_eq!(vector["detached"], true);
                let KeyLocation::Detached(id) = inspect(sealed).unwrap().key else {
                    panic!("a detached record has an id");
                };
                self.open_detached(id, tenant, context, sealed)
            }
            other => other,
        }
    }

    /// The same as it is read, where it is a stream under keys of its own.
    fn read(
        &self,
        vector: &Value,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Option<std::io::Result<Vec<u8>>> {
        if vector["suite"] != "stream" || vector["detached"] == true {
            return None;
        }
        let names = allowed(vector);
        let recipients: Vec<_> = names
            .iter()
            .map(|(provider, name)| self.recipient(*provider, name))
            .collect();
        let one = NonZeroUsize::MIN;
        let reader = block_on(stream::open_reader(
            &recipients,
            tenant,
            context,
            one,
            sealed,
        ));
        Some(reader.and_then(|mut reader| {
            let mut plaintext = Vec::new();
            reader.read_to_end(&mut plaintext).map(|_| plaintext)
        }))
    }

    /// As a caller does that keeps DEKs in a table.
    fn open_detached(
        &self,
        id: DekId,
        tenant: &TenantId,
        context: &EncryptionContext,
        sealed: &[u8],
    ) -> Result<Plaintext, OpenError> {
        let mut rows = self.list("deks");
        let row = rows.find(|row| text(row, "id") == id.to_string());
        let row = row.ok_or(OpenError::Failed)?;
        let wrapped = wrapped(&row["wrap"]);
        let dek = block_on(self.kms.unwrap(tenant, &Purpose::Dek(id), &wrapped))
            .map_err(|_| OpenError::Failed)?;
        DataKey::detached(&dek, tenant, id).open(tenant, context, sealed)
    }

    /// The record again, from the inputs that the file names.
    fn seal_again(
        &self,
        vector: &Value,
        tenant: &TenantId,
        context: &EncryptionContext,
        plaintext: &[u8],
    ) -> Option<Vec<u8>> {
        let dek = Dek::from_bytes(&bytes(&self.file, "dek"));
        let wraps: Vec<_>;
        let place = if vector["detached"] == true {
            KeyPlace::Detached(DekId::from_bytes(bytes(&self.file["deks"][0], "id")))
        } else {
            let nonce = bytes(&self.file, "wrap_nonce");
            wraps = vector["wraps"]
                .as_array()?
                .iter()
                .map(|wrap| {
                    let provider = u8::try_from(wrap[0].as_u64().unwrap()).unwrap();
                    let version = u32::try_from(wrap[2].as_u64().unwrap()).unwrap();
                    let key = wrapping_key(provider, wrap[1].as_str().unwrap(), version);
                    let provider = Provider::from_number(provider).unwrap();
                    let name = key_ref(&wrap[1]);
                    let key = WrappingKey {
                        bytes: &key,
                        provider,
                        name: &name,
                        version,
                    };
                    hazmat::wrap_with(&key, tenant, &nonce, &Purpose::Record, &dek).unwrap()
                })
                .collect();
            KeyPlace::Inline(&wraps)
        };
        let again = if vector["suite"] == "stream" {
            let salt = bytes(&self.file, "stream_salt");
            hazmat::seal_stream(&dek, place, tenant, context, &salt, plaintext)
        } else {
            let (salt, nonce) = (bytes(&self.file, "salt"), bytes(&self.file, "nonce"));
            hazmat::seal_compact(&dek, place, tenant, context, &salt, &nonce, plaintext)
        };
        Some(again.unwrap())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn write_private(path: &Path, contents: &str) {
    fs::write(path, contents).unwrap();
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    let found = value[name].as_str();
    found.unwrap_or_else(|| panic!("{name} in {value}"))
}

fn bytes<const N: usize>(value: &Value, name: &str) -> [u8; N] {
    hex::decode(text(value, name)).unwrap().try_into().unwrap()
}

/// The providers and names of the keys that a vector may be opened with.
fn allowed(vector: &Value) -> Vec<(u64, KeyRef)> {
    let pairs = vector["allowed"].as_array().unwrap().iter();
    pairs
        .map(|pair| (pair[0].as_u64().unwrap(), key_ref(&pair[1])))
        .collect()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

fn plaintext(vector: &Value) -> Vec<u8> {
    match vector["plaintext_length"].as_u64() {
        Some(length) => pattern(length.try_into().unwrap()),
        None => hex::decode(text(vector, "plaintext")).unwrap(),
    }
}

fn key_ref(name: &Value) -> KeyRef {
    name.as_str().unwrap().parse().unwrap()
}

fn context(pairs: &Value) -> EncryptionContext {
    let pairs = pairs.as_array().unwrap().iter();
    let pairs = pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    EncryptionContext::new(pairs).unwrap()
}

fn wrapped(wrap: &Value) -> WrappedDek {
    WrappedDek {
        provider: Provider::from_number(wrap["provider"].as_u64().unwrap().try_into().unwrap())
            .unwrap(),
        key_ref: key_ref(&wrap["key_ref"]),
        key_version: wrap["key_version"].as_u64().unwrap().try_into().unwrap(),
        bytes: hex::decode(text(wrap, "wrapped")).unwrap(),
    }
}

fn kek(vector: &Value) -> KekRecord {
    KekRecord {
        tenant: text(vector, "tenant").parse().unwrap(),
        name: key_ref(&vector["name"]),
        version: vector["version"].as_u64().unwrap().try_into().unwrap(),
        state: KekState::Active,
        created_at: vector["created_at"].as_u64().unwrap(),
        wrapped: Some(wrapped(&vector["wrap"])),
        check: bytes(vector, "check"),
    }
}

/// The key that the vectors have under a provider, name and version.
fn wrapping_key(provider: u8, name: &str, version: u32) -> [u8; 32] {
    let first = match (provider, name, version) {
        (1, "root", 1) => 0,
        (1, "root", 2) => 32,
        (1, "vault", 1) => 64,
        (2, "tenant", 1) => 160,
        (2, "user:17", 1) => 192,
        other => panic!("{other:?}"),
    };
    std::array::from_fn(|at| first + u8::try_from(at).unwrap())
}

#[test]
fn sealed_records() {
    let vectors = Vectors::load();
    let mut names = BTreeSet::new();
    let mut resealed = [0; 2];
    for vector in vectors.list("sealed") {
        let name = text(vector, "name");
        assert!(names.insert(name), "{name} stands twice");
        let tenant: TenantId = text(vector, "tenant").parse().unwrap();
        let context = context(&vector["context"]);
        let sealed = vectors.sealed(vector);
        let expect = text(vector, "expect");
        let read = vectors.read(vector, &tenant, &context, &sealed);
        match vectors.open(vector, &tenant, &context, &sealed) {
            Ok(opened) => {
                assert_eq!(expect, "ok", "{name}");
                assert!(*opened == *plaintext(vector), "{name}");
                if let Some(read) = read {
                    assert!(read.unwrap() == *opened, "{name}");
                }
                // With `fips` the nonces are the module's.
                let is_given = cfg!(not(feature = "fips"));
                let again = vectors.seal_again(vector, &tenant, &context, &opened);
                if let Some(again) = again.filter(|_| is_given) {
                    assert!(again == sealed, "{name}");
                    resealed[usize::from(vector["suite"] == "stream")] += 1;
                }
                continue;
            }
            Err(OpenError::Header(error)) => assert_eq!(error.to_string(), expect, "{name}"),
            Err(OpenError::Failed) => assert_eq!(expect, "failed", "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
        assert!(read.is_none_or(|read| read.is_err()), "{name}");
    }
    assert!(names.len() >= 200, "only {} vectors", names.len());
    if cfg!(not(feature = "fips")) {
        let [compact, streams] = resealed;
        assert!(compact >= 14, "only {compact} sealed again");
        assert!(streams >= 14, "only {streams} streams sealed again");
    }
}

/// The table of refusals has every error, and every field that a record can end in.
#[test]
fn every_refusal_has_a_vector() {
    let vectors = Vectors::load();
    let expected: BTreeSet<_> = vectors
        .list("sealed")
        .map(|vector| text(vector, "expect"))
        .collect();
    for error in [
        HeaderError::Magic,
        HeaderError::Version,
        HeaderError::Suite,
        HeaderError::Flags,
        HeaderError::HeaderLength,
        HeaderError::WrapCount,
        HeaderError::Provider,
        HeaderError::KeyRef,
        HeaderError::WrappedLength,
    ] {
        assert!(expected.contains(error.to_string().as_str()), "{error}");
    }
    for field in [
        "magic",
        "version",
        "suite",
        "flags",
        "header length",
        "header",
        "dek id",
        "wrap count",
        "provider",
        "key reference length",
        "key reference",
        "key version",
        "wrapped key length",
        "wrapped key",
        "salt",
        "commitment",
        "nonce",
        "tag",
    ] {
        let error = HeaderError::Truncated(field).to_string();
        assert!(expected.contains(error.as_str()), "{error}");
    }
}

#[test]
fn key_records() {
    let vectors = Vectors::load();
    let root = "root".parse().unwrap();
    for vector in vectors.list("keks") {
        let record = kek(vector);
        let root = Recipient::new(&vectors.kms, &root);
        let loaded = block_on(TenantKeys::load(
            root,
            &record.tenant,
            std::slice::from_ref(&record),
        ));
        let result = loaded.map(|keys| keys.active_version(&record.name));
        match text(vector, "expect") {
            "ok" => assert_eq!(result.unwrap(), Ok(record.version), "{vector}"),
            _ => assert_eq!(result, Err(KmsError::ContextMismatch), "{vector}"),
        }
    }
}

#[test]
fn lookup_tags() {
    let vectors = Vectors::load();
    for vector in vectors.list("lookup_tags") {
        let tenant = text(vector, "tenant").parse().unwrap();
        let key = LookupKey::new(&Dek::from_bytes(&bytes(vector, "dek")), &tenant);
        let value = hex::decode(text(vector, "value")).unwrap();
        let length = TagLength::new(text(vector, "tag").len() / 2).unwrap();
        let tag = key.lookup_tag(&tenant, &context(&vector["context"]), &value, length);
        assert_eq!(hex::encode(tag.unwrap()), text(vector, "tag"), "{vector}");
    }
}

#[test]
fn a_body_that_is_too_long_is_named() {
    let vectors = Vectors::load();
    let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
    for name in ["one wrap", "detached"] {
        let mut list = vectors.list("sealed");
        let vector = list.find(|vector| text(vector, "name") == name).unwrap();
        let mut sealed = hex::decode(text(vector, "sealed")).unwrap();
        assert_eq!(inspect(&sealed).unwrap().suite, Suite::Compact);
        let front = inspect(&sealed).unwrap().front_bytes;
        let context = context(&vector["context"]);
        sealed.resize(front + 16 + 32 + 12 + 65_536 + 16, 0);
        let result = vectors.open(vector, &tenant, &context, &sealed);
        assert_eq!(result.unwrap_err(), OpenError::Failed, "{name}");
        sealed.push(0);
        let result = vectors.open(vector, &tenant, &context, &sealed);
        let expected = OpenError::Header(HeaderError::BodyTooLong);
        assert_eq!(result.unwrap_err(), expected, "{name}");
    }
}

#[test]
fn the_worked_example_of_the_specification_is_the_first_vector() {
    let page = folder().join("../../../docs/spec/envelope.md");
    let page = fs::read_to_string(page).unwrap();
    let page: String = page.split_whitespace().collect();
    // The page shows the record field by field; together they are the record.
    let shown: String = page
        .split("```")
        .find(|block| block.starts_with("magic"))
        .unwrap()
        .split(';')
        .filter_map(|line| line.split_once('='))
        .map(|(_, bytes)| bytes)
        .collect();
    let vectors = Vectors::load();
    assert_eq!(shown, text(&vectors.file["sealed"][0], "sealed"));
}

/// Runs a program beside this one. `ENVELOPE_PYTHON` names an interpreter that has `cryptography`; without it,
/// `python3` is taken if it does, and `None` says that there is none.
fn second_implementation(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let named = std::env::var_os("ENVELOPE_PYTHON");
    let python = named.clone().unwrap_or_else(|| "python3".into());
    if named.is_none() {
        let probe = Command::new(&python)
            .args(["-c", "import cryptography"])
            .output();
        if !probe.is_ok_and(|output| output.status.success()) {
            eprintln!("not run: python3 has no `cryptography`; name one in ENVELOPE_PYTHON");
            return None;
        }
    }
    let output = Command::new(python)
        .arg("-B")
        .arg(folder().join(program))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    Some(output.stdout)
}

#[test]
fn the_second_implementation_agrees() {
    let Some(output) = second_implementation("check_vectors.py", &[]) else {
        return;
    };
    let vectors = Vectors::load();
    let count = ["keks", "sealed", "lookup_tags"].map(|name| vectors.list(name).count());
    let expected = format!("{} vectors hold\n", count.iter().sum::<usize>());
    assert_eq!(String::from_utf8(output).unwrap(), expected);
}

#[test]
fn the_second_implementation_opens_what_was_sealed_just_now() {
    let vectors = Vectors::load();
    let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120009".parse().unwrap();
    let key: KeyRef = "fresh".parse().unwrap();
    block_on(vectors.kms.create(&tenant, &key)).unwrap();
    block_on(vectors.kms.rotate(&tenant, &key)).unwrap();
    let context = EncryptionContext::new([("purpose", "export"), ("a", "")]).unwrap();
    let root = Recipient::new(&vectors.kms, &key);
    let file = vectors.directory.path().join("record");
    let one = NonZeroUsize::MIN;
    for (length, is_written) in [
        (0, false),
        (1, false),
        (1000, false),
        (65_536, false),
        (65_537, false),
        (0, true),
        (1000, true),
        (200_000, true),
    ] {
        let plaintext = pattern(length);
        let recipients = [root];
        let sealed = if is_written {
            let writer = stream::seal_writer(&recipients, &tenant, &context, one, Vec::new());
            let mut writer = block_on(writer).unwrap();
            writer.write_all(&plaintext).unwrap();
            writer.finish().unwrap()
        } else {
            block_on(seal(&recipients, &tenant, &context, &plaintext)).unwrap()
        };
        fs::write(&file, sealed).unwrap();
        let keyring = vectors.kms.path(&tenant);
        let arguments = [
            keyring.to_str().unwrap(),
            &tenant.to_string(),
            key.as_str(),
            file.to_str().unwrap(),
            "purpose=export",
            "a=",
        ];
        let Some(output) = second_implementation("open.py", &arguments) else {
            return;
        };
        assert!(output == plaintext, "{length} bytes");
    }
}
