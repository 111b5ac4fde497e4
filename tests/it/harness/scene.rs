//! Everybody that a payment on Solana takes, ready to pay.

use serde_json::{Value, json};

use super::ledger::Ledger;
use super::mint::Mint;
use super::sign_svm::{SvmPayment, SvmTerms};
use super::svm_wire::{Key, Keypair, Transaction};

/// What the payee asks for.
pub(crate) const AMOUNT: u64 = 2_500;
/// What the payer has.
pub(crate) const WEALTH: u64 = 1_000_000;

/// A payer, a payee and a fee payer on a ledger.
pub(crate) struct Scene {
    pub(crate) ledger: Ledger,
    pub(crate) fee_payer: Keypair,
    pub(crate) payer: Keypair,
    pub(crate) terms: SvmTerms,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::with(Mint::token()).await
    }

    pub(crate) async fn with(mint: Mint) -> Self {
        let ledger = Ledger::start().await;
        let mint = ledger.place(mint).await;
        let (fee_payer, pay_to) = (ledger.fee_payer().await, Key::fresh());
        let payer = ledger.payer(&mint, WEALTH).await;
        ledger.fund(&mint, pay_to, 0).await;
        let terms = SvmTerms::new(&mint, pay_to, AMOUNT, fee_payer.key());
        Self {
            ledger,
            fee_payer,
            payer,
            terms,
        }
    }

    pub(crate) async fn payment(&self) -> SvmPayment {
        let blockhash = self.ledger.blockhash().await;
        SvmPayment::new(&self.terms, self.payer.key(), blockhash)
    }

    pub(crate) fn sign(&self, payment: &SvmPayment) -> Transaction {
        payment.signed_by(&self.payer).signed_by(&self.fee_payer)
    }

    /// A payment that everybody has signed.
    pub(crate) async fn signed(&self) -> Transaction {
        self.sign(&self.payment().await)
    }

    /// Sends without a look at it, as facilitators do.
    pub(crate) async fn send(&self, transaction: &Transaction) {
        let sent = self.ledger.submit(transaction, false).await;
        assert_eq!(sent, Ok(json!(transaction.id())));
    }

    pub(crate) async fn received(&self) -> u64 {
        self.ledger.units(&self.terms.mint, self.terms.pay_to).await
    }

    pub(crate) async fn status(&self, transaction: &Transaction) -> Value {
        self.ledger.status(&transaction.id()).await
    }

    pub(crate) async fn confirmation(&self, transaction: &Transaction) -> Value {
        self.status(transaction).await["confirmationStatus"].take()
    }
}
