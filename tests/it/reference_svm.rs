//! The control for Solana: the stock facilitator accepts and settles on our ledger what our harness signs and what the stock clients pay.
//! When these pass and ours fail, it is our facilitator.

use serde_json::Value;
use tokio::process::Child;

use crate::harness::http::Client;
use crate::harness::ledger::Ledger;
use crate::harness::mint::Mint;
use crate::harness::npm;
use crate::harness::sign_svm::{DEVNET, SvmPayment, SvmTerms};
use crate::harness::svm_wire::{Key, Keypair, Version};

const AMOUNT: u64 = 2_500;
const WEALTH: u64 = 1_000_000;

/// The stock facilitator before a ledger.
struct Reference {
    ledger: Ledger,
    fee_payer: Keypair,
    url: String,
    client: Client,
    _process: Child,
}

impl Reference {
    async fn start() -> Self {
        let ledger = Ledger::start().await;
        let fee_payer = ledger.fee_payer().await;
        let arguments = ["--rpc", ledger.url(), "--key", &fee_payer.secret()];
        let (process, said) = npm::serve("reference-svm.mjs", &arguments).await;
        let url = said["url"].as_str().unwrap_or_default().to_owned();
        Self {
            client: Client::new(&url),
            ledger,
            fee_payer,
            url,
            _process: process,
        }
    }

    /// What a new payee with an empty account asks for.
    async fn terms(&self, mint: &Mint) -> SvmTerms {
        let pay_to = Key::fresh();
        self.ledger.fund(mint, pay_to, 0).await;
        SvmTerms::new(mint, pay_to, AMOUNT, self.fee_payer.key())
    }

    /// Verifies and settles, and asserts that exactly the amount arrived.
    async fn accepts(&self, terms: &SvmTerms, request: &Value) {
        let before = self.ledger.units(&terms.mint, terms.pay_to).await;
        let verdict = self.client.verify(request).await;
        assert_eq!(verdict.body["isValid"], true, "{:?}", verdict.body);
        let outcome = self.client.settle(request).await;
        assert_eq!(outcome.body["success"], true, "{:?}", outcome.body);
        let after = self.ledger.units(&terms.mint, terms.pay_to).await;
        assert_eq!(after - before, AMOUNT);
    }
}

fn mints() -> [Mint; 2] {
    [Mint::token(), Mint::token_2022(&[])]
}

#[tokio::test]
async fn speaks_both_versions() {
    let reference = Reference::start().await;

    let answer = reference.client.get("/supported").await;

    let kinds = answer.body["kinds"].as_array().unwrap();
    let speaks = |version: u64, network: &str| {
        kinds.iter().any(|kind| {
            kind["x402Version"] == version
                && kind["network"] == network
                && kind["extra"]["feePayer"] == reference.fee_payer.key().to_string()
        })
    };
    assert!(speaks(1, "solana-devnet") && speaks(2, DEVNET));
}

#[tokio::test]
async fn accepts_our_payments() {
    let reference = Reference::start().await;
    let ledger = &reference.ledger;
    for mint in mints() {
        let mint = ledger.place(mint).await;
        let payer = ledger.payer(&mint, WEALTH).await;
        let terms = reference.terms(&mint).await;
        for version in [Version::Legacy, Version::Numbered(0)] {
            let blockhash = ledger.blockhash().await;
            let mut payment = SvmPayment::new(&terms, payer.key(), blockhash);
            payment.version = version;
            let signed = payment.signed_by(&payer);
            reference.accepts(&terms, &terms.v2(&signed)).await;

            let mut payment = SvmPayment::new(&terms, payer.key(), blockhash);
            payment.version = version;
            let signed = payment.signed_by(&payer);
            let request = terms.v1("solana-devnet", &signed);
            reference.accepts(&terms, &request).await;
        }
    }
}

#[tokio::test]
async fn stock_clients_pay() {
    let reference = Reference::start().await;
    let ledger = &reference.ledger;
    for mint in mints() {
        let mint = ledger.place(mint).await;
        let payer = ledger.payer(&mint, WEALTH).await;
        let terms = reference.terms(&mint).await;
        let fee_payer = reference.fee_payer.key();
        let before = ledger.lamports(fee_payer).await;

        let (key, pay_to) = (payer.secret(), terms.pay_to.to_string());
        let asset = mint.key.to_string();
        #[rustfmt::skip]
        let arguments = [
            "--facilitator", &reference.url, "--rpc", ledger.url(), "--count", "2",
            "--key", &key, "--pay-to", &pay_to, "--asset", &asset,
        ];
        for script in ["pay-svm.mjs", "pay-svm-v1.mjs"] {
            let (paid, told) = npm::run(script, &arguments).await;
            assert!(paid, "{script}: {told}");
        }

        assert_eq!(ledger.units(&mint, terms.pay_to).await, 4 * AMOUNT);
        assert_eq!(ledger.units(&mint, payer.key()).await, WEALTH - 4 * AMOUNT);
        // Two signatures each, and the least for priority.
        assert_eq!(before - ledger.lamports(fee_payer).await, 4 * 10_001);
    }
}

#[tokio::test]
async fn refuses_a_payment_to_somebody_else() {
    let reference = Reference::start().await;
    let ledger = &reference.ledger;
    let mint = ledger.place(Mint::token()).await;
    let payer = ledger.payer(&mint, WEALTH).await;
    let terms = reference.terms(&mint).await;
    let other = reference.terms(&mint).await;
    let payment = SvmPayment::new(&other, payer.key(), ledger.blockhash().await);

    let request = terms.v2(&payment.signed_by(&payer));
    let verdict = reference.client.verify(&request).await;

    let reason = "invalid_exact_svm_payload_recipient_mismatch";
    assert_eq!(verdict.body["invalidReason"], reason);
}
