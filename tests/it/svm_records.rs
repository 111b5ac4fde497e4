//! What is on record about payments on Solana, under every name that people have for it.

use crate::harness::oracle::{success, text};
use crate::harness::svm_world::{SvmRequest, SvmWorld};

#[tokio::test]
async fn a_record_is_found_by_what_people_copy() {
    let world = SvmWorld::new().await;
    let request = SvmRequest::new(&world).await;
    assert_eq!(
        success(&world.client.settle(&request.body).await),
        request.id
    );
    let found = |reference: String| {
        let client = world.client.clone();
        async move { client.get(&format!("/settlements/{reference}")).await }
    };

    let list = found(request.id.clone()).await.body;
    let one = &list[0];
    let (id, key) = (text(&one["id"]), text(&one["paymentKey"]));
    let (network, hash) = key.rsplit_once(':').unwrap();
    for reference in [
        id.to_uppercase(),
        key.clone(),
        format!("{network}:{}", hash.to_uppercase()),
    ] {
        assert_eq!(found(reference).await.body, *one);
    }
    // In base58 another case is another name.
    for reference in [
        request.id.to_lowercase(),
        format!("{}:{hash}", network.to_lowercase()),
    ] {
        assert_eq!(found(reference).await.status, 404);
    }
    world.close().await;
}
