//! The half of a Permit2 payment that asks the chain.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;

use super::Permitted;
use crate::chain::evm::contracts::{
    ExactPermit2Proxy, PERMIT2, Permit2, PermitTransferFrom, Token, TokenPermissions, Wallet,
};
use crate::chain::evm::reads::{Read, ReadResult};
use crate::chain::evm::work::{Kind, Work};
use crate::protocol::Reason;
use crate::scheme::Refusal;
use crate::scheme::evm::diagnose::{self, Permit2Needs, Permit2State};
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::signed::Fit;
use crate::scheme::evm::simulation::{Attempt, question, wallet_question};
use crate::scheme::evm::sponsoring::Sponsoring;

/// The settlement as it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) struct Trial {
    pub(in crate::scheme) proxy: Address,
    /// The account that the proxy wants to be called by.
    pub(in crate::scheme) from: Option<Address>,
    pub(in crate::scheme) data: Bytes,
    /// What it moves.
    pub(in crate::scheme) amount: U256,
}

impl Trial {
    fn attempt(&self, gas_limit: u64) -> Attempt {
        Attempt {
            to: self.proxy,
            data: self.data.clone(),
            gas_limit,
        }
    }
}

impl Permitted {
    /// The argument that every proxy takes.
    pub(in crate::scheme) fn permit(&self) -> PermitTransferFrom {
        PermitTransferFrom {
            permitted: TokenPermissions {
                token: self.transfer.token,
                amount: self.transfer.amount,
            },
            nonce: self.transfer.nonce,
            deadline: self.transfer.deadline,
        }
    }

    /// Diagnosis before the simulation, as that changes state.
    pub(in crate::scheme) fn read(&self, trial: &Trial) -> Read {
        let (token, owner) = (self.requested.asset, self.owner);
        let allowance = Token::allowanceCall {
            owner,
            spender: PERMIT2,
        };
        let nonces = Permit2::nonceBitmapCall {
            owner,
            word: self.transfer.nonce >> 8,
        };
        let valid = Wallet::isValidSignatureCall {
            digest: self.digest,
            signature: self.signed.bytes.clone(),
        };
        let mut calls = vec![
            question(trial.proxy, ExactPermit2Proxy::PERMIT2Call {}.abi_encode()),
            question(token, Token::balanceOfCall { account: owner }.abi_encode()),
            question(token, allowance.abi_encode()),
            question(PERMIT2, nonces.abi_encode()),
            wallet_question(owner, valid.abi_encode()),
        ];
        let attempts = self.gas_limits(trial).into_iter();
        calls.extend(attempts.map(|gas_limit| trial.attempt(gas_limit).call()));
        Read {
            from: trial.from,
            accounts: vec![owner, token],
            calls,
        }
    }

    /// The gas limits to try it with: the one for payers with code, which is the highest, and where the node does not tell what a call used also the
    /// one for payers without, when that is another.
    fn gas_limits(&self, trial: &Trial) -> Vec<u64> {
        let with_code = Kind::ContractWallet.gas_cap();
        let without_code = self.kind_without_code().gas_cap();
        if trial.from.is_none() || without_code == with_code {
            return vec![with_code];
        }
        vec![with_code, without_code]
    }

    fn kind_without_code(&self) -> Kind {
        match self.sponsoring {
            Sponsoring::Present { .. } => Kind::Permit2With2612,
            Sponsoring::Absent | Sponsoring::Malformed(..) => Kind::Permit2,
        }
    }

    /// Asks the chain, once, and judges what it answered.
    pub(in crate::scheme) async fn confirm(&self, trial: &Trial) -> Result<Work, Refusal> {
        let (payer, answer) = self.chain.ask(&self.read(trial), self.now).await?;
        self.decide(payer, &answer, trial)
    }

    /// Judges what the chain answered to [`Permitted::read`] of the same trial.
    pub(in crate::scheme) fn decide(
        &self,
        payer: Payer,
        answer: &ReadResult,
        trial: &Trial,
    ) -> Result<Work, Refusal> {
        let incomplete = || Refusal::Unavailable("the read is incomplete".to_owned());
        let [_, asset] = &answer.codes[..] else {
            return Err(incomplete());
        };
        let [proxy, balance, allowance, nonces, valid, settle, rest @ ..] = &answer.results[..]
        else {
            return Err(incomplete());
        };
        if asset.is_empty() {
            return Err(self.refused(Reason::AssetNotDeployedContract));
        }
        let kind = self.route(payer, diagnose::accepts(valid))?;
        if let Some((reason, message)) = self.sponsoring.flaw(Some(payer)) {
            return Err(Refusal::Rejected(self.rejected((reason, Some(message)))));
        }
        let state = Permit2State {
            proxy,
            balance,
            allowance,
            nonces,
            timestamp: answer.timestamp,
        };
        let needs = Permit2Needs {
            amount: trial.amount,
            nonce: self.transfer.nonce,
            valid_after: self.transfer.valid_after,
            deadline: self.transfer.deadline,
        };
        let attempt = trial.attempt(kind.gas_cap());
        let settle = match payer {
            Payer::WithCode => settle,
            Payer::WithoutCode => rest.first().unwrap_or(settle),
        };
        let simulated = attempt.judge(settle, kind.gas_cap());
        match diagnose::permit2(&state, &needs, &simulated) {
            None => Ok(attempt.into_work(kind, kind.gas_cap())),
            Some((reason, message)) => {
                let mut rejection = self.rejected((reason, None));
                rejection.message = message;
                Err(Refusal::Rejected(rejection))
            }
        }
    }

    /// Who judges the signature: a payer's code alone where there is any (EIP-7702 delegations too), else ECDSA.
    fn route(&self, payer: Payer, accepted: bool) -> Result<Kind, Refusal> {
        let signed_by_key = matches!(self.signed.fit, Fit::Payer(_));
        match payer {
            Payer::WithCode if accepted => Ok(Kind::ContractWallet),
            Payer::WithoutCode if signed_by_key => Ok(self.kind_without_code()),
            Payer::WithCode | Payer::WithoutCode => {
                Err(self.refused(Reason::InvalidPermit2Signature))
            }
        }
    }
}
