//! The conformance suite of `strongroom-envelope`, against the fake.

use std::time::Duration;

use strongroom_envelope::conformance::{self, Candidate, CannotDo, Fault, Task};
use strongroom_envelope::{KeyAdmin, Kms};
use strongroom_envelope_aws::{AwsKeyAdmin, AwsKms, CallLimits, PendingWindow};
use tokio::runtime::{Builder, Handle};

use crate::fake::{self, ADMIN, Fake, SERVICE};

const LIMITS: CallLimits = CallLimits {
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(1),
    call: Duration::from_secs(3),
    attempts: 3,
};

struct OnTheFake {
    fake: Fake,
    kms: AwsKms,
    admin: AwsKeyAdmin,
    runtime: Handle,
}

impl Candidate for OnTheFake {
    fn kms(&self) -> &dyn Kms {
        &self.kms
    }

    fn admin(&self) -> &dyn KeyAdmin {
        &self.admin
    }

    fn begin(&self, fault: Fault) -> Result<(), CannotDo> {
        let planted = match fault {
            Fault::Throttled => fake::Fault::Refuse("ThrottlingException"),
            Fault::Stalled => fake::Fault::Hang,
            Fault::Unreachable => fake::Fault::Disconnect,
            Fault::Denied => fake::Fault::Refuse("AccessDeniedException"),
            other => return Err(CannotDo::new(format!("the fake knows no {other}"))),
        };
        for action in fake::SERVICE_MAY.iter().chain(fake::ADMIN_MAY) {
            self.fake.plant(action, usize::MAX, planted.clone());
        }
        Ok(())
    }

    fn end(&self, _: Fault) {
        self.fake.forget_faults();
    }

    fn drive(&self, task: Task<'_>) -> Result<(), CannotDo> {
        let _entered = self.runtime.enter();
        pollster::block_on(task);
        Ok(())
    }
}

#[test]
fn it_conforms() {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start());
    let _entered = runtime.enter();
    let candidate = OnTheFake {
        kms: AwsKms::new(fake.config(SERVICE), LIMITS),
        admin: AwsKeyAdmin::new(fake.config(ADMIN), LIMITS, PendingWindow::SHORTEST),
        fake,
        runtime: runtime.handle().clone(),
    };
    let report = pollster::block_on(conformance::run(&candidate));
    println!("{report}");
    assert_eq!(
        report
            .into_result()
            .map_err(|failures| failures.to_string()),
        Ok(())
    );
}
