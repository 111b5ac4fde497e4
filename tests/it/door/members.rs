//! Every member of a good request in turn, replaced by everything it should not be.

use std::collections::BTreeSet;

use alloy::primitives::U256;
use futures::StreamExt;
use serde_json::{Value, json};

use super::{Door, PAYEE, shaped, substituted};
use crate::harness::chain::USDC;

/// A JSON pointer to every member of an object, at any depth.
fn members(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let here = format!("{at}/{name}");
        members(inner, &here, found);
        found.insert(here);
    }
}

/// What may stand in place of a member; `None` is nothing at all.
fn substitutes() -> Vec<Option<Value>> {
    let long = "a".repeat(20_000);
    let some = [
        json!(null),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(true),
        json!("x"),
        json!(""),
        json!({}),
        json!([]),
        json!([{}]),
        json!(long),
        json!("0\u{0}1\n\r\u{1b}[31m\u{7f}"),
        json!("é💸\u{202e}\u{feff}"),
        json!("0x"),
    ];
    some.into_iter().map(Some).chain([None]).collect()
}

/// Whether a payment stays as good as it was: nobody reads the member, or the protocol lets it be so.
fn is_free(pointer: &str, substitute: Option<&Value>, signs_domain: bool) -> bool {
    let unread = [
        "/paymentPayload/resource",
        "/paymentPayload/extensions/unknown",
        "/paymentPayload/accepted/amount",
        "/paymentPayload/accepted/asset",
        "/paymentPayload/accepted/payTo",
        "/paymentPayload/accepted/maxTimeoutSeconds",
        "/paymentPayload/accepted/extra",
        "/paymentRequirements/resource",
        "/paymentRequirements/description",
        "/paymentRequirements/mimeType",
        "/paymentRequirements/extra/assetTransferMethod",
    ];
    let absent = substitute.is_none_or(Value::is_null);
    let absent_or_empty = absent || substitute == Some(&json!({}));
    match pointer {
        "/x402Version" => absent,
        "/paymentPayload/extensions" => absent_or_empty,
        "/paymentRequirements/extra" => absent_or_empty && !signs_domain,
        "/paymentRequirements/extra/name" | "/paymentRequirements/extra/version" => !signs_domain,
        "/paymentRequirements/maxTimeoutSeconds" => {
            let number = substitute.and_then(Value::as_f64);
            number.is_some_and(|number| number > 0.0)
        }
        _ => unread.iter().any(|free| pointer.starts_with(free)),
    }
}

#[tokio::test]
async fn every_member_may_be_anything_and_only_unread_ones_leave_a_payment_valid() {
    let door = Door::open().await;
    for (index, body) in door.payments().await.iter().enumerate() {
        // Permit2 signs no domain of the token.
        let signs_domain = index != 1;
        let mut pointers = BTreeSet::new();
        members(body, "", &mut pointers);
        let substitutes = substitutes();
        let cases = pointers.iter().flat_map(|pointer| {
            substitutes
                .iter()
                .map(move |value| (pointer, value.as_ref()))
        });
        let asked = futures::stream::iter(cases).map(|(pointer, value)| {
            let case = substituted(body, pointer, value);
            let (door, same) = (&door, case == *body);
            let free = same || is_free(pointer, value, signs_domain);
            async move {
                let name = format!("{index} {pointer} = {value:?}");
                let verdict = door.post("/verify", case.to_string()).await;
                shaped(&verdict);
                assert_eq!(
                    verdict.body["isValid"], free,
                    "{name:.200}: {}",
                    verdict.text
                );
                if !free {
                    let outcome = door.post("/settle", case.to_string()).await;
                    shaped(&outcome);
                    assert_eq!(outcome.body["success"], false, "{name:.200}");
                    assert_eq!(outcome.body["transaction"], "", "{name:.200}");
                    assert_eq!(outcome.reason(), verdict.reason(), "{name:.200}");
                }
            }
        });
        asked.buffer_unordered(16).collect::<Vec<()>>().await;
    }
    door.is_untouched().await;
    for body in door.payments().await {
        let outcome = door.client.settle(&body).await;
        assert_eq!(outcome.body["success"], true, "{}", outcome.text);
    }
    let arrived = door.sandbox.balance_of(USDC, PAYEE).await;
    assert_eq!(arrived, U256::from(3 * 2_500));
}
