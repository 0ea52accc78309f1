//! What is left of keys in a process's memory once they were dropped: nothing.
//!
//! A process of its own makes, uses and drops the keys, tells what it wrapped and sealed, and waits. This
//! one unwraps all that, so that it knows the keys, derives what the other had to derive from them, and
//! searches the other's memory for each half of each. So the list never is where it is searched for. A
//! second process forgets to drop, and there the same search must find every key that is held.

#![cfg(all(feature = "std", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::mem::forget;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use pollster::block_on;
use sha2::{Digest as _, Sha256};
use strongroom_envelope::{
    DataKey, Dek, DekId, EncryptionContext, KekRecord, KeyAdmin as _, KeyLocation, KeyRef,
    Kms as _, LocalKms, LookupKey, Plaintext, Provider, Recipient, TagLength, TenantKeys,
    WrappedDek, add_recipients, inspect, open, rewrap, seal,
};
use strongroom_tenancy::TenantId;
use zeroize::Zeroizing;

/// How the process that holds the keys ends with them: `drop`, `park` (threads that did one thing
/// each wait for good), `go on` (the KMS is still there) or `forget`.
const MODE: &str = "STRONGROOM_TEST_MEMORY";
const DIRECTORY: &str = "STRONGROOM_TEST_MEMORY_DIRECTORY";

const TENANTS: u32 = 4;
const ROOT_VERSIONS: u32 = 4;
const KEKS: u32 = 25;
/// Of each tenant; twice as many DEKs, since each record in the inline form has one of its own.
const RECORDS: u32 = 150;

fn tenant(number: u32) -> TenantId {
    let tenant = format!("0190b2a4-8c7e-7d3a-9f00-0242ac1200{number:02}");
    tenant.parse().unwrap()
}

fn key_ref(name: &str) -> KeyRef {
    name.parse().unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::new([("purpose", "test")]).unwrap()
}

fn wrap_text(wrapped: &WrappedDek) -> String {
    format!("{} {}", wrapped.key_version, hex::encode(&wrapped.bytes))
}

/// The process that is searched.
#[test]
fn holds_keys() {
    let Some(mode) = std::env::var_os(MODE) else {
        return;
    };
    let directory = std::env::var_os(DIRECTORY).unwrap();
    let is_kept = mode == "forget";
    let kms = Arc::new(LocalKms::create(&directory).unwrap());
    let mut told = String::new();
    for number in 0..TENANTS {
        use_keys(&kms, number, is_kept, &mut told);
    }
    if mode == "park" {
        use_and_park(&kms, &mut told);
    }
    // Destroyed keys are gone when the call returns, even if the KMS is not dropped.
    let doomed = key_ref("doomed");
    block_on(kms.create(&tenant(0), &doomed)).unwrap();
    let wrapped = block_on(kms.wrap(&tenant(0), &doomed, &Dek::generate().unwrap())).unwrap();
    block_on(kms.unwrap(&tenant(0), &wrapped)).unwrap();
    let before = Path::new(&directory).join("before");
    fs::copy(kms.path(&tenant(0)), before).unwrap();
    block_on(kms.destroy(&tenant(0), &doomed)).unwrap();
    if is_kept {
        // The keyrings as they are now, once more in memory.
        for number in 0..TENANTS {
            block_on(kms.describe(&tenant(number), &key_ref("root"))).unwrap();
        }
    }
    if is_kept || mode == "go on" {
        forget(kms);
    } else {
        drop(kms);
    }
    let mut out = std::io::stderr();
    out.write_all(told.as_bytes()).unwrap();
    out.write_all(b"ready\n").unwrap();
    // Until the other process has searched.
    let _ = std::io::stdin().read(&mut [0]);
}

/// A key and what it wrapped and sealed.
struct Used {
    number: u32,
    kek: u32,
    secret: Zeroizing<Vec<u8>>,
    wrapped: WrappedDek,
    under_kek: WrappedDek,
    detached: Vec<u8>,
    inline: Vec<u8>,
    /// KEKs that were made besides, as they are told.
    keks: String,
}

impl Used {
    fn tell(&self, told: &mut String) {
        told.push_str(&format!(
            "dek {} {} {} {} {} {}\n",
            self.number,
            self.kek,
            wrap_text(&self.wrapped),
            hex::encode(&self.under_kek.bytes),
            hex::encode(&self.detached),
            hex::encode(&self.inline),
        ));
    }
}

fn load_keys(kms: &LocalKms, number: u32, told: &mut String) -> TenantKeys {
    let (tenant, name) = (tenant(number), key_ref("root"));
    let root = Recipient::new(kms, &name);
    let mut records = Vec::new();
    for kek in 0..KEKS {
        let name = key_ref(&format!("user:{kek}"));
        let record = block_on(KekRecord::generate(root, &tenant, &name, 1, 0)).unwrap();
        let wrapped = wrap_text(record.wrapped.as_ref().unwrap());
        told.push_str(&format!("kek {number} {kek} {wrapped}\n"));
        records.push(record);
    }
    block_on(TenantKeys::load(root, &tenant, &records)).unwrap()
}

fn use_keys(kms: &LocalKms, number: u32, is_kept: bool, told: &mut String) {
    let (tenant, name) = (tenant(number), key_ref("root"));
    block_on(kms.create(&tenant, &name)).unwrap();
    for _ in 1..ROOT_VERSIONS {
        block_on(kms.rotate(&tenant, &name)).unwrap();
    }
    let keys = load_keys(kms, number, told);
    for record in 0..RECORDS {
        let (used, held) = use_key(kms, &keys, number, record % KEKS);
        used.tell(told);
        if is_kept {
            // On the heap, where what follows does not write over them.
            forget(Box::new(held));
        }
    }
    if is_kept {
        forget(keys);
    }
}

type Held = (Dek, DataKey, LookupKey, Plaintext);

fn use_key(kms: &LocalKms, keys: &TenantKeys, number: u32, kek: u32) -> (Used, Held) {
    let (tenant, context, name) = (tenant(number), context(), key_ref("root"));
    let root = Recipient::new(kms, &name);
    let kek_name = key_ref(&format!("user:{kek}"));
    let mut secret = Zeroizing::new(vec![0; 64]);
    getrandom::fill(secret.as_mut_slice()).unwrap();

    let dek = Dek::generate().unwrap();
    let wrapped = block_on(kms.wrap(&tenant, &name, &dek)).unwrap();
    let unwrapped = block_on(kms.unwrap(&tenant, &wrapped)).unwrap();
    let under_kek = keys.wrap_now(&kek_name, &unwrapped).unwrap();
    let unwrapped = keys.unwrap_now(&under_kek).unwrap();
    let data_key = DataKey::detached(&unwrapped, &tenant, DekId::from_bytes([5; 16]));
    let detached = data_key.seal(&tenant, &context, &secret).unwrap();
    let opened = data_key.open(&tenant, &context, &detached).unwrap();
    let inline = block_on(seal(&[root], &tenant, &context, &secret)).unwrap();
    let again = block_on(open(&[root], &tenant, &context, &inline)).unwrap();
    assert!(opened.as_slice() == again.as_slice());
    let lookup = LookupKey::new(&dek, &tenant);
    let tag = lookup.lookup_tag(&tenant, &context, &secret, TagLength::FULL);
    assert_eq!(tag.unwrap().len(), 16);
    let used = Used {
        number,
        kek,
        secret,
        wrapped,
        under_kek,
        detached,
        inline,
        keks: String::new(),
    };
    (used, (dek, data_key, lookup, opened))
}

/// One thing that a thread does with a key before it waits: what it leaves on its stack, nothing
/// writes over.
type Act = fn(&LocalKms, &TenantKeys, &mut Used);

const ACTS: [Act; 14] = [
    |kms, _, used| drop(load_keys(kms, used.number, &mut used.keks)),
    |kms, _, used| {
        let root = key_ref("root");
        let root = [Recipient::new(kms, &root)];
        block_on(rewrap(&root, &tenant(used.number), &mut used.inline)).unwrap();
        let inline = &mut used.inline;
        block_on(add_recipients(&root, &root, &tenant(used.number), inline)).unwrap();
    },
    |_, _, _| drop(Dek::generate().unwrap()),
    |kms, _, used| {
        let dek = block_on(kms.unwrap(&tenant(used.number), &used.wrapped)).unwrap();
        used.wrapped = block_on(kms.wrap(&tenant(used.number), &key_ref("root"), &dek)).unwrap();
    },
    |kms, _, used| drop(block_on(kms.unwrap(&tenant(used.number), &used.wrapped)).unwrap()),
    |_, keys, used| used.under_kek = keys.rewrap_now(&used.under_kek).unwrap(),
    |_, keys, used| drop(keys.unwrap_now(&used.under_kek).unwrap()),
    |_, keys, used| {
        let dek = keys.unwrap_now(&used.under_kek).unwrap();
        drop(data_key(used, &dek));
    },
    |_, keys, used| {
        let key = data_key(used, &keys.unwrap_now(&used.under_kek).unwrap());
        used.detached = key
            .seal(&tenant(used.number), &context(), &used.secret)
            .unwrap();
    },
    |_, keys, used| {
        let key = data_key(used, &keys.unwrap_now(&used.under_kek).unwrap());
        drop(
            key.open(&tenant(used.number), &context(), &used.detached)
                .unwrap(),
        );
    },
    |kms, _, used| {
        let root = key_ref("root");
        let root = [Recipient::new(kms, &root)];
        used.inline =
            block_on(seal(&root, &tenant(used.number), &context(), &used.secret)).unwrap();
    },
    |kms, _, used| {
        let root = key_ref("root");
        let root = [Recipient::new(kms, &root)];
        drop(block_on(open(&root, &tenant(used.number), &context(), &used.inline)).unwrap());
    },
    |_, keys, used| {
        let dek = keys.unwrap_now(&used.under_kek).unwrap();
        let key = LookupKey::new(&dek, &tenant(used.number));
        key.lookup_tag(
            &tenant(used.number),
            &context(),
            &used.secret,
            TagLength::FULL,
        )
        .unwrap();
    },
    |kms, _, used| {
        let fresh = LocalKms::open(kms.path(&tenant(0)).parent().unwrap()).unwrap();
        block_on(fresh.rotate(&tenant(used.number), &key_ref("root"))).unwrap();
        drop(block_on(fresh.unwrap(&tenant(used.number), &used.wrapped)).unwrap());
    },
];

fn data_key(used: &Used, dek: &Dek) -> DataKey {
    DataKey::detached(dek, &tenant(used.number), DekId::from_bytes([5; 16]))
}

/// What a thread acts with. It is taken out for dropping by whoever waits for the thread, since
/// dropping needs a stack too.
struct Shared {
    with: Mutex<Option<(Arc<LocalKms>, TenantKeys, Used)>>,
    is_done: AtomicBool,
}

/// Each act on a thread of its own, which then waits for good.
fn use_and_park(kms: &Arc<LocalKms>, told: &mut String) {
    let number = TENANTS;
    block_on(kms.create(&tenant(number), &key_ref("root"))).unwrap();
    for act in ACTS {
        let keys = load_keys(kms, number, told);
        let (used, held) = use_key(kms, &keys, number, 0);
        drop(held);
        used.tell(told);
        let shared = Arc::new(Shared {
            with: Mutex::new(Some((Arc::clone(kms), keys, used))),
            is_done: AtomicBool::new(false),
        });
        let acting = Arc::clone(&shared);
        std::thread::spawn(move || {
            if let Some((kms, keys, used)) = acting.with.lock().unwrap().as_mut() {
                act(kms, keys, used);
            }
            acting.is_done.store(true, Ordering::Release);
            loop {
                std::thread::park();
            }
        });
        while !shared.is_done.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (_, _, used) = shared.with.lock().unwrap().take().unwrap();
        used.tell(told);
        told.push_str(&used.keks);
    }
}

/// A process whose memory is searched while it waits.
struct Process {
    child: Child,
    lines: Vec<String>,
}

impl Process {
    fn start(mode: &str, directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "holds_keys", "--nocapture"])
            .env(MODE, mode)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let reader = BufReader::new(child.stderr.take().unwrap());
        let mut lines = Vec::new();
        for line in reader.lines() {
            match line.unwrap() {
                line if line == "ready" => return Self { child, lines },
                line => lines.push(line),
            }
        }
        panic!("the process ended: {:?}", lines.last());
    }

    /// Which needles are where: the name of the mapping.
    fn search(&self, needles: &Needles) -> BTreeMap<usize, String> {
        let id = self.child.id();
        let memory = fs::File::open(format!("/proc/{id}/mem")).unwrap();
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let mut found = BTreeMap::new();
        let mut searched = 0;
        for line in maps.lines() {
            let fields: Vec<_> = line.split_whitespace().collect();
            let name = fields.get(5).copied().unwrap_or("anonymous");
            // What is not writable was never written to, and the kernel's pages cannot be read.
            if !fields[1].starts_with("rw") || name.starts_with("[v") {
                continue;
            }
            let (start, end) = fields[0].split_once('-').unwrap();
            let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
            let mut region = vec![0; usize::try_from(end - start).unwrap()];
            let is_read = memory.read_exact_at(&mut region, start);
            is_read.unwrap_or_else(|error| panic!("{line}: {error}"));
            searched += region.len();
            for (at, needle) in needles.find_in(&region) {
                let left = region.len() - at;
                found.insert(needle, format!("{name}, {left} bytes before its end"));
            }
        }
        assert!(searched > 1024 * 1024, "only {searched} bytes");
        found
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is searched for.
#[derive(Default)]
struct Needles {
    /// What each is.
    kinds: Vec<&'static str>,
    /// Halves of 16 bytes, by their first eight bytes.
    halves: HashMap<u64, Vec<([u8; 16], usize)>>,
    /// Whether any half begins with these two bytes.
    beginnings: Vec<bool>,
}

impl Needles {
    fn add(&mut self, kind: &'static str, secret: &[u8]) {
        self.beginnings.resize(1 << 16, false);
        let number = self.kinds.len();
        self.kinds.push(kind);
        for half in secret.chunks_exact(16) {
            let half: [u8; 16] = half.try_into().unwrap();
            let first = u64::from_le_bytes(*half.first_chunk().unwrap());
            self.halves.entry(first).or_default().push((half, number));
            self.beginnings[usize::from(u16::from_le_bytes([half[0], half[1]]))] = true;
        }
    }

    fn find_in(&self, region: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (at, window) in region.windows(16).enumerate() {
            if !self.beginnings[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                continue;
            }
            let first = u64::from_le_bytes(*window.first_chunk().unwrap());
            let halves = self.halves.get(&first).into_iter().flatten();
            let matching = halves.filter(|(half, _)| half == window);
            found.extend(matching.map(|(_, number)| (at, *number)));
        }
        found
    }

    fn count(&self, kind: &str) -> usize {
        self.kinds.iter().filter(|other| **other == kind).count()
    }
}

/// The keys that the process had, from what it told.
fn needles(directory: &Path, lines: &[String]) -> Needles {
    let mut needles = Needles::default();
    let kms = LocalKms::open(directory).unwrap();
    let unwrap = |tenant: &TenantId, version: &str, bytes: &str| {
        let wrapped = WrappedDek {
            provider: Provider::LOCAL,
            key_ref: key_ref("root"),
            key_version: version.parse().unwrap(),
            bytes: hex::decode(bytes).unwrap(),
        };
        block_on(kms.unwrap(tenant, &wrapped)).unwrap()
    };
    let mut root_keys = HashMap::new();
    for number in 0..=TENANTS {
        let Ok(text) = fs::read_to_string(kms.path(&tenant(number))) else {
            continue;
        };
        for (version, key) in keys_of(&text, "root") {
            needles.add("root key", &key);
            needles.add("root key, as text", text_of(&key).as_bytes());
            root_keys.insert((number, version), key);
        }
    }
    let before = fs::read_to_string(directory.join("before")).unwrap();
    for (_, key) in keys_of(&before, "doomed") {
        needles.add("destroyed root key", &key);
        needles.add("destroyed root key, as text", text_of(&key).as_bytes());
    }
    let mut keks = HashMap::new();
    for line in lines {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["kek", number, kek_number, version, wrapped] => {
                let number: u32 = number.parse().unwrap();
                let kek_number: u32 = kek_number.parse().unwrap();
                let kek = unwrap(&tenant(number), version, wrapped);
                needles.add("KEK", kek.expose_bytes());
                add_pads(&mut needles, kek.expose_bytes());
                let root = &root_keys[&(number, version.parse().unwrap())];
                needles.add("inner key of a root", &inner_key(root, wrapped));
                keks.insert((number, kek_number), *kek.expose_bytes());
            }
            [
                "dek",
                number,
                kek,
                version,
                wrapped,
                under_kek,
                detached,
                inline,
            ] => {
                let number: u32 = number.parse().unwrap();
                let tenant = tenant(number);
                let root = &root_keys[&(number, version.parse().unwrap())];
                needles.add("inner key of a root", &inner_key(root, wrapped));
                let kek = &keks[&(number, kek.parse::<u32>().unwrap())];
                needles.add("inner key of a KEK", &inner_key(kek, under_kek));
                let dek = unwrap(&tenant, version, wrapped);
                needles.add("DEK", dek.expose_bytes());
                let detached = hex::decode(detached).unwrap();
                add_derived(&mut needles, &dek, &tenant, &detached);

                let inline = hex::decode(inline).unwrap();
                let KeyLocation::Inline(wraps) = inspect(&inline).unwrap().key else {
                    panic!("the second record is inline");
                };
                let dek = block_on(kms.unwrap(&tenant, &wraps[0])).unwrap();
                needles.add("DEK of one record", dek.expose_bytes());
                let version = wraps[0].key_version;
                let inner = inner_key(
                    &root_keys[&(number, version)],
                    &hex::encode(&wraps[0].bytes),
                );
                needles.add("inner key of a root", &inner);
                let plaintext = add_derived(&mut needles, &dek, &tenant, &inline);
                needles.add("plaintext", &plaintext);
            }
            _ => panic!("the process said: {line}"),
        }
    }
    needles
}

/// What is derived from a DEK to open one record; and that record's plaintext.
fn add_derived(needles: &mut Needles, dek: &Dek, tenant: &TenantId, sealed: &[u8]) -> Plaintext {
    let lp = |fields: &[&[u8]]| {
        let field = |field: &&[u8]| [&(field.len() as u64).to_be_bytes()[..], field].concat();
        fields.iter().flat_map(field).collect::<Vec<u8>>()
    };
    let mac = |key: &[u8], message: &[u8]| -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    };
    add_pads(needles, dek.expose_bytes());
    let sub_key = |number: u8| {
        let message = lp(&[b"strongroom/envelope/v1/sub-key", &[number]]);
        mac(dek.expose_bytes(), &message)
    };
    for (number, kind) in [
        (1, "compact sub-key"),
        (2, "stream sub-key"),
        (3, "look-up sub-key"),
    ] {
        needles.add(kind, &sub_key(number));
        add_pads(needles, &sub_key(number));
    }
    let context_hash = Sha256::digest(lp(&[
        b"strongroom/envelope/v1/context",
        b"purpose",
        b"test",
    ]));
    let body = &sealed[inspect(sealed).unwrap().front_bytes..];
    let mut fixed = Vec::new();
    for field in [
        &b"strongroom/envelope/v1/compact/message-key"[..],
        &[1],
        &[1],
        tenant.as_bytes(),
        &context_hash,
        &body[..16],
    ] {
        fixed.push(u8::try_from(field.len()).unwrap());
        fixed.extend_from_slice(field);
    }
    for (pad, kind) in [
        (0x36, "compact state, inner"),
        (0x5c, "compact state, outer"),
    ] {
        let mut state = [
            0x6a09_e667_u32,
            0xbb67_ae85,
            0x3c6e_f372,
            0xa54f_f53a,
            0x510e_527f,
            0x9b05_688c,
            0x1f83_d9ab,
            0x5be0_cd19,
        ];
        let mut block = [pad; 64];
        block
            .iter_mut()
            .zip(sub_key(1))
            .for_each(|(slot, byte)| *slot ^= byte);
        sha2::block_api::compress256(&mut state, &[block]);
        if pad == 0x36 {
            sha2::block_api::compress256(&mut state, &[*fixed.first_chunk().unwrap()]);
        }
        let bytes: Vec<u8> = state.iter().flat_map(|word| word.to_ne_bytes()).collect();
        needles.add(kind, &bytes);
    }
    fixed.extend_from_slice(&[2, 0, 1]);
    let message_key = mac(&sub_key(1), &fixed);
    needles.add("message key", &message_key);
    let key = DataKey::detached(dek, tenant, DekId::from_bytes([5; 16]));
    key.open(tenant, &context(), sealed).unwrap()
}

/// A key as HMAC has it in its blocks.
fn add_pads(needles: &mut Needles, key: &[u8; 32]) {
    for pad in [0x36, 0x5c] {
        needles.add("HMAC block", &key.map(|byte| byte ^ pad));
    }
}

/// The key of XAES-256-GCM's inner cipher.
fn inner_key(key: &[u8; 32], wrapped: &str) -> Vec<u8> {
    let wrapped = hex::decode(wrapped).unwrap();
    let blocks = [1, 2].map(|counter| [&[0, counter, b'X', 0], &wrapped[..12]].concat());
    #[cfg(feature = "aws-lc")]
    let cmac = |block: &Vec<u8>| {
        use aws_lc_rs::cmac;
        let key = cmac::Key::new(cmac::AES_256, key).unwrap();
        cmac::sign(&key, block).unwrap().as_ref().to_vec()
    };
    #[cfg(not(feature = "aws-lc"))]
    let cmac = |block: &Vec<u8>| {
        use cmac::{Cmac, KeyInit as _, Mac as _};
        let mut mac = Cmac::<aes_gcm::aes::Aes256>::new(key.into());
        mac.update(block);
        mac.finalize().into_bytes().to_vec()
    };
    blocks.iter().flat_map(cmac).collect()
}

/// The secrets of a keyring's file under a name.
fn keys_of(text: &str, name: &str) -> Vec<(u32, [u8; 32])> {
    let fields = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let keys = fields.filter(|fields| fields[0] == "key" && fields[1] == name);
    keys.map(|fields| {
        let encoding = base64::engine::general_purpose::STANDARD_NO_PAD;
        let secret = encoding.decode(fields[4]).unwrap();
        (fields[2].parse().unwrap(), secret.try_into().unwrap())
    })
    .collect()
}

fn text_of(key: &[u8; 32]) -> String {
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(key)
}

/// What was searched for, and what was found of each kind.
fn search(mode: &str) -> (Needles, BTreeMap<usize, String>) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("keys");
    let process = Process::start(mode, &directory);
    let needles = needles(&directory, &process.lines);
    let found = process.search(&needles);
    (needles, found)
}

fn by_kind(needles: &Needles, found: &BTreeMap<usize, String>) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for number in found.keys() {
        *kinds.entry(needles.kinds[*number]).or_default() += 1;
    }
    kinds
}

#[test]
fn nothing_is_left_of_dropped_keys() {
    nothing_is_left("drop");
}

#[test]
fn nothing_is_left_on_the_stacks_of_threads() {
    nothing_is_left("park");
}

fn nothing_is_left(mode: &str) {
    let (needles, found) = search(mode);
    let keys = ["DEK", "DEK of one record", "KEK", "root key"];
    let keys: usize = keys.iter().map(|kind| needles.count(kind)).sum();
    assert!(keys >= 1000, "only {keys} keys");
    println!(
        "{} secrets searched for, {keys} of them keys",
        needles.kinds.len()
    );
    let places: BTreeSet<_> = found
        .iter()
        .map(|(number, place)| (needles.kinds[*number], place))
        .collect();
    assert!(
        found.is_empty(),
        "{:?}: {places:#?}",
        by_kind(&needles, &found)
    );
}

/// A destroyed key is gone when the call returns, from a KMS that goes on.
#[test]
fn nothing_is_left_of_destroyed_keys() {
    let (needles, found) = search("go on");
    let mut kinds = by_kind(&needles, &found);
    // The KMS still has the others.
    kinds.remove("root key");
    assert!(kinds.is_empty(), "{kinds:?}: {found:?}");
}

#[test]
fn the_search_finds_every_key_that_is_held() {
    let (needles, found) = search("forget");
    let kinds = by_kind(&needles, &found);
    println!("{kinds:?}");
    for kind in [
        "DEK",
        "KEK",
        "root key",
        "plaintext",
        "stream sub-key",
        "look-up sub-key",
        "compact state, inner",
        "compact state, outer",
        "inner key of a KEK",
    ] {
        let expected = match kind {
            // Those of the records in the inline form are not held.
            "stream sub-key"
            | "look-up sub-key"
            | "compact state, inner"
            | "compact state, outer" => needles.count(kind) / 2,
            _ => needles.count(kind),
        };
        let held = kinds.get(kind).copied().unwrap_or(0);
        assert!(
            held >= expected && expected > 0,
            "{kind}: {held} of {expected}"
        );
    }
}
