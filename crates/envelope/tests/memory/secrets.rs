//! The keys that the other process had, and what it derived from them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use pollster::block_on;
use sha2::{Digest as _, Sha256};
use strongroom_envelope::{
    DataKey, Dek, DekId, KeyLocation, Kms as _, LocalKms, Plaintext, Provider, Purpose, WrappedDek,
    inspect,
};
use strongroom_tenancy::TenantId;

use super::search::Needles;
use super::{TENANTS, context, key_ref, tenant};

/// The keys that the process had, from what it told.
pub(super) fn needles(directory: &Path, lines: &[String]) -> Needles {
    let mut needles = Needles::default();
    let kms = LocalKms::open(directory).unwrap();
    let unwrap = |tenant: &TenantId, purpose: &Purpose, version: &str, bytes: &str| {
        let wrapped = WrappedDek {
            provider: Provider::LOCAL,
            key_ref: key_ref("root"),
            key_version: version.parse().unwrap(),
            bytes: hex::decode(bytes).unwrap(),
        };
        block_on(kms.unwrap(tenant, purpose, &wrapped)).unwrap()
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
                let purpose = Purpose::Kek {
                    name: key_ref(&format!("user:{kek_number}")),
                    version: 1,
                    created_at: 0,
                };
                let kek = unwrap(&tenant(number), &purpose, version, wrapped);
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
                let dek = unwrap(&tenant, &Purpose::Record, version, wrapped);
                needles.add("DEK", dek.expose_bytes());
                let detached = hex::decode(detached).unwrap();
                add_derived(&mut needles, &dek, &tenant, &detached);

                let inline = hex::decode(inline).unwrap();
                let KeyLocation::Inline(wraps) = inspect(&inline).unwrap().key else {
                    panic!("the second record is inline");
                };
                let dek = block_on(kms.unwrap(&tenant, &Purpose::Record, &wraps[0])).unwrap();
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
