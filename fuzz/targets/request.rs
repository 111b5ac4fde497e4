//! The body of `/verify` and `/settle`, both versions, both families: never panics, holds no more than its size explains, and says the same
//! of the same body.

#![no_main]

use std::sync::LazyLock;

use fuzz::deployment::Deployment;
use fuzz::memory;
use libfuzzer_sys::fuzz_target;
use x402_facilitator::protocol::Reason;
use x402_facilitator::scheme::{Checked, Rejection};

static DEPLOYMENT: LazyLock<Deployment> =
    LazyLock::new(|| Deployment::new(&[("SVM_SMART_WALLETS", "on")]));
/// Most bytes held beside the copies that are made of a body.
const MEMORY_MIN: usize = 256 * 1024;
/// Copies of a body, at most: JSON of short texts takes more in memory than on the wire.
const COPIES: usize = 64;

fuzz_target!(|body: &[u8]| {
    LazyLock::force(&DEPLOYMENT);
    let most = MEMORY_MIN + COPIES * body.len();
    let first = memory::within(most, || DEPLOYMENT.check(body));
    let Some((_, first)) = first else { return };
    let (_, again) = DEPLOYMENT.check(body).expect("it was read before");
    assert_eq!(told(&first), told(&again));
    if let Err(rejection) = &first {
        let code = rejection.reason.as_str();
        assert_eq!(Reason::parse(code), Some(rejection.reason));
    }
});

/// Everything that is decided before a chain is asked.
fn told(checked: &Result<Box<dyn Checked>, Rejection>) -> String {
    match checked {
        Ok(checked) => format!("{:?} {:?}", checked.identity(), checked.rejection()),
        Err(rejection) => format!("{rejection:?}"),
    }
}
