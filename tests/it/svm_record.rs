//! Payments on Solana are on record under names in base58, in which case counts.

use serde_json::json;

use crate::harness::oracle::success;
use crate::harness::sign_svm::DEVNET;
use crate::harness::svm_world::{SvmRequest, SvmWorld};

#[tokio::test]
async fn a_settlement_is_on_record_under_its_id_key_and_transaction() {
    let world = SvmWorld::new().await;
    let request = SvmRequest::new(&world).await;
    let transaction = success(&world.client.settle(&request.body).await);
    let get = async |reference: &str| {
        let answer = world.client.get(&format!("/settlements/{reference}")).await;
        assert_eq!(answer.status, 200, "{reference}: {}", answer.text);
        answer.body
    };

    let list = get(&transaction).await;

    let view = list[0].clone();
    assert_eq!(list, json!([view]));
    assert_eq!(view["state"], "settled");
    assert_eq!(view["network"], DEVNET);
    assert_eq!(view["transaction"], transaction);
    assert_eq!(view["payer"], world.payer.key().to_string());
    for name in ["id", "paymentKey"] {
        let name = view[name].as_str().expect("text");
        assert_eq!(get(name).await, view, "{name}");
    }
    let id = view["id"].as_str().expect("text").to_uppercase();
    assert_eq!(get(&id).await, view);
    world.close().await;
}
