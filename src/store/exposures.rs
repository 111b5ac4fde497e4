//! What a payer has in flight, and whether the balance bears more.

use sqlx::{Any, Row, Transaction};

use super::row::impossible;
use super::{Result, Submission};
use crate::protocol::{Amount, Network};

/// Payments whose payer's submitted sum, this one included, exceeds the balance. The exposure row is locked first, so two lanes cannot both
/// count before the other writes.
pub(super) async fn crowded_out(
    tx: &mut Transaction<'static, Any>,
    network: &Network,
    mut payments: Vec<Submission>,
) -> Result<Vec<String>> {
    payments.sort_by(|a, b| (&a.asset, &a.payer).cmp(&(&b.asset, &b.payer)));
    let mut crowded = Vec::new();
    for payment in payments {
        sqlx::query(
            "insert into exposures (network, asset, payer, version) values ($1, $2, $3, 0) \
             on conflict (network, asset, payer) do update set version = exposures.version + 1",
        )
        .bind(network.as_str())
        .bind(&payment.asset)
        .bind(&payment.payer)
        .execute(&mut **tx)
        .await?;
        let rows = sqlx::query(
            "select amount from settlements where network = $1 and asset = $2 and payer = $3 and state = 'submitted'",
        )
        .bind(network.as_str())
        .bind(&payment.asset)
        .bind(&payment.payer)
        .fetch_all(&mut **tx)
        .await?;
        let mut sum = Some(Amount::ZERO);
        for row in &rows {
            let text: String = row.try_get("amount")?;
            let amount = Amount::parse(&text).ok_or_else(|| impossible("amount", &text))?;
            sum = sum.and_then(|sum| sum.checked_add(amount));
        }
        if sum.is_none_or(|sum| sum > payment.balance) {
            crowded.push(payment.settlement_id);
        }
    }
    Ok(crowded)
}
