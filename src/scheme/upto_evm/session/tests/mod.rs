mod batches;
mod onchain;

use alloy::primitives::{Bytes, U256};
use alloy::signers::SignerSync;
use serde_json::{Value, json};

use super::*;
use crate::chain::evm::eip712::Permit;
use crate::chain::evm::signature::Ecdsa;
use crate::scheme::evm::testing::*;

const CAP: u64 = 5 * AMOUNT;
const SIGNER: Address = Address::repeat_byte(0x51);

fn permit() -> Permit {
    Permit {
        owner: key().address(),
        spender: SIGNER,
        value: U256::from(CAP),
        nonce: U256::from(3),
        deadline: U256::from(NOW_SECS + 600),
    }
}

fn sign(permit: &Permit) -> Bytes {
    let digest = permit.digest(usdc().separator());
    key().sign_hash_sync(&digest).unwrap().as_bytes().into()
}

/// The permit as the buyer posts it.
fn payload(permit: &Permit) -> Value {
    json!({
        "signature": sign(permit),
        "authorization": {
            "from": permit.owner.to_checksum(None),
            "to": permit.spender.to_checksum(None),
            "value": permit.value.to_string(),
            "nonce": permit.nonce.to_string(),
            "validBefore": permit.deadline.to_string(),
        },
    })
}

fn envelope() -> Envelope {
    Envelope {
        scheme: NAME.to_owned(),
        accepted_scheme: NAME.to_owned(),
        ..Envelope::new()
    }
}

fn checked(envelope: &Envelope, payload: &Value) -> Result<Call, Rejection> {
    check(Arc::new(chain(network())), &envelope.payment(payload), NOW)
}

/// The code that the call is refused with, and that its payer is told.
#[track_caller]
fn refused(envelope: &Envelope, payload: &Value) -> Reason {
    let rejection = match checked(envelope, payload) {
        Ok(call) => call.rejection().cloned(),
        Err(rejection) => Some(rejection),
    };
    let rejection = rejection.expect("it is refused");
    let from = &payload["authorization"]["from"];
    assert_eq!(json!(rejection.payer), *from, "the payer is echoed");
    rejection.reason
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut payload = payload(&permit());
    change(&mut payload);
    payload
}

fn permitted(change: impl FnOnce(&mut Permit)) -> Value {
    let mut permit = permit();
    change(&mut permit);
    payload(&permit)
}

fn asked(change: impl FnOnce(&mut Envelope)) -> Envelope {
    let mut envelope = envelope();
    change(&mut envelope);
    envelope
}

#[test]
fn a_good_call_names_its_session_and_its_permit() {
    let call = checked(&envelope(), &payload(&permit())).unwrap();
    assert_eq!(call.rejection(), None);
    assert_eq!(call.amount(), Amount::from(AMOUNT));
    let opening = call.opening();
    assert_eq!(opening.cap, Amount::from(CAP));
    assert_eq!(opening.payer, key().address().to_string());
    assert_eq!(opening.owner, format!("{:#x}", key().address()));
    assert_eq!(opening.spender, format!("{SIGNER:#x}"));
    assert_eq!(opening.pay_to, format!("{PAY_TO:#x}"));
    assert_eq!(opening.deadline, i64::try_from(NOW_SECS).unwrap() + 600);
    assert_eq!(
        opening.permit_key,
        format!(
            "erc2612:84532:{USDC:#x}:{:#x}:{SIGNER:#x}:0x{:064x}",
            key().address(),
            3
        )
    );
    assert_eq!(opening.id.len(), 64);
}

#[test]
fn the_same_permit_in_other_spelling_is_another_name_for_the_same_permit() {
    let plain = checked(&envelope(), &payload(&permit())).unwrap();
    let respelled = [
        changed(|p| {
            let from = p["authorization"]["from"].as_str().unwrap().to_lowercase();
            p["authorization"]["from"] = json!(from);
        }),
        changed(|p| p["authorization"]["nonce"] = json!("0003")),
        changed(|p| {
            let mut bytes = sign(&permit()).to_vec();
            bytes[64] -= 27;
            p["signature"] = json!(Bytes::from(bytes));
        }),
    ];
    for payload in respelled {
        let call = checked(&envelope(), &payload).unwrap();
        assert_eq!(call.rejection(), None, "{payload}");
        assert_ne!(call.opening().id, plain.opening().id);
        assert_eq!(call.opening().permit_key, plain.opening().permit_key);
        assert_eq!(call.opening().fingerprint, plain.opening().fingerprint);
        assert_eq!(
            call.opening().permit,
            plain.opening().permit,
            "v is 27 or 28"
        );
    }
}

#[test]
fn two_permits_of_one_nonce_differ_in_their_fingerprint() {
    let plain = checked(&envelope(), &payload(&permit())).unwrap();
    for payload in [
        permitted(|permit| permit.value += U256::ONE),
        permitted(|permit| permit.deadline += U256::ONE),
    ] {
        let other = checked(&envelope(), &payload).unwrap();
        assert_eq!(other.opening().permit_key, plain.opening().permit_key);
        assert_ne!(other.opening().fingerprint, plain.opening().fingerprint);
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_never_zero() {
    let bad = [
        json!(null),
        json!(5),
        json!(true),
        json!([]),
        json!({}),
        json!(""),
        json!("abc"),
        json!("0x10"),
        json!("-1"),
        json!("+1"),
        json!(" 1"),
        json!("1.0"),
        json!("1e3"),
        json!("9".repeat(79)),
    ];
    for member in ["value", "nonce", "validBefore"] {
        for bad in &bad {
            let payload = changed(|p| p["authorization"][member] = bad.clone());
            let reason = refused(&envelope(), &payload);
            assert_eq!(reason, Reason::InvalidUptoEvmPayload, "{member} = {bad}");
        }
    }
    for bad in ["", "0x", "0xabc", "nonsense", "0xzz"] {
        let payload = changed(|p| p["authorization"]["to"] = json!(bad));
        assert_eq!(
            refused(&envelope(), &payload),
            Reason::InvalidUptoEvmPayload,
            "to = {bad}"
        );
    }
    for bad in [json!(null), json!(7), json!("nonsense"), json!("0xabc")] {
        let payload = changed(|p| p["signature"] = bad.clone());
        assert_eq!(
            refused(&envelope(), &payload),
            Reason::InvalidUptoEvmPayload,
            "{bad}"
        );
    }
}

#[test]
fn a_member_that_is_missing_is_refused() {
    for member in ["nonce", "validBefore", "value"] {
        let payload = changed(|p| {
            p["authorization"].as_object_mut().unwrap().remove(member);
        });
        assert_eq!(
            refused(&envelope(), &payload),
            Reason::InvalidUptoEvmPayload,
            "{member}"
        );
    }
    let unsigned = changed(|p| {
        p.as_object_mut().unwrap().remove("signature");
    });
    assert_eq!(
        refused(&envelope(), &unsigned),
        Reason::InvalidUptoEvmPayload
    );
    // Without an owner nobody is echoed.
    for from in [
        json!(null),
        json!("0x12"),
        json!("alice"),
        json!(Address::ZERO),
    ] {
        let payload = changed(|p| p["authorization"]["from"] = from.clone());
        let rejection = checked(&envelope(), &payload).unwrap_err();
        let told = (rejection.reason, rejection.payer);
        assert_eq!(told, (Reason::InvalidUptoEvmPayload, None), "{from}");
    }
}

#[test]
fn a_payload_without_a_spender_means_the_recipient() {
    let mut ours = permit();
    ours.spender = PAY_TO;
    let payload = |to: Option<Address>| {
        let mut payload = payload(&ours);
        match to {
            Some(to) => payload["authorization"]["to"] = json!(to),
            None => {
                payload["authorization"]
                    .as_object_mut()
                    .unwrap()
                    .remove("to");
            }
        }
        payload
    };
    // The recipient is no account of ours.
    assert_eq!(
        refused(&envelope(), &payload(None)),
        Reason::SpenderNotFacilitator
    );
    let elsewhere = asked(|e| e.pay_to = SIGNER.to_string());
    let mut to_signer = permit();
    to_signer.spender = SIGNER;
    let mut payload = super::tests::payload(&to_signer);
    payload["authorization"]
        .as_object_mut()
        .unwrap()
        .remove("to");
    let call = checked(&elsewhere, &payload).unwrap();
    assert_eq!(call.rejection(), None);
    assert_eq!(call.opening().spender, format!("{SIGNER:#x}"));
}

#[test]
#[rustfmt::skip]
fn every_check_has_its_code() {
    let good = payload(&permit());
    let late = permitted(|permit| permit.deadline = U256::from(NOW_SECS + 5));
    let over = permitted(|permit| permit.deadline = U256::from(NOW_SECS - 1));
    let poor = permitted(|permit| permit.value = U256::from(AMOUNT - 1));
    let foreign = permitted(|permit| permit.spender = Address::repeat_byte(0x52));
    let tampered = changed(|p| p["authorization"]["nonce"] = json!("4"));
    let extra = |name: &str, value: Value| asked(|e| {
        e.extra.insert(name.to_owned(), value);
    });
    let without = |name: &str| asked(|e| {
        e.extra.remove(name);
    });
    let table: [(&str, Envelope, &Value, Reason); 18] = [
        ("accepted scheme", asked(|e| e.accepted_scheme = "exact".into()), &good, Reason::UnsupportedScheme),
        ("required scheme", asked(|e| e.scheme = "exact".into()), &good, Reason::UnsupportedScheme),
        ("network", asked(|e| e.accepted_network = "eip155:1".into()), &good, Reason::NetworkMismatch),
        ("no name", without("name"), &good, Reason::MissingEip712Domain),
        ("no version", without("version"), &good, Reason::MissingEip712Domain),
        ("asset", asked(|e| e.asset = Address::repeat_byte(9).to_string()), &good, Reason::AssetNotAllowed),
        ("spender", envelope(), &foreign, Reason::SpenderNotFacilitator),
        ("cap below the price", envelope(), &poor, Reason::CapTooLow),
        ("cap below the required", extra("maxAmountRequired", json!((CAP + 1).to_string())), &good, Reason::CapBelowRequiredMax),
        ("cap below the hint", extra("maxAmount", json!(CAP + 1)), &good, Reason::CapBelowRequiredMax),
        ("garbage hint", extra("maxAmount", json!("0x10")), &good, Reason::InvalidPaymentRequirements),
        ("price of nothing", asked(|e| e.amount = 0), &good, Reason::InvalidPaymentRequirements),
        ("under six seconds", envelope(), &late, Reason::AuthorizationExpired),
        ("expired", envelope(), &over, Reason::AuthorizationExpired),
        ("signed something else", envelope(), &tampered, Reason::InvalidPermitSignature),
        ("another name", extra("name", json!("Other")), &good, Reason::InvalidPermitSignature),
        ("another version", extra("version", json!("9")), &good, Reason::InvalidPermitSignature),
        ("no recipient", asked(|e| e.pay_to = Address::ZERO.to_string()), &good, Reason::InvalidPaymentRequirements),
    ];
    for (what, envelope, payload, reason) in table {
        assert_eq!(refused(&envelope, payload), reason, "{what}");
    }
}

#[test]
fn the_accepted_asset_is_the_one_that_is_asked_for() {
    for accepted in [None, Some(PAY_TO.to_string()), Some("USDC".to_owned())] {
        let mut payment = envelope().payment(&payload(&permit()));
        payment.accepted_asset = accepted;
        let call = check(Arc::new(chain(network())), &payment, NOW).unwrap();
        let reason = call.rejection().map(|rejection| rejection.reason);
        assert_eq!(reason, Some(Reason::InvalidUptoEvmPayload));
    }
    let mut payment = envelope().payment(&payload(&permit()));
    payment.accepted_asset = Some(format!("{USDC:#x}"));
    let call = check(Arc::new(chain(network())), &payment, NOW).unwrap();
    assert_eq!(call.rejection(), None, "in any case");
}

#[test]
fn bounds_are_inclusive() {
    let exact = permitted(|permit| permit.value = U256::from(AMOUNT));
    let in_time = permitted(|permit| permit.deadline = U256::from(NOW_SECS + 6));
    let hinted = asked(|e| {
        e.extra
            .insert("maxAmountRequired".into(), json!(CAP.to_string()));
        // The first hint counts.
        e.extra.insert("maxAmount".into(), json!("999999999"));
    });
    for (envelope, payload) in [
        (envelope(), exact),
        (envelope(), in_time),
        (hinted, payload(&permit())),
    ] {
        assert_eq!(checked(&envelope, &payload).unwrap().rejection(), None);
    }
}

#[test]
fn what_is_reported_is_the_failure_that_comes_first() {
    let foreign = permitted(|permit| {
        permit.spender = Address::repeat_byte(0x52);
        permit.value = U256::ZERO;
        permit.deadline = U256::ZERO;
    });
    assert_eq!(
        refused(&envelope(), &foreign),
        Reason::SpenderNotFacilitator
    );
    let undomained = asked(|e| e.extra.clear());
    assert_eq!(refused(&undomained, &foreign), Reason::MissingEip712Domain);
    let unreadable = asked(|e| e.accepted_scheme = "exact".into());
    let garbage = changed(|p| p["authorization"]["value"] = json!("abc"));
    assert_eq!(refused(&unreadable, &garbage), Reason::UnsupportedScheme);
}

#[test]
fn a_charge_of_nothing_is_a_call_that_cost_nothing() {
    let settled = asked(|e| {
        e.amount = 0;
        e.purpose = Purpose::Settle;
    });
    let call = checked(&settled, &payload(&permit())).unwrap();
    assert_eq!(call.rejection(), None);
    assert_eq!(call.amount(), Amount::ZERO);
}

#[test]
fn signatures_that_no_token_executes_are_refused() {
    let signed = sign(&permit());
    let with = |bytes: Vec<u8>| changed(|p| p["signature"] = json!(Bytes::from(bytes)));
    let v = |v: u8| {
        let mut bytes = signed.to_vec();
        bytes[64] = v;
        with(bytes)
    };
    for payload in [
        with(vec![]),
        with(signed[..64].to_vec()),
        with([&signed[..], &[0]].concat()),
        with(vec![7; 500]),
        v(2),
        v(29),
        v(255),
    ] {
        assert_eq!(
            refused(&envelope(), &payload),
            Reason::UnsupportedSignatureType
        );
    }
    // The mirror image recovers to the same account, and tokens refuse it.
    let order = alloy::primitives::uint!(
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256
    );
    let mut mirrored = signed.to_vec();
    let s = order - U256::from_be_slice(&signed[32..64]);
    mirrored[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    mirrored[64] = if signed[64] == 27 { 28 } else { 27 };
    let another = with([[3; 64].as_slice(), &[27]].concat());
    for payload in [with(mirrored), another] {
        assert_eq!(
            refused(&envelope(), &payload),
            Reason::InvalidPermitSignature
        );
    }
}

#[test]
fn the_permit_of_a_session_survives_the_database() {
    let call = checked(&envelope(), &payload(&permit())).unwrap();
    let read = SignedPermit::from_json(&call.opening().permit).unwrap();
    assert_eq!(read, call.permit);
    assert_eq!(read.signature, Ecdsa::parse(&sign(&permit())));
    assert_eq!(SignedPermit::from_json("{}"), None);
}
