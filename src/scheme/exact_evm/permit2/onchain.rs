//! The half of a Permit2 payment that asks the chain.

use alloy::sol_types::SolCall;
use async_trait::async_trait;

use super::Permitted;
use crate::chain::evm::contracts::{
    EXACT_PERMIT2_PROXY, ExactPermit2Proxy, ExactWitness, PERMIT2, Permit2, PermitTransferFrom,
    Token, TokenPermissions, Wallet,
};
use crate::chain::evm::reads::{Read, ReadResult};
use crate::chain::evm::work::{Guard, Kind, Work};
use crate::protocol::Reason;
use crate::scheme::evm::diagnose::{self, Permit2Needs, Permit2State};
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::signed::Fit;
use crate::scheme::evm::simulation::{Attempt, question, wallet_question};
use crate::scheme::evm::sponsoring::Sponsoring;
use crate::scheme::verified::{Identity, Verified};
use crate::scheme::{Checked, Refusal, Rejection};

impl Permitted {
    fn attempt(&self) -> Attempt {
        let permit = PermitTransferFrom {
            permitted: TokenPermissions {
                token: self.transfer.token,
                amount: self.transfer.amount,
            },
            nonce: self.transfer.nonce,
            deadline: self.transfer.deadline,
        };
        let witness = ExactWitness {
            to: self.transfer.to,
            validAfter: self.transfer.valid_after,
        };
        let (owner, signature) = (self.owner, self.signed.bytes.clone());
        let data = match &self.sponsoring {
            Sponsoring::Absent | Sponsoring::Malformed(..) => ExactPermit2Proxy::settleCall {
                permit,
                owner,
                witness,
                signature,
            }
            .abi_encode(),
            Sponsoring::Present { sponsored, .. } => ExactPermit2Proxy::settleWithPermitCall {
                permit2612: sponsored.argument(),
                permit,
                owner,
                witness,
                signature,
            }
            .abi_encode(),
        };
        Attempt {
            to: EXACT_PERMIT2_PROXY,
            data: data.into(),
            gas_limit: Kind::ContractWallet.gas_cap(),
        }
    }

    /// Diagnosis before the simulation, as that changes state.
    pub(super) fn read(&self) -> Read {
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
        Read {
            accounts: vec![owner, token],
            calls: vec![
                question(
                    EXACT_PERMIT2_PROXY,
                    ExactPermit2Proxy::PERMIT2Call {}.abi_encode(),
                ),
                question(token, Token::balanceOfCall { account: owner }.abi_encode()),
                question(token, allowance.abi_encode()),
                question(PERMIT2, nonces.abi_encode()),
                wallet_question(owner, valid.abi_encode()),
                self.attempt().call(),
            ],
        }
    }

    /// Judges what the chain answered.
    pub(super) fn decide(&self, payer: Payer, answer: &ReadResult) -> Result<Work, Refusal> {
        let incomplete = || Refusal::Unavailable("the read is incomplete".to_owned());
        let [_, asset] = &answer.codes[..] else {
            return Err(incomplete());
        };
        let [proxy, balance, allowance, nonces, valid, settle] = &answer.results[..] else {
            return Err(incomplete());
        };
        if asset.is_empty() {
            return Err(self.refused(Reason::AssetNotDeployedContract));
        }
        let kind = self.route(payer, diagnose::accepts(valid))?;
        if let Some((reason, message)) = self.sponsoring.flaw(Some(payer)) {
            return Err(Refusal::Rejected(self.rejected(reason).because(message)));
        }
        let state = Permit2State {
            proxy,
            balance,
            allowance,
            nonces,
            timestamp: answer.timestamp,
        };
        let needs = Permit2Needs {
            amount: self.transfer.amount,
            nonce: self.transfer.nonce,
            valid_after: self.transfer.valid_after,
            deadline: self.transfer.deadline,
        };
        let attempt = self.attempt();
        let simulated = attempt.judge(settle, kind.gas_cap());
        match diagnose::permit2(&state, &needs, &simulated) {
            None => Ok(attempt.into_work(kind, kind.gas_cap())),
            Some((reason, message)) => {
                let mut rejection = self.rejected(reason);
                rejection.message = message;
                Err(Refusal::Rejected(rejection))
            }
        }
    }

    /// Who judges the signature: a payer's code alone where there is any (EIP-7702 delegations too), else ECDSA.
    fn route(&self, payer: Payer, accepted: bool) -> Result<Kind, Refusal> {
        let signed_by_key = matches!(self.signed.fit, Fit::Payer(_));
        match (payer, &self.sponsoring) {
            (Payer::WithCode, _) if accepted => Ok(Kind::ContractWallet),
            (Payer::WithoutCode, Sponsoring::Present { .. }) if signed_by_key => {
                Ok(Kind::Permit2With2612)
            }
            (Payer::WithoutCode, _) if signed_by_key => Ok(Kind::Permit2),
            (Payer::WithCode | Payer::WithoutCode, _) => {
                Err(self.refused(Reason::InvalidPermit2Signature))
            }
        }
    }
}

#[async_trait]
impl Checked for Permitted {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }

    fn expired(&self) -> Reason {
        Reason::Permit2DeadlineExpired
    }

    async fn verify(self: Box<Self>) -> Result<Verified, Refusal> {
        if let Some(rejection) = self.rejection {
            return Err(Refusal::Rejected(rejection));
        }
        let (payer, answer) = self.chain.ask(&self.read(), self.now).await?;
        let work = self.decide(payer, &answer)?;
        let batchable = work.kind == Kind::Permit2 && self.chain.lists(self.requested.asset);
        let guard = Guard::Permit2 {
            nonce: self.transfer.nonce,
            deadline: self.transfer.deadline,
        };
        let terms = self.requested.terms(self.owner, &work, guard, batchable);
        Ok(Verified::new(self.identity, terms))
    }
}
