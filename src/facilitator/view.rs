//! What is told about a settlement on record, and about the service.

use serde::Serialize;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettlementView {
    pub id: String,
    pub payment_key: String,
    pub state: String,
    pub scheme: String,
    pub network: String,
    pub asset: String,
    pub payer: String,
    pub pay_to: String,
    pub amount: String,
    pub transaction: Option<String>,
    pub reason: Option<String>,
    pub delivered: bool,
    pub created_at: i64,
    pub updated_at: i64,
    pub r#final: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub draining: bool,
    pub checks: Vec<Check>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}
