//! Which request or event an operation is, by what the account is at the time.

use super::Operation;
use super::act::World;
use super::expected::{Stage, State};

/// An operation with everything decided that a request would bring along. `account` and `batch` are places in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Hold {
        account: usize,
        amount: u64,
        key: Option<u8>,
    },
    Charge {
        account: usize,
        amount: u64,
        key: Option<u8>,
    },
    Track {
        account: usize,
        amount: u64,
        key: Option<u8>,
    },
    Expire {
        account: usize,
    },
    /// A closed account whose settlement fell is looked at.
    Fall {
        account: usize,
    },
    Batch {
        account: usize,
        sequence: usize,
        amount: u64,
    },
    Send {
        account: usize,
        batch: usize,
    },
    Settle {
        account: usize,
        batch: usize,
    },
    Revert {
        account: usize,
        batch: usize,
    },
    Reorg {
        account: usize,
        batch: usize,
    },
    Finalise {
        account: usize,
        batch: usize,
    },
    Release {
        account: usize,
        batch: usize,
    },
    Close {
        account: usize,
    },
    Open {
        nonce: usize,
    },
    GiveUp {
        account: usize,
    },
}

impl Act {
    /// The account that it is about; the newest possible for one that opens.
    pub(super) fn account(self) -> usize {
        match self {
            Self::Hold { account, .. }
            | Self::Charge { account, .. }
            | Self::Track { account, .. }
            | Self::Expire { account }
            | Self::Fall { account }
            | Self::Batch { account, .. }
            | Self::Send { account, .. }
            | Self::Settle { account, .. }
            | Self::Revert { account, .. }
            | Self::Reorg { account, .. }
            | Self::Finalise { account, .. }
            | Self::Release { account, .. }
            | Self::Close { account }
            | Self::GiveUp { account }
            | Self::Open { nonce: account } => account,
        }
    }
}

impl World {
    /// Fills in what a request would bring along. Calls go to the newest session; the chain takes the oldest batch that fits.
    pub(super) fn decide(&self, operation: Operation) -> Option<Act> {
        let account = self.model.accounts.len() - 1;
        let newest = &self.model.accounts[account];
        Some(match operation {
            Operation::Advance { .. } => return None,
            Operation::Hold { amount, key } => Act::Hold {
                account,
                amount,
                key,
            },
            Operation::Charge { amount, key } => Act::Charge {
                account,
                amount,
                key,
            },
            Operation::Track { amount, key } => Act::Track {
                account,
                amount,
                key,
            },
            Operation::Expire => {
                let fallen = |account: &usize| {
                    let account = &self.model.accounts[*account];
                    account.state == State::Closed && account.sums()[1] > 0
                };
                match (0..account).find(fallen) {
                    Some(account) => Act::Fall { account },
                    None => Act::Expire { account },
                }
            }
            Operation::Batch { most } => Act::Batch {
                account,
                sequence: newest.batches.len(),
                amount: most.min(newest.sums()[1]),
            },
            Operation::Send => self.oldest(&[Stage::Queued], |account, batch| Act::Send {
                account,
                batch,
            })?,
            Operation::Settle => self.oldest(&[Stage::Sent], |account, batch| Act::Settle {
                account,
                batch,
            })?,
            Operation::Revert => self.oldest(&[Stage::Sent], |account, batch| Act::Revert {
                account,
                batch,
            })?,
            Operation::Reorg => {
                let mined = [Stage::Settled, Stage::Failed];
                self.oldest(&mined, |account, batch| Act::Reorg { account, batch })?
            }
            Operation::Finalise => {
                let mined = [Stage::Settled, Stage::Failed];
                self.oldest(&mined, |account, batch| Act::Finalise { account, batch })?
            }
            Operation::Release => self.oldest(&[Stage::Queued], |account, batch| Act::Release {
                account,
                batch,
            })?,
            Operation::Close => Act::Close { account },
            Operation::Open => Act::Open { nonce: account + 1 },
            Operation::GiveUp if newest.state == State::Closed => return None,
            Operation::GiveUp => Act::GiveUp { account },
        })
    }

    fn oldest(&self, stages: &[Stage], act: impl Fn(usize, usize) -> Act) -> Option<Act> {
        let accounts = self.model.accounts.iter().enumerate();
        let mut fitting = accounts.flat_map(|(account, of)| {
            let batches = of.batches.iter().enumerate();
            let fitting = batches.filter(|(_, batch)| stages.contains(&batch.1));
            fitting.map(move |(batch, _)| (account, batch))
        });
        fitting.next().map(|(account, batch)| act(account, batch))
    }
}
