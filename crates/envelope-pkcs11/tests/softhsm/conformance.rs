//! The conformance suite.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pollster::block_on;
use strongroom_envelope::conformance::{self, Candidate, CannotDo, Fault, Task};
use strongroom_envelope::{KeyAdmin, KeyDescription, Kms, KmsError};
use strongroom_envelope_pkcs11::{Pkcs11Admin, Pkcs11Kms};

use crate::soft_token::{HASTY, SoftToken, Stall, key, tenant};

type Call = Pin<Box<dyn Future<Output = Result<KeyDescription, KmsError>> + Send>>;

struct SoftHsm<'t> {
    token: &'t SoftToken,
    kms: Arc<Pkcs11Kms>,
    admin: Pkcs11Admin,
    stall: Mutex<Option<Stall>>,
    crowd: Mutex<Vec<Call>>,
}

impl<'t> SoftHsm<'t> {
    fn new(token: &'t SoftToken) -> Self {
        Self {
            kms: Arc::new(Pkcs11Kms::connect(&token.token(), HASTY).unwrap()),
            admin: Pkcs11Admin::connect(&token.token(), HASTY).unwrap(),
            token,
            stall: Mutex::default(),
            crowd: Mutex::default(),
        }
    }

    /// Occupies the sessions of a token that hangs, and then the queue.
    fn fill(&self) {
        let mut crowd = self.crowd.lock().unwrap();
        let mut refused = 0;
        // A session that is slow to take its call leaves room for one more in the queue.
        while refused < 10 {
            let kms = Arc::clone(&self.kms);
            let mut call: Call = Box::pin(async move { kms.describe(&tenant(), &key()).await });
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Err(KmsError::Throttled)) => {
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Poll::Ready(other) => panic!("{other:?} from a token that hangs"),
                Poll::Pending => crowd.push(call),
            }
        }
    }
}

impl Candidate for SoftHsm<'_> {
    fn kms(&self) -> &dyn Kms {
        &*self.kms
    }

    fn admin(&self) -> &dyn KeyAdmin {
        &self.admin
    }

    fn patience(&self) -> Duration {
        // What comes on top is the machine's, which may be busy.
        HASTY.timeout + Duration::from_secs(20)
    }

    fn begin(&self, fault: Fault) -> Result<(), CannotDo> {
        match fault {
            Fault::Stalled => *self.stall.lock().unwrap() = Some(self.token.stall()),
            Fault::Throttled => {
                *self.stall.lock().unwrap() = Some(self.token.stall());
                self.fill();
            }
            Fault::Unreachable => {
                return Err(CannotDo::new("a token in software is not unplugged"));
            }
            Fault::Denied => {
                return Err(CannotDo::new(
                    "a refused PIN is refused for good: session::a_refused_pin_is_not_tried_again",
                ));
            }
            _ => return Err(CannotDo::new("no such fault here")),
        }
        Ok(())
    }

    fn end(&self, _: Fault) {
        drop(self.stall.lock().unwrap().take());
        self.crowd.lock().unwrap().clear();
    }

    fn drive(&self, task: Task<'_>) -> Result<(), CannotDo> {
        block_on(task);
        Ok(())
    }
}

#[test]
#[ignore = "needs SoftHSM2: cargo xtask soak --only pkcs11"]
fn softhsm_conforms() {
    let token = SoftToken::fresh();
    let report = block_on(conformance::run(&SoftHsm::new(&token)));
    println!("{report}");
    let not_run: Vec<_> = report.not_run().collect();
    assert_eq!(not_run, ["unreachable", "denied"]);
    report.into_result().unwrap();
}
