//! Codes in plain words, for people who only want to know what happened.

/// What a settlement's state means, and the look of its sign.
#[rustfmt::skip]
pub(super) fn state(state: &str) -> (&'static str, &'static str, &'static str) {
    match state {
        "queued" => ("Waiting", "", "The payment was checked and waits to be sent."),
        "submitted" => ("On its way", "", "The payment was sent to the network. Its outcome is not known yet."),
        "settled" => ("Settled", "good", "The money arrived."),
        "settled_elsewhere" => ("Paid elsewhere", "warn", "Somebody else’s transaction paid this, on the same terms. The money arrived, but not through this service."),
        "failed" => ("Failed", "bad", "The payment did not go through. No money moved."),
        "expired" => ("Expired", "bad", "The buyer’s permission ran out before the payment could be made. No money moved."),
        "closed" => ("Closed", "", "Nothing was charged, and the buyer’s permission can be charged no more."),
        "released" => ("Not sent", "warn", "The payment was given up before anything was sent. No money moved; it can be tried again."),
        _ => ("Unknown", "", "This version does not know the state that is on record."),
    }
}

/// What a reason means. Codes without words of their own are named by themselves.
#[rustfmt::skip]
pub(super) fn reason(code: &str) -> Option<&'static str> {
    Some(match code {
        "settlement_capacity_exceeded" => "There was no room to send it in time. Nothing was sent.",
        "settlement_pending" => "The outcome is not known yet.",
        "duplicate_settlement" => "This payment was made once already.",
        "invalid_exact_evm_nonce_already_used" | "permit2_invalid_nonce" => "The buyer’s permission was used or cancelled before.",
        "invalid_exact_evm_insufficient_balance" | "permit2_insufficient_balance" => "The buyer did not have enough of the token.",
        "invalid_exact_evm_transaction_failed" => "The transaction reached the chain and the token refused it.",
        "invalid_exact_evm_transfer_event_mismatch" => "The transaction went through and did not pay what was agreed.",
        "invalid_exact_evm_transaction_simulation_failed" | "permit2_simulation_failed" => "A trial run right before sending failed.",
        "invalid_exact_evm_signature" | "invalid_permit2_signature" | "invalid_exact_svm_payload_signature_invalid" => "The signature is not the buyer’s.",
        "invalid_exact_evm_payload_authorization_valid_before" | "permit2_deadline_expired" => "The buyer’s permission ran out.",
        "invalid_exact_evm_payload_authorization_valid_after" | "permit2_not_yet_valid" => "The buyer’s permission is not valid yet.",
        "permit2_allowance_required" => "The buyer has not allowed Permit2 to move the token.",
        _ => return None,
    })
}
