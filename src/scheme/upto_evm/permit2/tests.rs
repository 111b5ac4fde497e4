mod onchain;

use alloy::primitives::{Address, U256};
use serde_json::{Value, json};

use super::*;
use crate::chain::evm::eip712::PermitTransfer;
use crate::scheme::Scheme;
use crate::scheme::evm::eip2612;
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::testing::*;

fn checked(envelope: &Envelope, payload: &Value) -> Upto {
    check(Arc::new(chain(network())), &envelope.payment(payload), NOW).unwrap()
}

fn reason(checked: &Upto) -> Option<Reason> {
    checked.rejection().map(|rejection| rejection.reason)
}

fn signed(change: impl FnOnce(&mut PermitTransfer)) -> Value {
    let mut transfer = PermitTransfer {
        spender: UPTO_PERMIT2_PROXY,
        facilitator: Some(SIGNER),
        ..transfer()
    };
    change(&mut transfer);
    permit2_payload(&transfer)
}

fn requested(change: impl FnOnce(&mut Envelope)) -> Envelope {
    let mut envelope = Envelope {
        scheme: NAME.to_owned(),
        accepted_scheme: NAME.to_owned(),
        ..Envelope::new()
    };
    change(&mut envelope);
    envelope
}

fn ceiling() -> Envelope {
    requested(|_| {})
}

/// A request to charge so much.
fn charge(amount: u64) -> Envelope {
    requested(|e| {
        e.purpose = Purpose::Settle;
        e.amount = amount;
    })
}

#[test]
fn a_ceiling_passes_in_process_and_so_does_every_charge_within_it() {
    let good = signed(|_| {});
    assert_eq!(reason(&checked(&ceiling(), &good)), None);
    for amount in [0, 1, AMOUNT - 1, AMOUNT] {
        assert_eq!(reason(&checked(&charge(amount), &good)), None, "{amount}");
    }
    let without_domain = requested(|e| e.extra.clear());
    assert_eq!(reason(&checked(&without_domain, &good)), None);
}

#[test]
fn one_wrong_member_has_its_own_reason() {
    let other = Address::repeat_byte(9);
    let good = || signed(|_| {});
    for (envelope, payload, expected) in [
        (
            requested(|e| e.accepted_scheme = "exact".to_owned()),
            good(),
            Reason::InvalidUptoEvmScheme,
        ),
        (
            requested(|e| e.accepted_network = "eip155:1".to_owned()),
            good(),
            Reason::InvalidUptoEvmNetworkMismatch,
        ),
        (
            requested(|e| e.asset = other.to_string()),
            good(),
            Reason::AssetNotAllowed,
        ),
        (
            ceiling(),
            signed(|t| t.spender = other),
            Reason::InvalidPermit2Spender,
        ),
        (
            ceiling(),
            signed(|t| t.to = other),
            Reason::InvalidPermit2RecipientMismatch,
        ),
        (
            ceiling(),
            signed(|t| t.facilitator = Some(other)),
            Reason::UptoFacilitatorMismatch,
        ),
        (
            ceiling(),
            signed(|t| t.deadline = U256::from(NOW_SECS + 5)),
            Reason::Permit2DeadlineExpired,
        ),
        (
            ceiling(),
            signed(|t| t.valid_after = U256::from(NOW_SECS + 1)),
            Reason::Permit2NotYetValid,
        ),
        (
            requested(|e| e.amount = AMOUNT - 1),
            good(),
            Reason::Permit2AmountMismatch,
        ),
        (
            ceiling(),
            signed(|t| t.token = other),
            Reason::Permit2TokenMismatch,
        ),
        (
            charge(AMOUNT + 1),
            good(),
            Reason::InvalidUptoEvmSettlementExceedsAmount,
        ),
    ] {
        let checked = checked(&envelope, &payload);
        assert_eq!(reason(&checked), Some(expected), "{payload}");
        assert!(!checked.identity().payment_key.is_empty());
    }
}

#[test]
fn a_ceiling_of_zero_is_none() {
    let of_zero = signed(|t| t.amount = U256::ZERO);
    for (envelope, payload) in [
        (requested(|e| e.amount = 0), signed(|_| {})),
        (requested(|e| e.amount = 0), of_zero.clone()),
        (charge(0), of_zero),
    ] {
        let reason = reason(&checked(&envelope, &payload));
        assert_eq!(reason, Some(Reason::InvalidPaymentRequirements));
    }
}

#[test]
fn the_first_failure_in_the_reference_order_is_reported() {
    let other = Address::repeat_byte(9);
    let late = |t: &mut PermitTransfer| t.deadline = U256::ZERO;
    let both = signed(|t| {
        t.facilitator = Some(other);
        late(t);
    });
    let expected = Some(Reason::UptoFacilitatorMismatch);
    assert_eq!(reason(&checked(&ceiling(), &both)), expected);
    let both = signed(|t| {
        t.to = other;
        t.facilitator = Some(other);
    });
    let expected = Some(Reason::InvalidPermit2RecipientMismatch);
    assert_eq!(reason(&checked(&ceiling(), &both)), expected);
    let expected = Some(Reason::Permit2DeadlineExpired);
    assert_eq!(
        reason(&checked(&charge(AMOUNT + 1), &signed(late))),
        expected
    );
    // A signature that fits nothing comes before a charge that exceeds.
    let mut forged = signed(|_| {});
    forged["signature"] = json!(format!("0x{}1b", "11".repeat(64)));
    let expected = Some(Reason::InvalidPermit2Signature);
    assert_eq!(reason(&checked(&charge(AMOUNT + 1), &forged)), expected);
}

#[test]
fn a_member_that_is_missing_or_no_string_makes_it_another_payload() {
    let chain = Arc::new(chain(network()));
    let refusal = |payload: &Value| {
        let payment = ceiling().payment(payload);
        check(Arc::clone(&chain), &payment, NOW).unwrap_err()
    };
    for member in [
        "from",
        "permitted",
        "spender",
        "nonce",
        "deadline",
        "witness",
    ] {
        for wrong in [json!(null), json!(7)] {
            let mut payload = signed(|_| {});
            payload["permit2Authorization"][member] = wrong;
            let rejection = refusal(&payload);
            assert_eq!(rejection.reason, Reason::UnsupportedPayloadType, "{member}");
            assert_eq!(rejection.payer.as_deref(), Some(""));
        }
    }
    for member in ["to", "facilitator", "validAfter"] {
        let mut payload = signed(|_| {});
        payload["permit2Authorization"]["witness"][member] = json!(7);
        let rejection = refusal(&payload);
        assert_eq!(rejection.reason, Reason::UnsupportedPayloadType, "{member}");
    }
    for (member, wrong) in [("facilitator", "0x12"), ("to", "me"), ("validAfter", "0x0")] {
        let mut payload = signed(|_| {});
        payload["permit2Authorization"]["witness"][member] = json!(wrong);
        assert_eq!(refusal(&payload).reason, Reason::InvalidPayload, "{member}");
    }
}

#[test]
fn every_charge_of_a_ceiling_is_the_same_payment() {
    let good = signed(|_| {});
    let of = |envelope: &Envelope| checked(envelope, &good).identity().clone();
    for amount in [0, 1, AMOUNT] {
        assert_eq!(of(&charge(amount)), of(&ceiling()), "{amount}");
    }
    let exact = permit2_payload(&transfer());
    let payment = Envelope::new().payment(&exact);
    let exact = crate::scheme::exact_evm::tests::scheme().check(&payment, NOW);
    let exact = exact.map(crate::scheme::Check::payment).unwrap();
    let upto = of(&ceiling());
    assert_eq!(exact.identity().payment_key, upto.payment_key, "one nonce");
    assert_ne!(exact.identity().fingerprint, upto.fingerprint);
    let other = signed(|t| t.amount += U256::ONE);
    let other = checked(&charge(1), &other).identity().clone();
    assert_eq!(other.payment_key, upto.payment_key);
    assert_ne!(other.fingerprint, upto.fingerprint);
}

fn sponsored(envelope: Envelope) -> Envelope {
    let id = eip2612::EXTENSION.to_owned();
    let mut envelope = envelope;
    envelope.extensions.insert(id, sponsoring(&permit()));
    envelope
}
