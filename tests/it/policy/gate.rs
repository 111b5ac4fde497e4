//! Payers must hold something: balances of the payer that the chain verified, read once in a while.

use serde_json::{Value, json};

use crate::harness::chain::{USDC, WEALTH};
use crate::harness::facilitator::Facilitator;
use crate::harness::oracle::success;
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scene::Scene;
use crate::harness::sign_svm::DEVNET;
use crate::harness::svm_wire::Key;
use crate::harness::svm_world::{self, SvmRequest};
use crate::harness::world::World;

/// `balanceOf`, in a call of its own.
fn balance_reads(world: &World) -> usize {
    let calls = world.proxy.calls("eth_call");
    let is_balance = |call: &&Value| {
        let data = call[0]["data"].as_str().or(call[0]["input"].as_str());
        data.is_some_and(|data| data.starts_with("0x70a08231"))
    };
    calls.iter().filter(is_balance).count()
}

#[tokio::test]
async fn a_payer_who_holds_exactly_enough_is_let_in_and_not_asked_about_again() {
    let gate = format!("eip155:84532/{USDC}={WEALTH}");
    let world = World::with(|s| s.set("TOKEN_GATE", &gate)).await;
    let body = world.eip3009(|_| {});
    assert_eq!(world.client.verify(&body).await.body["isValid"], true);
    let other = world.eip3009(|_| {});
    assert_eq!(world.client.verify(&other).await.body["isValid"], true);
    assert_eq!(balance_reads(&world), 1);
    success(&world.client.settle(&body).await);
    // Less than asked for now; what was read is believed for a while.
    success(&world.client.settle(&other).await);
    world.close().await;
}

#[tokio::test]
async fn holding_one_of_several_tokens_is_enough() {
    let gates = format!("eip155:84532/{USDC}=999999999999999,eip155:84532/{USDC}=1");
    let world = World::with(|s| s.set("TOKEN_GATE", &gates)).await;
    success(&world.client.settle(&world.eip3009(|_| {})).await);
    world.close().await;
}

#[tokio::test]
async fn a_balance_that_cannot_be_read_is_a_no_unless_told_otherwise() {
    for (open, lets_in) in [("false", false), ("true", true)] {
        // Nobody lives there, so the call answers nothing.
        let gate = "eip155:84532/0x00000000000000000000000000000000000dead1=1";
        let world = World::with(|s| s.set("TOKEN_GATE", gate).set("TOKEN_GATE_FAIL_OPEN", open));
        let world = world.await;
        let answer = world.client.verify(&world.eip3009(|_| {})).await;
        assert_eq!(answer.body["isValid"], lets_in, "{}", answer.body);
        if !lets_in {
            assert_eq!(answer.status.as_u16(), 503);
            assert_eq!(answer.reason(), "policy_unavailable");
        }
        world.close().await;
    }
}

#[tokio::test]
async fn on_solana_the_balances_of_all_accounts_of_an_owner_count() {
    let scene = Scene::start().await;
    let mint = Key::fresh();
    for (least, lets_in) in [(300, true), (301, false)] {
        let proxy = Proxy::start(scene.ledger.url()).await;
        let held = |amount: &str| json!({"account": {"data": {"parsed": {"info": {"tokenAmount": {"amount": amount}}}}}});
        let answer = json!({"context": {"slot": 1}, "value": [held("100"), held("200")]});
        let method = "getTokenAccountsByOwner";
        proxy.plan(method, ALWAYS, Fault::Answer(answer));
        let gate = format!("{DEVNET}/{mint}={least}");
        let settings = svm_world::settings(&scene, proxy.url()).set("TOKEN_GATE", &gate);
        let facilitator = Facilitator::start(settings).await;
        let request = SvmRequest::new(&scene).await;

        let answer = facilitator.client().verify(&request.body).await;

        assert_eq!(answer.body["isValid"], lets_in, "{}", answer.body);
        if !lets_in {
            assert_eq!(answer.reason(), "policy_token_gate");
        }
        let asked = proxy.calls(method);
        let payer = scene.payer.key().to_string();
        assert_eq!(
            (&asked[0][0], &asked[0][1]),
            (&json!(payer), &json!({"mint": mint.to_string()}))
        );
        assert!(facilitator.stop().await);
    }
}

#[tokio::test]
async fn nobody_is_asked_about_a_payer_whose_signature_is_not_theirs() {
    let gate = format!("eip155:84532/{USDC}=1");
    let world = World::with(|s| s.set("TOKEN_GATE", &gate)).await;
    let mut body = world.eip3009(|_| {});
    body["paymentPayload"]["payload"]["authorization"]["value"] = "2501".into();
    let answer = world.client.verify(&body).await;
    assert_eq!(answer.body["isValid"], false);
    assert_eq!(balance_reads(&world), 0);
    world.close().await;
}
