//! Tokens of SoftHSM2, each for one test.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use strongroom_envelope::KeyRef;
use strongroom_envelope_pkcs11::{Limits, Pin, Token};
use strongroom_tenancy::TenantId;

pub(crate) const PIN: &str = "1234-user";

/// With time enough for any call on a busy machine.
pub(crate) const LIMITS: Limits = Limits {
    sessions: 3,
    queue: 16,
    timeout: Duration::from_secs(30),
};

/// For a token that hangs: each call is waited for until its time is over.
pub(crate) const HASTY: Limits = Limits {
    timeout: Duration::from_secs(4),
    ..LIMITS
};

pub(crate) const SO_PIN: &str = "5678-officer";

/// What the library knows is the process's, so one test runs at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A fresh token.
pub(crate) struct SoftToken {
    pub(crate) label: String,
    pub(crate) slot: Slot,
    /// The library as somebody else in this process uses it.
    pub(crate) library: Pkcs11,
    folder: PathBuf,
    token: OnceLock<Token>,
    _alone: MutexGuard<'static, ()>,
}

/// Holds up whatever reads the token, as a token does that hangs.
pub(crate) struct Stall(Child);

pub(crate) fn module() -> PathBuf {
    let missing = "not run: name SoftHSM2's module in STRONGROOM_PKCS11_MODULE and its \
                   configuration in SOFTHSM2_CONF, as `cargo xtask soak --only pkcs11` does";
    assert!(std::env::var_os("SOFTHSM2_CONF").is_some(), "{missing}");
    std::env::var_os("STRONGROOM_PKCS11_MODULE")
        .expect(missing)
        .into()
}

pub(crate) fn library() -> Pkcs11 {
    let library = Pkcs11::new(module()).unwrap();
    let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    // Somebody else may have been first.
    let _ = library.initialize(threads);
    library
}

pub(crate) fn tenant() -> TenantId {
    "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap()
}

pub(crate) fn key() -> KeyRef {
    "tenant-root".parse().unwrap()
}

/// Where the tokens' files lie.
fn token_folder() -> PathBuf {
    let text = std::fs::read_to_string(std::env::var_os("SOFTHSM2_CONF").unwrap()).unwrap();
    let folder = text
        .lines()
        .find_map(|line| line.strip_prefix("directories.tokendir"));
    folder.unwrap().trim_start_matches([' ', '=']).into()
}

fn folders() -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(token_folder()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

impl SoftToken {
    pub(crate) fn fresh() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let label = format!("test-{}-{count}", std::process::id());
        let library = library();
        let before = folders();
        let is_blank = |slot: &Slot| {
            let info = library.get_token_info(*slot).unwrap();
            !info.token_initialized()
        };
        let blank = library.get_all_slots().unwrap().into_iter().find(is_blank);
        let pin = AuthPin::from(SO_PIN);
        library.init_token(blank.unwrap(), &pin, &label).unwrap();
        let mut token = Self {
            label,
            slot: blank.unwrap(),
            library,
            folder: folders().difference(&before).next().unwrap().clone(),
            token: OnceLock::new(),
            _alone: alone,
        };
        token.slot = token.find();
        let session = token.library.open_rw_session(token.slot).unwrap();
        session.login(UserType::So, Some(&pin)).unwrap();
        session.init_pin(&AuthPin::from(PIN)).unwrap();
        session.logout().unwrap();
        token
    }

    fn find(&self) -> Slot {
        let has_label = |slot: &Slot| {
            let info = self.library.get_token_info(*slot).unwrap();
            info.label() == self.label
        };
        let slots = self.library.get_slots_with_initialized_token().unwrap();
        slots.into_iter().find(has_label).unwrap()
    }

    pub(crate) fn token(&self) -> Token {
        self.token.get_or_init(|| self.token_with(PIN)).clone()
    }

    pub(crate) fn token_with(&self, pin: &str) -> Token {
        Token::load(module(), &self.label, Pin::new(pin.into())).unwrap()
    }

    /// A session of somebody else's.
    pub(crate) fn session(&self) -> Session {
        let session = self.library.open_rw_session(self.slot).unwrap();
        let _ = session.login(UserType::User, Some(&AuthPin::from(PIN)));
        session
    }

    /// Holds the locks on the token's files from another process, as SoftHSM2 would wait for them.
    pub(crate) fn stall(&self) -> Stall {
        let script = "import fcntl, glob, sys\n\
                      held = [open(name, 'r+b') for name in glob.glob(sys.argv[1] + '/*')]\n\
                      for file in held: fcntl.lockf(file, fcntl.LOCK_EX)\n\
                      print('held', flush=True)\n\
                      sys.stdin.read()\n";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Stall(child)
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}
