//! Keys and limits on Solana, where addresses are written in base58.

use super::{limited, over_limit};
use crate::harness::facilitator::Facilitator;
use crate::harness::keyring;
use crate::harness::mint::Mint;
use crate::harness::oracle::success;
use crate::harness::scene::Scene;
use crate::harness::svm_world::{self, SvmRequest, SvmWorld};

#[tokio::test]
async fn a_payer_on_solana_has_a_daily_number_of_its_own() {
    let set = |s| limited(s, "[payer]\nsettle_per_day = 1\n");
    let world = SvmWorld::with(Mint::token(), set).await;
    let first = SvmRequest::new(&world.scene).await;
    success(&world.client.settle(&first.body).await);
    let second = SvmRequest::new(&world.scene).await;
    over_limit(
        &world.client.settle(&second.body).await,
        "payer_settle_cap_exceeded",
    );
    world.close().await;
}

#[tokio::test]
async fn a_key_is_bound_to_a_payee_on_solana() {
    let scene = Scene::start().await;
    let settings = svm_world::settings(&scene, scene.ledger.url()).set("API_KEYS", "on");
    let pay_to = scene.terms.pay_to.to_string();
    let payer = scene.payer.key().to_string();
    let own = keyring::create(&settings, "own", &["--pay-to", &pay_to]).await;
    let other = keyring::create(&settings, "other", &["--pay-to", &payer]).await;
    let service = Facilitator::start(settings).await;
    let (client, request) = (service.client(), SvmRequest::new(&scene).await);

    let refused = keyring::call(&client, &other, "/settle", &request.body).await;
    assert_eq!(
        (refused.status.as_u16(), refused.reason()),
        (403, "caller_pay_to_not_allowed")
    );
    success(&keyring::call(&client, &own, "/settle", &request.body).await);
    assert!(service.stop().await);
}
