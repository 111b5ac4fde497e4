mod onchain;

use serde_json::{Value, json};

use alloy::primitives::{Address, U256};

use super::*;
use crate::chain::evm::eip712::Permit;
use crate::chain::evm::eip712::PermitTransfer;
use crate::scheme::evm::eip2612;
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::testing::*;
use crate::scheme::exact_evm::wire::{Payload, parse};

fn checked_on(open: bool, envelope: &Envelope, payload: &Value) -> Exact {
    let payment = envelope.payment(payload);
    let Payload::Permit2(read) = parse(&payment).unwrap() else {
        panic!("not Permit2: {payload}");
    };
    let mut network = network();
    network.any_asset = open;
    check(Arc::new(chain(network)), &payment, read, NOW).unwrap()
}

fn checked(envelope: &Envelope, payload: &Value) -> Exact {
    checked_on(false, envelope, payload)
}

fn reason(checked: &Exact) -> Option<Reason> {
    checked.rejection().map(|rejection| rejection.reason)
}

/// The reason once the payer's code has been seen.
fn reason_seen(mut checked: Exact, envelope: &Envelope, payer: Payer) -> Option<Reason> {
    let permitted = &checked.permitted;
    permitted.chain.remember(permitted.owner, payer, NOW);
    checked.rejection = flaw(permitted, &envelope.payment(&json!({})));
    reason(&checked)
}

fn signed(change: impl FnOnce(&mut PermitTransfer)) -> Value {
    let mut transfer = transfer();
    change(&mut transfer);
    permit2_payload(&transfer)
}

fn requested(change: impl FnOnce(&mut Envelope)) -> Envelope {
    let mut envelope = Envelope::new();
    change(&mut envelope);
    envelope
}

fn sponsored(change: impl FnOnce(&mut Permit)) -> Envelope {
    let mut permit = permit();
    change(&mut permit);
    requested(|e| {
        let id = eip2612::EXTENSION.to_owned();
        e.extensions.insert(id, sponsoring(&permit));
    })
}

#[test]
fn a_good_payment_passes_in_process() {
    let good = signed(|_| {});
    assert_eq!(reason(&checked(&Envelope::new(), &good)), None);
    assert_eq!(reason(&checked(&sponsored(|_| {}), &good)), None);
    let without_domain = requested(|e| e.extra.clear());
    assert_eq!(reason(&checked(&without_domain, &good)), None);
    let edges = signed(|t| {
        t.valid_after = U256::from(NOW_SECS);
        t.deadline = U256::from(NOW_SECS + 6);
    });
    assert_eq!(reason(&checked(&Envelope::new(), &edges)), None);
}

#[test]
fn one_wrong_member_has_its_own_reason() {
    let other = Address::repeat_byte(9);
    let good = || signed(|_| {});
    let plain = Envelope::new;
    for (envelope, payload, expected) in [
        (
            requested(|e| e.amount = 0),
            good(),
            Reason::InvalidPaymentRequirements,
        ),
        (
            requested(|e| e.accepted_scheme = "upto".to_owned()),
            good(),
            Reason::UnsupportedPayloadType,
        ),
        (
            requested(|e| e.accepted_network = "eip155:1".to_owned()),
            good(),
            Reason::InvalidExactEvmNetworkMismatch,
        ),
        (
            requested(|e| e.asset = other.to_string()),
            good(),
            Reason::AssetNotAllowed,
        ),
        (
            plain(),
            signed(|t| t.spender = other),
            Reason::InvalidPermit2Spender,
        ),
        (
            plain(),
            signed(|t| t.to = other),
            Reason::InvalidPermit2RecipientMismatch,
        ),
        (
            plain(),
            signed(|t| t.deadline = U256::from(NOW_SECS + 5)),
            Reason::Permit2DeadlineExpired,
        ),
        (
            plain(),
            signed(|t| t.valid_after = U256::from(NOW_SECS + 1)),
            Reason::Permit2NotYetValid,
        ),
        (
            plain(),
            signed(|t| t.amount += U256::ONE),
            Reason::Permit2AmountMismatch,
        ),
        (
            plain(),
            signed(|t| t.token = other),
            Reason::Permit2TokenMismatch,
        ),
        (
            sponsored(|p| p.spender = other),
            good(),
            Reason::Eip2612SpenderNotPermit2,
        ),
        (
            sponsored(|p| p.value += U256::ONE),
            good(),
            Reason::Permit2Permit2612AmountMismatch,
        ),
    ] {
        let checked = checked(&envelope, &payload);
        assert_eq!(reason(&checked), Some(expected), "{payload}");
        assert!(!checked.identity().payment_key.is_empty());
    }
}

#[test]
fn the_first_failure_in_the_reference_order_is_reported() {
    // A tampered field comes before the signature here, unlike in EIP-3009.
    let mut tampered = signed(|_| {});
    tampered["permit2Authorization"]["permitted"]["amount"] = json!("1");
    let expected = Some(Reason::Permit2AmountMismatch);
    assert_eq!(reason(&checked(&Envelope::new(), &tampered)), expected);
    // The signature comes before the permit.
    let bad_permit = sponsored(|p| p.deadline = U256::ZERO);
    let mut unsigned = signed(|_| {});
    unsigned["signature"] = json!(format!("0x{}1b", "11".repeat(64)));
    let expected = Some(Reason::InvalidPermit2Signature);
    assert_eq!(reason(&checked(&bad_permit, &unsigned)), expected);
    unsigned["signature"] = json!("0x1234");
    let expected = Some(Reason::Eip2612DeadlineExpired);
    assert_eq!(reason(&checked(&bad_permit, &unsigned)), expected);
}

#[test]
fn windows_beyond_any_clock_are_windows() {
    let open = signed(|t| t.deadline = U256::MAX);
    assert_eq!(reason(&checked(&Envelope::new(), &open)), None);
    let never = signed(|t| t.valid_after = U256::MAX);
    let expected = Some(Reason::Permit2NotYetValid);
    assert_eq!(reason(&checked(&Envelope::new(), &never)), expected);
}

#[test]
fn a_wrong_signature_alone_is_refused_unasked_only_for_payers_seen_without_code() {
    let envelope = Envelope::new();
    let mut payload = signed(|_| {});
    payload["signature"] = json!(format!("0x{}1b", "11".repeat(64)));
    assert_eq!(reason(&checked(&envelope, &payload)), None);
    let seen = |payer| reason_seen(checked(&envelope, &payload), &envelope, payer);
    assert_eq!(seen(Payer::WithCode), None);
    let expected = Some(Reason::InvalidPermit2Signature);
    assert_eq!(seen(Payer::WithoutCode), expected);
}

#[test]
fn the_permit_is_part_of_the_proof() {
    let good = signed(|_| {});
    let plain = checked(&Envelope::new(), &good);
    let with_permit = checked(&sponsored(|_| {}), &good);
    assert_eq!(
        plain.identity().fingerprint,
        with_permit.identity().fingerprint
    );
    assert_ne!(plain.identity().proof, with_permit.identity().proof);
}
