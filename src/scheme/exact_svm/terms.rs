//! The settlement that a payment asks for once it is verified.

use solana_pubkey::Pubkey;

use super::NAME;
use super::checked::{MintFee, Paid, Sponsored};
use crate::chain::svm::ledger::Validity;
use crate::chain::svm::work::{Expect, Kind, Work};
use crate::scheme::verified::Terms;

/// Blocks added to the height that the chain named: it was read while the simulation ran, and the blockhash may be newer. Giving a payment
/// up some seconds late harms nobody.
const LAST_VALID_SLACK: u64 = 16;

pub(super) fn of(sponsored: &Sponsored, paid: &Paid, validity: Validity) -> Terms {
    let transaction = &sponsored.transaction;
    let requested = &sponsored.requested;
    let transfer = &paid.transfer;
    let work = Work {
        kind: paid.kind,
        message: transaction.message_bytes().to_vec(),
        signatures: transaction.client_signatures().to_vec(),
        loaded: transaction.loaded().to_vec(),
        fee_payer: requested.fee_payer,
        last_valid_block_height: validity
            .last_valid_block_height
            .saturating_add(LAST_VALID_SLACK),
    };
    let expect = Expect {
        mint: transfer.mint,
        source: transfer.source,
        authority: transfer.authority,
        destination: transfer.destination,
        amount: transfer.amount,
        gain: match paid.fee {
            MintFee::None => Some(transfer.amount),
            MintFee::Possible => None,
        },
    };
    Terms {
        scheme: NAME,
        network: requested.network.clone(),
        asset: text(&requested.asset),
        payer: text(&transfer.authority),
        pay_to: text(&requested.pay_to),
        amount: requested.amount,
        work: serde_json::to_string(&work).expect("plain data is JSON"),
        expect: serde_json::to_string(&expect).expect("plain data is JSON"),
        required_sender: Some(text(&requested.fee_payer)),
        // No clock ends a blockhash: blocks do, and how long they take is not known. `Work::last_valid_block_height` says when.
        expires_at: i64::MAX,
        batchable: false,
        contract_wallet: paid.kind == Kind::SmartWallet,
    }
}

fn text(key: &Pubkey) -> String {
    key.to_string()
}
