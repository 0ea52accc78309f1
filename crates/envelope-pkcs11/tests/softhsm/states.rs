//! What lies in the token.

use std::sync::atomic::{AtomicBool, Ordering};

use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use pollster::block_on;
use strongroom_envelope::{
    Dek, Destruction, KeyAdmin as _, KeyDescription, KeyState, Kms as _, KmsError, Provider,
    Purpose, WrappedDek,
};
use strongroom_envelope_pkcs11::{Pkcs11Admin, Pkcs11Kms};

use crate::soft_token::{LIMITS, SoftToken, key, tenant};

const PREFIX: &str = "strongroom/0190b2a4-8c7e-7d3a-9f00-0242ac120002/tenant-root/";

fn connected(token: &SoftToken) -> (Pkcs11Admin, Pkcs11Kms) {
    let admin = Pkcs11Admin::connect(&token.token(), LIMITS).unwrap();
    (admin, Pkcs11Kms::connect(&token.token(), LIMITS).unwrap())
}

fn object(session: &Session, name: &str) -> ObjectHandle {
    let label = Attribute::Label(format!("{PREFIX}{name}").into_bytes());
    let found = session.find_objects(&[label]).unwrap();
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

/// What identifies the first version.
fn identity() -> Vec<Attribute> {
    let id = [tenant().as_bytes().as_slice(), b"tenant-root"].concat();
    vec![
        Attribute::Token(true),
        Attribute::Id(id),
        Attribute::Label(format!("{PREFIX}1").into_bytes()),
    ]
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_key_does_not_leave_the_token_and_does_nothing_else() {
    let token = SoftToken::fresh();
    let (admin, _kms) = connected(&token);
    block_on(admin.create(&tenant(), &key())).unwrap();
    assert_eq!(block_on(admin.rotate(&tenant(), &key())), Ok(2));
    let session = token.session();
    for name in ["1", "2"] {
        let wanted = [
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::AlwaysSensitive(true),
            Attribute::NeverExtractable(true),
            Attribute::Local(true),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
            Attribute::Sign(false),
            Attribute::Verify(false),
            Attribute::Derive(false),
        ];
        let kinds: Vec<_> = wanted.iter().map(Attribute::attribute_type).collect();
        let object = object(&session, name);
        assert_eq!(session.get_attributes(object, &kinds).unwrap(), wanted);
        let value = session.get_attributes(object, &[AttributeType::Value]);
        assert_eq!(value.unwrap(), [], "a sensitive value is not told");
    }
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_wrap_is_gcm_over_the_associated_data() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token);
    block_on(admin.create(&tenant(), &key())).unwrap();
    let dek = Dek::generate().unwrap();
    let wrapped = block_on(kms.wrap(&tenant(), &key(), &Purpose::Record, &dek)).unwrap();
    assert_eq!((wrapped.key_version, wrapped.bytes.len()), (1, 60));
    let session = token.session();
    let object = object(&session, "1");
    let decrypt = |version: u32| {
        let bound = WrappedDek::associated_data(
            Provider::PKCS11,
            &tenant(),
            &key(),
            version,
            &Purpose::Record,
        );
        let (iv, body) = wrapped.bytes.split_at(12);
        let mut iv = iv.to_vec();
        let parameters = GcmParams::new(&mut iv, &bound, 128.into()).unwrap();
        session.decrypt(&Mechanism::AesGcm(parameters), object, body)
    };
    assert_eq!(decrypt(1).unwrap(), dek.expose_bytes());
    assert!(decrypt(2).is_err());
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn states_outlive_the_process_that_set_them() {
    let token = SoftToken::fresh();
    let dek = Dek::generate().unwrap();
    let wrapped = {
        let (admin, kms) = connected(&token);
        block_on(admin.create(&tenant(), &key())).unwrap();
        let wrapped = block_on(kms.wrap(&tenant(), &key(), &Purpose::Record, &dek)).unwrap();
        block_on(admin.rotate(&tenant(), &key())).unwrap();
        block_on(admin.disable(&tenant(), &key())).unwrap();
        wrapped
    };
    let (admin, kms) = connected(&token);
    let described = block_on(kms.describe(&tenant(), &key())).unwrap();
    let wanted = KeyDescription {
        state: KeyState::Disabled,
        active_version: 2,
    };
    assert_eq!(described, wanted);
    block_on(admin.enable(&tenant(), &key())).unwrap();
    let opened = block_on(kms.unwrap(&tenant(), &Purpose::Record, &wrapped)).unwrap();
    assert_eq!(opened.expose_bytes(), dek.expose_bytes());
    block_on(admin.destroy(&tenant(), &key())).unwrap();
    drop((admin, kms));

    let (admin, kms) = connected(&token);
    let opened = block_on(kms.unwrap(&tenant(), &Purpose::Record, &wrapped));
    assert_eq!(opened.unwrap_err(), KmsError::NotFound);
    let created = block_on(admin.create(&tenant(), &key()));
    assert_eq!(created, Err(KmsError::AlreadyExists));
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_destruction_that_was_cut_short_goes_on() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token);
    block_on(admin.create(&tenant(), &key())).unwrap();
    block_on(admin.rotate(&tenant(), &key())).unwrap();
    let session = token.session();
    let tombstone = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Application(b"strongroom".to_vec()),
        Attribute::Label(format!("{PREFIX}destroyed").into_bytes()),
    ];
    session.create_object(&tombstone).unwrap();
    session.destroy_object(object(&session, "1")).unwrap();

    let described = block_on(kms.describe(&tenant(), &key())).unwrap();
    assert_eq!(described.state, KeyState::PendingDestruction);
    let created = block_on(admin.create(&tenant(), &key()));
    assert_eq!(created, Err(KmsError::AlreadyExists));
    let rotated = block_on(admin.rotate(&tenant(), &key()));
    assert_eq!(rotated, Err(KmsError::NotFound));
    let enabled = block_on(admin.enable(&tenant(), &key()));
    assert_eq!(enabled, Err(KmsError::NotFound));
    let destroyed = block_on(admin.destroy(&tenant(), &key()));
    assert_eq!(destroyed, Ok(Destruction::Done));
    let destroyed = block_on(admin.destroy(&tenant(), &key()));
    assert_eq!(destroyed, Err(KmsError::NotFound));
    let id = &identity()[1..2];
    assert_eq!(session.find_objects(id).unwrap(), [], "no version is left");
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_tombstone_cannot_be_written_over() {
    let token = SoftToken::fresh();
    let (admin, _kms) = connected(&token);
    block_on(admin.create(&tenant(), &key())).unwrap();
    block_on(admin.destroy(&tenant(), &key())).unwrap();
    let session = token.session();
    let renamed = [Attribute::Label(b"another".to_vec())];
    let tombstone = object(&session, "destroyed");
    assert!(session.update_attributes(tombstone, &renamed).is_err());
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn both_of_two_objects_of_one_version_open() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token);
    block_on(admin.create(&tenant(), &key())).unwrap();
    let dek = Dek::generate().unwrap();
    let first = block_on(kms.wrap(&tenant(), &key(), &Purpose::Record, &dek)).unwrap();
    // As another administrator would have made it in the same moment.
    let session = token.session();
    let mut twin = identity();
    twin.extend([
        Attribute::ValueLen(32.into()),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ]);
    let twin = session.generate_key(&Mechanism::AesKeyGen, &twin).unwrap();
    let bound =
        WrappedDek::associated_data(Provider::PKCS11, &tenant(), &key(), 1, &Purpose::Record);
    let mut iv = [7; 12];
    let parameters = GcmParams::new(&mut iv, &bound, 128.into()).unwrap();
    let body = session
        .encrypt(&Mechanism::AesGcm(parameters), twin, dek.expose_bytes())
        .unwrap();
    let second = WrappedDek {
        bytes: [[7; 12].as_slice(), &body].concat(),
        ..first.clone()
    };
    for wrapped in [first, second] {
        let opened = block_on(kms.unwrap(&tenant(), &Purpose::Record, &wrapped)).unwrap();
        assert_eq!(opened.expose_bytes(), dek.expose_bytes());
    }
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_key_that_its_token_would_give_out_is_not_used() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token);
    let session = token.session();
    for (sensitive, extractable) in [(true, true), (false, false)] {
        let mut planted = identity();
        planted.extend([
            Attribute::ValueLen(32.into()),
            Attribute::Private(true),
            Attribute::Sensitive(sensitive),
            Attribute::Extractable(extractable),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ]);
        session
            .generate_key(&Mechanism::AesKeyGen, &planted)
            .unwrap();
        let dek = Dek::generate().unwrap();
        let wrapped = block_on(kms.wrap(&tenant(), &key(), &Purpose::Record, &dek));
        assert_eq!(wrapped.unwrap_err(), KmsError::NotFound);
        let rotated = block_on(admin.rotate(&tenant(), &key()));
        assert_eq!(rotated, Err(KmsError::NotFound));
    }
}

/// SoftHSM2's threads get in one another's way when one of them writes: not so here.
#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn rotations_under_load_fail_nobody() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token);
    block_on(admin.create(&tenant(), &key())).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    let dek = Dek::generate().unwrap();
                    let wrapped =
                        block_on(kms.wrap(&tenant(), &key(), &Purpose::Record, &dek)).unwrap();
                    let opened =
                        block_on(kms.unwrap(&tenant(), &Purpose::Record, &wrapped)).unwrap();
                    assert_eq!(opened.expose_bytes(), dek.expose_bytes());
                }
            });
        }
        let rotated: Vec<_> = (0..30)
            .map(|_| block_on(admin.rotate(&tenant(), &key())))
            .collect();
        is_over.store(true, Ordering::Release);
        assert_eq!(rotated, (2..32).map(Ok).collect::<Vec<_>>());
    });
}
