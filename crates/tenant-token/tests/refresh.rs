//! The rules of rotation, one by one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use pollster::block_on;
use strongroom_tenancy::{Actor, CapabilitySet};
use strongroom_tenant_token::Authentication;
use strongroom_tenant_token::refresh::{
    ABSOLUTE, Decision, Family, FamilyId, Grant, IDLE, MemoryRefreshStore, RefreshError,
    RefreshStore, RefreshToken, RefreshTokenError, RevokedBecause, Rotated, begin, revoke, rotate,
};

const NOW: u64 = 1_800_000_000;
const CLIENT: &str = "console";

fn grant() -> Grant {
    Grant {
        tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap(),
        actor: Actor::new("user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse().unwrap()),
        capabilities: "chat:create".parse::<CapabilitySet>().unwrap(),
        session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac12000b".parse().unwrap(),
        client_id: CLIENT.to_owned(),
        authentication: Authentication::at(NOW),
    }
}

struct Login {
    store: MemoryRefreshStore,
    first: String,
}

impl Login {
    fn new() -> Self {
        let store = MemoryRefreshStore::default();
        let token = block_on(begin(&store, "acme", grant(), NOW)).unwrap();
        let first = token.expose().to_owned();
        Self { store, first }
    }

    fn present(&self, token: &str, after: u64) -> Result<Rotated, RefreshError> {
        block_on(rotate(&self.store, token, CLIENT, NOW + after))
    }

    fn next(&self, token: &str, after: u64) -> String {
        self.present(token, after)
            .unwrap()
            .token
            .expose()
            .to_owned()
    }

    fn code(&self, token: &str, after: u64) -> &'static str {
        self.present(token, after).unwrap_err().code()
    }

    fn id(&self) -> FamilyId {
        RefreshToken::parse(&self.first).unwrap().family()
    }

    fn row(&self) -> Family {
        block_on(self.store.read(&self.id())).unwrap().unwrap()
    }
}

#[test]
fn a_token_is_good_once() {
    let login = Login::new();
    let rotated = login.present(&login.first, 60).unwrap();
    assert_eq!((rotated.generation, rotated.is_repeat), (1, false));
    assert_eq!(rotated.grant, grant());
    let second = rotated.token.expose().to_owned();
    let third = login.next(&second, 120);
    assert_eq!(login.code(&second, 131), "refresh_reuse_detected");
    for token in [&login.first, &second, &third] {
        assert_eq!(login.code(token, 132), "refresh_revoked");
    }
    let (at, because) = login.row().revoked.unwrap();
    assert_eq!((at, because), (NOW + 131, RevokedBecause::Reuse));
}

/// ASVS 5.0, 10.4.5: reuse revokes all that came of the authorization.
#[test]
fn reuse_tells_whose_access_tokens_to_deny() {
    let login = Login::new();
    login.next(&login.first, 1);
    let Err(RefreshError::ReuseDetected(reuse)) = login.present(&login.first, 60) else {
        panic!("accepted");
    };
    assert_eq!((reuse.family, reuse.grant), (login.id(), grant()));
}

#[test]
fn a_lost_answer_is_given_again_once_and_within_ten_seconds() {
    let login = Login::new();
    let second = login.next(&login.first, 0);
    assert!(login.row().successor.is_some());
    let again = login.present(&login.first, 10).unwrap();
    assert_eq!((again.token.expose(), again.is_repeat), (&*second, true));
    assert_eq!(login.row().successor, None, "deleted at first use");
    assert_eq!(login.code(&login.first, 10), "refresh_reuse_detected");

    let login = Login::new();
    login.next(&login.first, 0);
    assert_eq!(login.code(&login.first, 11), "refresh_reuse_detected");
}

#[test]
fn grace_ends_with_the_successor_s_use() {
    let login = Login::new();
    let second = login.next(&login.first, 0);
    login.next(&second, 1);
    assert_eq!(login.code(&login.first, 2), "refresh_reuse_detected");
}

#[test]
fn a_repeat_does_not_begin_the_ten_seconds_anew() {
    let login = Login::new();
    let second = login.next(&login.first, 0);
    login.next(&login.first, 9);
    login.next(&second, 15);
    assert_eq!(login.code(&second, 26), "refresh_reuse_detected");
}

#[test]
fn grace_is_the_same_client_s_alone() {
    let login = Login::new();
    login.next(&login.first, 0);
    let other = block_on(rotate(&login.store, &login.first, "other", NOW + 1)).unwrap_err();
    assert_eq!(other.code(), "refresh_reuse_detected");
}

#[test]
fn the_newest_token_of_another_client_is_refused_and_stays_good() {
    let login = Login::new();
    let other = block_on(rotate(&login.store, &login.first, "other", NOW)).unwrap_err();
    assert_eq!(other, RefreshError::WrongClient);
    login.next(&login.first, 1);
}

#[test]
fn a_token_that_was_never_given_out_does_nothing() {
    let login = Login::new();
    let stranger = Login::new();
    // Well-formed, of this family, and made up: the other family's secret with a checksum.
    let secret = stranger.first.get(21..64).unwrap();
    let text = format!("acme_rt_{}_{secret}", login.id());
    let forged = (0..=u32::MAX).find_map(|_| checksummed(&text)).unwrap();
    assert_eq!(login.code(&forged, 1), "refresh_unknown");
    let revoked = block_on(revoke(&login.store, &forged, CLIENT, NOW + 1));
    assert_eq!(revoked, Ok(None));
    assert_eq!(login.code(&stranger.first, 1), "refresh_unknown");
    login.next(&login.first, 2);
}

/// The text with its checksum, counted here and not by the crate.
fn checksummed(text: &str) -> Option<String> {
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    let mut value = !crc;
    let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.insert(0, alphabet[usize::try_from(value % 62).unwrap()]);
        value /= 62;
    }
    Some(format!("{text}{}", String::from_utf8(digits).unwrap()))
}

/// ASVS 5.0, 7.3.1 and 10.4.8: an idle and an absolute end.
#[test]
fn families_end() {
    let login = Login::new();
    assert_eq!(login.code(&login.first, IDLE), "refresh_expired");
    let mut token = login.first.clone();
    let mut after = 0;
    while after + IDLE - 1 < ABSOLUTE {
        after += IDLE - 1;
        token = login.next(&token, after);
    }
    assert_eq!(login.code(&token, ABSOLUTE), "refresh_expired");
    login.next(&token, ABSOLUTE - 1);
}

#[test]
fn a_family_is_revoked_by_any_of_its_tokens() {
    let login = Login::new();
    let second = login.next(&login.first, 0);
    let other = block_on(revoke(&login.store, &second, "other", NOW + 1));
    assert_eq!(other, Err(RefreshError::WrongClient));
    let revoked = block_on(revoke(&login.store, &login.first, CLIENT, NOW + 1));
    assert_eq!(revoked, Ok(Some(grant())));
    let row = login.row();
    assert_eq!(row.revoked, Some((NOW + 1, RevokedBecause::Request)));
    assert_eq!(row.successor, None);
    assert_eq!(login.code(&second, 2), "refresh_revoked");
    assert_eq!(login.code(&login.first, 2), "refresh_revoked");
    let again = block_on(revoke(&login.store, &second, CLIENT, NOW + 2));
    assert_eq!(again, Ok(None));
}

#[test]
fn the_sweep_deletes_what_the_grace_no_longer_allows() {
    let login = Login::new();
    login.next(&login.first, 0);
    login.store.forget_successors(NOW);
    assert!(login.row().successor.is_some());
    login.store.forget_successors(NOW + 1);
    assert_eq!(login.row().successor, None);
}

#[test]
fn the_store_holds_no_token() {
    let login = Login::new();
    let second = login.next(&login.first, 0);
    let row = login.row();
    let presented = RefreshToken::parse(&login.first).unwrap();
    assert_eq!(row.parent, Some(presented.hash()));
    let sealed = row.successor.unwrap();
    let given = RefreshToken::parse(&second).unwrap();
    assert_eq!(row.current, given.hash());
    // Another token of the family does not open it.
    let moved = Family {
        parent: Some(given.hash()),
        current: [0; 32],
        ..row.clone()
    };
    let decided = moved.decide(&given, CLIENT, NOW + 1, &[0; 28]);
    assert!(matches!(decided, Decision::Revoke { .. }));
    // Nor does any altered one.
    for at in 0..sealed.len() {
        let mut sealed = sealed;
        sealed[at] ^= 1;
        let altered = Family {
            successor: Some(sealed),
            ..row.clone()
        };
        let decided = altered.decide(&presented, CLIENT, NOW + 1, &[0; 28]);
        assert!(matches!(decided, Decision::Revoke { .. }), "{at}");
    }
}

/// Older tokens cannot open the successor; they are refused before anybody tries, too.
#[test]
fn grace_is_the_immediate_parent_s_alone() {
    let login = Login::new();
    login.next(&login.first, 0);
    let presented = RefreshToken::parse(&login.first).unwrap();
    for parent in [None, Some([0; 32])] {
        let row = Family {
            parent,
            ..login.row()
        };
        let decided = row.decide(&presented, CLIENT, NOW + 1, &[0; 28]);
        assert!(matches!(decided, Decision::Revoke { .. }));
    }
    let second = login.next(&login.first, 1);
    let third = login.next(&second, 2);
    assert_eq!(login.code(&login.first, 2), "refresh_reuse_detected");
    assert_eq!(login.code(&third, 2), "refresh_revoked");
}

#[test]
fn debug_shows_no_secret() {
    let login = Login::new();
    let rotated = login.present(&login.first, 0).unwrap();
    let id = login.id();
    assert_eq!(
        format!("{:?}", rotated.token),
        format!("RefreshToken({id})")
    );
    assert_eq!(
        format!("{:?}", login.row()),
        format!("Family {{ id: FamilyId({id}), version: 1, generation: 1, revoked: None, .. }}")
    );
    assert_eq!(format!("{:?}", login.store), "MemoryRefreshStore(1)");
    let secret = rotated.token.expose().get(21..64).unwrap();
    assert!(!format!("{rotated:?}").contains(secret));
    let decided = login.row().decide(&rotated.token, CLIENT, NOW, &[7; 28]);
    let Decision::Rotate { token, .. } = &decided else {
        panic!("{decided:?}");
    };
    let secret = token.expose().get(21..64).unwrap();
    assert!(!format!("{decided:?}").contains(secret));
}

#[test]
fn a_prefix_is_checked() {
    let store = MemoryRefreshStore::default();
    for prefix in ["", "a", "Acme", "1cme", "ac_me", "acmeacmeacmea"] {
        let refused = block_on(begin(&store, prefix, grant(), NOW)).unwrap_err();
        assert_eq!(refused, RefreshError::Malformed(RefreshTokenError::Prefix));
    }
}
