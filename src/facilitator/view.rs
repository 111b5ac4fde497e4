//! A settlement as `GET /settlements/{reference}` shows it: for reconciliation, never a signal to release goods.

use serde::Serialize;

use crate::store::{Settlement, Stage};

/// Times are unix milliseconds, the amount atomic units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettlementView {
    pub id: String,
    pub payment_key: String,
    pub state: &'static str,
    pub scheme: String,
    pub network: String,
    pub asset: String,
    pub payer: String,
    pub pay_to: String,
    pub amount: String,
    pub transaction: Option<String>,
    pub reason: Option<&'static str>,
    /// Whether some caller was told the success.
    pub delivered: bool,
    /// Whether the chain can still take it back.
    pub r#final: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

impl From<Settlement> for SettlementView {
    fn from(settlement: Settlement) -> Self {
        let (transaction, reason, delivered, is_final) = match &settlement.stage {
            Stage::Queued { earlier } => (earlier.clone(), None, false, false),
            Stage::Submitted { transaction } => (Some(transaction.clone()), None, false, false),
            Stage::Settled { proof, delivered } => (
                Some(proof.transaction.clone()),
                None,
                delivered.is_some(),
                proof.is_final,
            ),
            Stage::Closed { delivered } => (None, None, delivered.is_some(), true),
            Stage::SettledElsewhere { transaction } => {
                (Some(transaction.clone()), None, false, false)
            }
            Stage::Failed {
                reason,
                transaction,
                ..
            } => (transaction.clone(), Some(reason.as_str()), false, false),
            Stage::Expired { transaction } => (transaction.clone(), None, false, false),
            Stage::Released { reason, .. } => (None, Some(reason.as_str()), false, true),
        };
        Self {
            state: settlement.stage.name(),
            id: settlement.id,
            payment_key: settlement.payment_key,
            scheme: settlement.scheme,
            network: settlement.network.to_string(),
            asset: settlement.asset,
            payer: settlement.payer,
            pay_to: settlement.pay_to,
            amount: settlement.amount.to_string(),
            transaction,
            reason,
            delivered,
            r#final: is_final,
            created_at: settlement.created_at,
            updated_at: settlement.updated_at,
        }
    }
}
