//! Payments end to end: a real chain, balances read by the test itself.

use alloy::primitives::{Address, U256, address};
use serde_json::{Value, json};

use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::Facilitator;
use crate::harness::sign::{Eip3009, Terms};

const PAYEE: Address = address!("0x00000000000000000000000000000000000cafe1");

#[tokio::test]
async fn an_eip_3009_payment_of_an_eoa_is_verified_and_settled() {
    let sandbox = Sandbox::start().await;
    let facilitator = Facilitator::on(&sandbox).await;
    let payer = sandbox.payers(1).await.remove(0);
    let terms = Terms::usdc(PAYEE, 2500);
    let body = terms.v2(
        &Eip3009::new(&terms, payer.address()).signed_by(&payer),
        &Value::Null,
    );

    let verified = facilitator.client().verify(&body).await;
    assert_eq!(
        (verified.status.as_u16(), &verified.body),
        (
            200,
            &json!({"isValid": true, "payer": payer.address().to_checksum(None)})
        )
    );
    assert_eq!(sandbox.balance_of(USDC, PAYEE).await, U256::ZERO);

    let settled = facilitator.client().settle(&body).await;
    assert_eq!(settled.body["success"], true, "{}", settled.body);
    assert_eq!(sandbox.balance_of(USDC, PAYEE).await, U256::from(2500));
    assert!(facilitator.stop().await);
}
