//! Sessions that are lost, refused, hung and closed.

use std::time::{Duration, Instant};

use cryptoki::error::{Error, RvError};
use cryptoki::session::UserType;
use pollster::block_on;
use strongroom_envelope::{Dek, KeyAdmin as _, Kms as _, KmsError, Purpose};
use strongroom_envelope_pkcs11::{Limits, Pin, Pkcs11Admin, Pkcs11Kms, Token, TokenError};

use crate::soft_token::{HASTY, LIMITS, PIN, SO_PIN, SoftToken, key, library, module, tenant};

/// What a busy machine may add to a time-out.
const BUSY: Duration = Duration::from_secs(30);

fn connected(token: &SoftToken, limits: Limits) -> (Pkcs11Admin, Pkcs11Kms) {
    let admin = Pkcs11Admin::connect(&token.token(), limits).unwrap();
    block_on(admin.create(&tenant(), &key())).unwrap();
    (admin, Pkcs11Kms::connect(&token.token(), limits).unwrap())
}

fn wrapped(kms: &Pkcs11Kms) -> (Dek, strongroom_envelope::WrappedDek) {
    let dek = Dek::generate().unwrap();
    let wrapped = block_on(kms.wrap(&tenant(), &key(), &Purpose::Record, &dek)).unwrap();
    (dek, wrapped)
}

fn opens(kms: &Pkcs11Kms, (dek, wrapped): &(Dek, strongroom_envelope::WrappedDek)) {
    let opened = block_on(kms.unwrap(&tenant(), &Purpose::Record, wrapped)).unwrap();
    assert_eq!(opened.expose_bytes(), dek.expose_bytes());
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_session_that_was_logged_out_logs_in_again() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token, LIMITS);
    let made = wrapped(&kms);
    for _ in 0..2 * LIMITS.sessions {
        // Logs out every session of this process: none of them sees a key from then on.
        token.session().logout().unwrap();
        opens(&kms, &made);
        token.session().logout().unwrap();
        let absent = "absent".parse().unwrap();
        let described = block_on(kms.describe(&tenant(), &absent));
        assert_eq!(described, Err(KmsError::NotFound));
        token.session().logout().unwrap();
        let created = block_on(admin.create(&tenant(), &key()));
        assert_eq!(created, Err(KmsError::AlreadyExists));
    }
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_module_that_was_finalized_is_initialized_again() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token, LIMITS);
    let made = wrapped(&kms);
    for version in 2..5 {
        library().finalize().unwrap();
        opens(&kms, &made);
        library().finalize().unwrap();
        assert_eq!(block_on(admin.rotate(&tenant(), &key())), Ok(version));
        for _ in 0..4 * LIMITS.sessions {
            opens(&kms, &wrapped(&kms));
        }
    }
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_refused_pin_is_not_tried_again() {
    let token = SoftToken::fresh();
    let wrong = token.token_with("9999-wrong");
    for _ in 0..3 {
        let refused = Pkcs11Kms::connect(&wrong, LIMITS).map(drop);
        let denied = matches!(refused, Err(TokenError::Session(KmsError::Denied)));
        assert!(denied, "{refused:?}");
    }
    // Would the PIN be tried again, it would be taken now.
    let session = token.session();
    session.set_pin(&PIN.into(), &"9999-wrong".into()).unwrap();
    session.logout().unwrap();
    let refused = Pkcs11Admin::connect(&wrong.clone(), LIMITS).map(drop);
    let denied = matches!(refused, Err(TokenError::Session(KmsError::Denied)));
    assert!(denied, "{refused:?}");
    Pkcs11Kms::connect(&token.token_with("9999-wrong"), LIMITS).unwrap();
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_pin_that_was_changed_is_denied() {
    let token = SoftToken::fresh();
    let (_admin, kms) = connected(&token, LIMITS);
    let made = wrapped(&kms);
    let session = token.session();
    session.set_pin(&PIN.into(), &"other-pin".into()).unwrap();
    session.logout().unwrap();
    let opened = block_on(kms.unwrap(&tenant(), &Purpose::Record, &made.1));
    assert_eq!(opened.unwrap_err(), KmsError::Denied);
    let described = block_on(kms.describe(&tenant(), &key()));
    assert_eq!(described, Err(KmsError::Denied));
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_token_is_found_by_its_label() {
    let token = SoftToken::fresh();
    let pin = || Pin::new(PIN.into());
    let absent = Token::load(module(), "nobody", pin());
    assert!(matches!(absent, Err(TokenError::NotFound)));
    let namesake = token
        .library
        .get_all_slots()
        .unwrap()
        .into_iter()
        .find(|slot| {
            let info = token.library.get_token_info(*slot).unwrap();
            !info.token_initialized()
        });
    token
        .library
        .init_token(namesake.unwrap(), &"officer".into(), &token.label)
        .unwrap();
    let two = Token::load(module(), &token.label, pin());
    assert!(matches!(two, Err(TokenError::Ambiguous)));
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn sessions_that_wrap_cannot_write_and_end_with_their_owner() {
    let token = SoftToken::fresh();
    // The token keeps its officer out as long as there is a session that cannot write.
    let officer_comes_in = || {
        let session = token.session();
        session.logout().unwrap();
        let entered = session.login(UserType::So, Some(&SO_PIN.into()));
        if let Err(error) = &entered {
            let because = RvError::SessionReadOnlyExists;
            assert!(matches!(error, Error::Pkcs11(code, _) if *code == because));
        }
        entered.is_ok_and(|()| session.logout().is_ok())
    };
    let admin = Pkcs11Admin::connect(&token.token(), LIMITS).unwrap();
    assert!(officer_comes_in());
    let kms = Pkcs11Kms::connect(&token.token(), LIMITS).unwrap();
    assert!(!officer_comes_in());
    drop(kms);
    assert!(officer_comes_in());

    // And it is not initialized anew as long as there is any session.
    let is_free = || {
        let made_anew = token
            .library
            .init_token(token.slot, &SO_PIN.into(), &token.label);
        made_anew.is_ok()
    };
    assert!(!is_free());
    drop(admin);
    assert!(is_free());
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn a_token_that_hangs_holds_up_nobody() {
    let token = SoftToken::fresh();
    let (admin, kms) = connected(&token, HASTY);
    let made = wrapped(&kms);
    let stall = token.stall();
    let begun = Instant::now();
    let opened = block_on(kms.unwrap(&tenant(), &Purpose::Record, &made.1));
    assert_eq!(opened.unwrap_err(), KmsError::Unavailable);
    let rotated = block_on(admin.rotate(&tenant(), &key()));
    assert_eq!(rotated, Err(KmsError::Unavailable));
    assert!(begun.elapsed() < 2 * HASTY.timeout + BUSY);
    drop(stall);
    opens(&kms, &made);

    let stall = token.stall();
    let opened = block_on(kms.unwrap(&tenant(), &Purpose::Record, &made.1));
    assert_eq!(opened.unwrap_err(), KmsError::Unavailable);
    let begun = Instant::now();
    drop(kms);
    assert!(begun.elapsed() < HASTY.timeout + BUSY);
    drop(stall);
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn debug_shows_no_pin() {
    let token = SoftToken::fresh();
    let told = token.token();
    let text = format!(
        "Token {{ module: {:?}, label: {:?}, .. }}",
        module(),
        token.label
    );
    assert_eq!(format!("{told:?}"), text);
    let kms = Pkcs11Kms::connect(&told, LIMITS).unwrap();
    assert_eq!(
        format!("{kms:?}"),
        format!("Pkcs11Kms {{ token: {text}, .. }}")
    );
    let admin = Pkcs11Admin::connect(&told, LIMITS).unwrap();
    assert_eq!(
        format!("{admin:?}"),
        format!("Pkcs11Admin {{ token: {text}, .. }}")
    );
}
