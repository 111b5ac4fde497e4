//! Whether the store holds what the model says, down to each hold.

use proptest::test_runner::TestCaseError;
use sqlx::Row;
use x402_facilitator::store::SessionState;

use super::super::{permit, units};
use super::act::{World, id};
use super::decide::Act;
use super::expected::{Account, Claim, Entry, State};

/// Unix milliseconds at which histories begin.
const BEGINNING: i64 = 1_700_000_000_000;

impl World {
    /// The touched account and the newest two; everything when all may have been touched.
    pub(super) async fn compare(&self, context: &str, act: Act) -> Result<(), TestCaseError> {
        if matches!(act, Act::Open { .. }) {
            return self.compare_all(context).await;
        }
        let newest = self.model.accounts.len().saturating_sub(2);
        for (nonce, expected) in self.model.accounts.iter().enumerate() {
            if nonce == act.account() || nonce >= newest {
                self.compare_one(context, nonce, expected).await?;
            }
        }
        self.compare_end(context).await
    }

    pub(super) async fn compare_all(&self, context: &str) -> Result<(), TestCaseError> {
        for (nonce, expected) in self.model.accounts.iter().enumerate() {
            self.compare_one(context, nonce, expected).await?;
        }
        self.compare_end(context).await
    }

    /// No session is there that the model does not have.
    async fn compare_end(&self, context: &str) -> Result<(), TestCaseError> {
        let one_more = permit(self.model.accounts.len() as u64);
        let ahead = self.replicas[1].store.session(&one_more.id).await;
        agree(context, &ahead.expect("read").is_some(), &false)
    }

    async fn compare_one(
        &self,
        context: &str,
        nonce: usize,
        expected: &Account,
    ) -> Result<(), TestCaseError> {
        let id = id(nonce);
        let read = self.replicas[1].store.session_account(&id).await;
        let Some((session, totals, batches)) = read.expect("the account adds up") else {
            return agree(context, &"no session", &"a session");
        };
        let sums = [
            totals.held,
            totals.pending,
            totals.in_flight,
            totals.settled,
        ];
        let sums = sums.map(units);
        let whole: u64 = sums.iter().sum();
        agree(context, &(whole <= units(session.cap)), &true)?;
        let state = match session.state {
            SessionState::Open => State::Open,
            SessionState::Closing => State::Closing,
            SessionState::Closed => State::Closed,
            SessionState::Failed => State::Failed,
        };
        let stages = batches.iter().map(|batch| batch.state.as_str());
        let found = (sums, state, stages.collect::<Vec<_>>());
        let stages = expected.batches.iter().map(|batch| batch.1.name());
        let wanted = (expected.sums(), expected.state, stages.collect());
        agree(context, &found, &wanted)?;
        agree(context, &self.entries(&id).await, &expected.entries())
    }

    /// Every hold of a session. Sums do not show one of nothing, nor which of two equal ones was taken.
    async fn entries(&self, id: &str) -> Vec<Entry> {
        let rows = sqlx::query(
            "select amount, state, charged, expires_at, verify_key, settle_key from holds where session_id = $1",
        );
        let rows = rows.bind(id).fetch_all(&self.reader).await.expect("read");
        let mut entries: Vec<_> = rows
            .iter()
            .map(|row| {
                let number = |text: String| text.parse::<u64>().expect("a small number");
                let key = |name: &str| {
                    let key: Option<String> = row.get(name);
                    key.map(|key| key.parse::<u8>().expect("ours"))
                };
                let charged: Option<String> = row.get("charged");
                let claim = match (row.get::<String, _>("state").as_str(), charged) {
                    ("held", None) => Claim::Free,
                    ("charged", Some(charged)) => Claim::Charged(number(charged)),
                    ("released", Some(charged)) if charged == "0" => Claim::Released,
                    other => panic!("{other:?}"),
                };
                Entry {
                    amount: number(row.get("amount")),
                    expires: (row.get::<i64, _>("expires_at") - BEGINNING) / 1000,
                    claim,
                    verify_key: key("verify_key"),
                    settle_key: key("settle_key"),
                }
            })
            .collect();
        entries.sort_unstable();
        entries
    }
}

pub(super) fn agree<T: PartialEq + std::fmt::Debug>(
    context: &str,
    real: &T,
    expected: &T,
) -> Result<(), TestCaseError> {
    if real == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!(
        "{context}: {real:?} instead of {expected:?}"
    )))
}
