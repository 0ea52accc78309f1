//! What the process that is searched does with keys.

use std::mem::forget;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pollster::block_on;
use strongroom_envelope::{
    DataKey, Dek, DekId, KekRecord, KeyAdmin as _, Kms as _, LocalKms, LookupKey, Plaintext,
    Purpose, Recipient, TagLength, TenantKeys, WrappedDek, add_recipients, open, rewrap, seal,
};
use zeroize::Zeroizing;

use super::{KEKS, RECORDS, ROOT_VERSIONS, TENANTS, context, key_ref, tenant};

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

pub(super) fn use_keys(kms: &LocalKms, number: u32, is_kept: bool, told: &mut String) {
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
    let wrapped = block_on(kms.wrap(&tenant, &name, &Purpose::Record, &dek)).unwrap();
    let unwrapped = block_on(kms.unwrap(&tenant, &Purpose::Record, &wrapped)).unwrap();
    let under_kek = keys
        .wrap_now(&kek_name, &Purpose::Record, &unwrapped)
        .unwrap();
    let unwrapped = keys.unwrap_now(&Purpose::Record, &under_kek).unwrap();
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
        let (tenant, context) = (tenant(used.number), context());
        block_on(add_recipients(&root, &root, &tenant, &context, inline)).unwrap();
    },
    |_, _, _| drop(Dek::generate().unwrap()),
    |kms, _, used| {
        let dek =
            block_on(kms.unwrap(&tenant(used.number), &Purpose::Record, &used.wrapped)).unwrap();
        used.wrapped = block_on(kms.wrap(
            &tenant(used.number),
            &key_ref("root"),
            &Purpose::Record,
            &dek,
        ))
        .unwrap();
    },
    |kms, _, used| {
        drop(block_on(kms.unwrap(&tenant(used.number), &Purpose::Record, &used.wrapped)).unwrap())
    },
    |_, keys, used| used.under_kek = keys.rewrap_now(&Purpose::Record, &used.under_kek).unwrap(),
    |_, keys, used| drop(keys.unwrap_now(&Purpose::Record, &used.under_kek).unwrap()),
    |_, keys, used| {
        let dek = keys.unwrap_now(&Purpose::Record, &used.under_kek).unwrap();
        drop(data_key(used, &dek));
    },
    |_, keys, used| {
        let key = data_key(
            used,
            &keys.unwrap_now(&Purpose::Record, &used.under_kek).unwrap(),
        );
        used.detached = key
            .seal(&tenant(used.number), &context(), &used.secret)
            .unwrap();
    },
    |_, keys, used| {
        let key = data_key(
            used,
            &keys.unwrap_now(&Purpose::Record, &used.under_kek).unwrap(),
        );
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
        let dek = keys.unwrap_now(&Purpose::Record, &used.under_kek).unwrap();
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
        drop(
            block_on(fresh.unwrap(&tenant(used.number), &Purpose::Record, &used.wrapped)).unwrap(),
        );
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
pub(super) fn use_and_park(kms: &Arc<LocalKms>, told: &mut String) {
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

fn wrap_text(wrapped: &WrappedDek) -> String {
    format!("{} {}", wrapped.key_version, hex::encode(&wrapped.bytes))
}
