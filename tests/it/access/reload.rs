//! SIGHUP: limits are read again without a restart, and a file that cannot be read changes nothing.

use super::{limited, over_limit};
use crate::harness::binary::Binary;
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::Settings;
use crate::harness::oracle::Payment;

#[tokio::test]
async fn a_hang_up_signal_reads_the_limits_again() {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let payer = sandbox.payers(1).await.remove(0);
    let settings = limited(
        Settings::new(sandbox.url()),
        "[anonymous]\nverify_per_minute = 0\n",
    );
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    let body = Payment::new(&payer).body;
    let answer = program.client.verify(&body).await;
    over_limit(&answer, "seller_verify_cap_exceeded");

    let file = settings.path().join("limits.toml");
    std::fs::write(&file, "[anonymous]\nverify_per_minute = 100\n").expect("written");
    over_limit(
        &program.client.verify(&body).await,
        "seller_verify_cap_exceeded",
    );
    program.signal("HUP").await;
    program.said("a file was read again").await;
    assert_eq!(program.client.verify(&body).await.body["isValid"], true);

    std::fs::write(&file, "[anonymous]\nverify_per_minut = 0\n").expect("written");
    program.signal("HUP").await;
    let said = program.said("a file could not be read again").await;
    assert!(
        said.contains("LIMITS_FILE") && said.contains("verify_per_minut"),
        "{said}"
    );
    assert_eq!(program.client.verify(&body).await.body["isValid"], true);
}

#[tokio::test]
async fn without_a_limits_file_a_hang_up_signal_ends_nothing() {
    let settings = Settings::new("http://127.0.0.1:1").set("EVM_NETWORKS", "");
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    program.signal("HUP").await;
    program.said("a file was read again").await;
    assert_eq!(program.client.get("/healthz").await.status, 200);
}
