mod onchain;

use alloy::primitives::{Bytes, bytes};
use alloy::sol_types::SolValue;
use serde_json::{Value, json};

use super::*;
use crate::config::EvmNetwork;
use crate::scheme::Checked;
use crate::scheme::Scheme;
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::testing::*;
use crate::scheme::exact_evm::tests::scheme;

fn checked_on(network: EvmNetwork, envelope: &Envelope, payload: &Value) -> Authorized {
    let payment = envelope.payment(payload);
    let wire::Payload::Eip3009(read) = wire::parse(&payment).unwrap() else {
        panic!("not EIP-3009: {payload}");
    };
    check(Arc::new(chain(network)), &payment, read, NOW).unwrap()
}

fn checked(envelope: &Envelope, payload: &Value) -> Authorized {
    checked_on(network(), envelope, payload)
}

fn reason(checked: &Authorized) -> Option<Reason> {
    checked.rejection().map(|rejection| rejection.reason)
}

/// The reason once the payer's code has been seen.
fn reason_seen(mut checked: Authorized, envelope: &Envelope, payer: Payer) -> Option<Reason> {
    let from = checked.authorization.from;
    checked.chain.remember(from, payer, NOW);
    checked.rejection = checked.flaw(&envelope.payment(&json!({})));
    reason(&checked)
}

fn signed(change: impl FnOnce(&mut Authorization)) -> Value {
    let mut authorization = authorization();
    change(&mut authorization);
    eip3009_payload(&authorization)
}

fn requested(change: impl FnOnce(&mut Envelope)) -> Envelope {
    let mut envelope = Envelope::new();
    change(&mut envelope);
    envelope
}

fn wrapped(factory: Address, inner: &Bytes) -> Bytes {
    let mut bytes = (factory, bytes!("c0ffee"), inner.clone()).abi_encode_params();
    bytes.extend([0x64, 0x92].repeat(16));
    bytes.into()
}

#[test]
fn a_good_payment_passes_in_process() {
    let good = signed(|_| {});
    assert_eq!(reason(&checked(&Envelope::new(), &good)), None);
    let v1 = requested(|e| {
        e.version = Version::V1;
        e.wire_network = "base-sepolia".to_owned();
        e.accepted_network = "base-sepolia".to_owned();
    });
    assert_eq!(reason(&checked(&v1, &good)), None);
    // The edges of the window.
    let edges = signed(|a| {
        a.valid_after = U256::from(NOW_SECS);
        a.valid_before = U256::from(NOW_SECS + 6);
    });
    assert_eq!(reason(&checked(&Envelope::new(), &edges)), None);
}

#[test]
fn one_wrong_requirement_has_its_own_reason() {
    let good = signed(|_| {});
    let other = Address::repeat_byte(9).to_string();
    for (envelope, expected) in [
        (
            requested(|e| e.amount = 0),
            Reason::InvalidPaymentRequirements,
        ),
        (
            requested(|e| e.scheme = "upto".to_owned()),
            Reason::InvalidExactEvmScheme,
        ),
        (
            requested(|e| e.accepted_scheme = "Exact".to_owned()),
            Reason::InvalidExactEvmScheme,
        ),
        (
            requested(|e| drop(e.extra.remove("name"))),
            Reason::InvalidExactEvmMissingEip712Domain,
        ),
        (
            requested(|e| drop(e.extra.insert("version".to_owned(), json!("")))),
            Reason::InvalidExactEvmMissingEip712Domain,
        ),
        (
            requested(|e| e.accepted_network = "eip155:8453".to_owned()),
            Reason::InvalidExactEvmNetworkMismatch,
        ),
        (requested(|e| e.asset = other), Reason::AssetNotAllowed),
    ] {
        let checked = checked(&envelope, &good);
        assert_eq!(reason(&checked), Some(expected), "{envelope:?}");
        assert!(!checked.identity().payment_key.is_empty());
    }
}

#[test]
fn one_wrong_signed_member_has_its_own_reason() {
    let v1 = requested(|e| e.version = Version::V1);
    for (envelope, payload, expected) in [
        (
            Envelope::new(),
            signed(|a| a.to = Address::repeat_byte(9)),
            Reason::InvalidExactEvmRecipientMismatch,
        ),
        (
            Envelope::new(),
            signed(|a| a.valid_before = U256::from(NOW_SECS + 5)),
            Reason::InvalidExactEvmAuthorizationValidBefore,
        ),
        (
            Envelope::new(),
            signed(|a| a.valid_after = U256::from(NOW_SECS + 1)),
            Reason::InvalidExactEvmAuthorizationValidAfter,
        ),
        (
            Envelope::new(),
            signed(|a| a.value += U256::ONE),
            Reason::InvalidExactEvmAuthorizationValueMismatch,
        ),
        (
            Envelope::new(),
            signed(|a| a.value -= U256::ONE),
            Reason::InvalidExactEvmAuthorizationValueMismatch,
        ),
        (
            v1,
            signed(|a| a.value += U256::ONE),
            Reason::InvalidExactEvmAuthorizationValue,
        ),
    ] {
        assert_eq!(reason(&checked(&envelope, &payload)), Some(expected));
    }
}

#[test]
fn windows_beyond_any_clock_are_windows() {
    let open = signed(|a| a.valid_before = U256::MAX);
    assert_eq!(reason(&checked(&Envelope::new(), &open)), None);
    let never = signed(|a| a.valid_after = U256::MAX);
    let expected = Some(Reason::InvalidExactEvmAuthorizationValidAfter);
    assert_eq!(reason(&checked(&Envelope::new(), &never)), expected);
}

#[test]
fn the_first_failure_in_the_reference_order_is_reported() {
    let all_wrong = requested(|e| {
        e.accepted_scheme = "upto".to_owned();
        e.accepted_network = "eip155:1".to_owned();
        e.extra.clear();
    });
    let payload = signed(|a| {
        a.to = Address::repeat_byte(9);
        a.value = U256::ONE;
        a.valid_before = U256::ZERO;
    });
    let expected = Some(Reason::InvalidExactEvmScheme);
    assert_eq!(reason(&checked(&all_wrong, &payload)), expected);
    let expected = Some(Reason::InvalidExactEvmRecipientMismatch);
    assert_eq!(reason(&checked(&Envelope::new(), &payload)), expected);
}

#[test]
fn a_tampered_member_is_a_wrong_signature_unless_a_contract_may_judge_it() {
    let envelope = Envelope::new();
    let mut tampered = signed(|_| {});
    tampered["authorization"]["value"] = json!("1");
    let value = Some(Reason::InvalidExactEvmAuthorizationValueMismatch);
    let signature = Some(Reason::InvalidExactEvmSignature);
    assert_eq!(reason(&checked(&envelope, &tampered)), signature);
    let seen = |payload: &Value, payer| reason_seen(checked(&envelope, payload), &envelope, payer);
    assert_eq!(seen(&tampered, Payer::WithCode), value);
    assert_eq!(seen(&tampered, Payer::WithoutCode), signature);
    tampered["signature"] = json!("0x1234");
    assert_eq!(reason(&checked(&envelope, &tampered)), value);
    assert_eq!(seen(&tampered, Payer::WithoutCode), signature);
}

#[test]
fn a_wrong_signature_alone_is_refused_unasked_only_for_payers_seen_without_code() {
    let envelope = Envelope::new();
    for wrong in [format!("0x{}1b", "11".repeat(64)), "0x".to_owned()] {
        let mut payload = signed(|_| {});
        payload["signature"] = json!(wrong);
        assert_eq!(reason(&checked(&envelope, &payload)), None);
        let seen = |payer| reason_seen(checked(&envelope, &payload), &envelope, payer);
        assert_eq!(seen(Payer::WithCode), None);
        assert_eq!(
            seen(Payer::WithoutCode),
            Some(Reason::InvalidExactEvmSignature)
        );
    }
}

#[test]
fn a_factory_that_is_not_listed_is_refused_for_payers_without_code() {
    let envelope = Envelope::new();
    let mut payload = signed(|_| {});
    payload["signature"] = json!(wrapped(Address::repeat_byte(9), &bytes!("1234")));
    let unlisted = Some(Reason::Eip6492FactoryNotAllowed);
    // A wallet that exists keeps its wrapper for a while: then the factory is of no account.
    assert_eq!(reason(&checked(&envelope, &payload)), None);
    let seen = |payload: &Value, payer| reason_seen(checked(&envelope, payload), &envelope, payer);
    assert_eq!(seen(&payload, Payer::WithCode), None);
    assert_eq!(seen(&payload, Payer::WithoutCode), unlisted);
    payload["signature"] = json!(wrapped(FACTORY, &bytes!("1234")));
    assert_eq!(seen(&payload, Payer::WithoutCode), None);
}

#[test]
fn a_broken_wrapper_makes_the_payload_invalid() {
    let mut payload = signed(|_| {});
    payload["signature"] = json!(format!("0x{}", "6492".repeat(16)));
    let rejection = scheme().check(&Envelope::new().payment(&payload), NOW);
    assert_eq!(rejection.err().unwrap().reason, Reason::InvalidPayload);
}

#[test]
fn requirements_that_are_no_addresses_are_refused() {
    for envelope in [
        requested(|e| e.asset = "USDC".to_owned()),
        requested(|e| e.asset = Address::ZERO.to_string()),
        requested(|e| e.pay_to = "0x123".to_owned()),
        requested(|e| e.pay_to = Address::ZERO.to_string()),
    ] {
        let rejection = scheme().check(&envelope.payment(&signed(|_| {})), NOW);
        let rejection = rejection.err().unwrap();
        assert_eq!(rejection.reason, Reason::InvalidPaymentRequirements);
        assert_eq!(rejection.payer, Some(format!("{:#x}", key().address())));
    }
}

#[test]
fn the_form_of_v_changes_neither_key_nor_proof() {
    let envelope = Envelope::new();
    let payload = signed(|_| {});
    let mut other_form = payload.clone();
    let mut bytes: Vec<u8> = serde_json::from_value::<Bytes>(payload["signature"].clone())
        .unwrap()
        .to_vec();
    bytes[64] -= 27;
    other_form["signature"] = json!(Bytes::from(bytes));
    let one = checked(&envelope, &payload);
    assert_eq!(one.identity(), checked(&envelope, &other_form).identity());
}

#[test]
fn an_asset_that_is_not_listed_may_be_allowed() {
    let open = EvmNetwork {
        any_asset: true,
        ..network()
    };
    let other = requested(|e| e.asset = Address::repeat_byte(9).to_string());
    let expected = Some(Reason::AssetNotAllowed);
    assert_eq!(reason(&checked(&other, &signed(|_| {}))), expected);
    assert_eq!(reason(&checked_on(open, &other, &signed(|_| {}))), None);
}
