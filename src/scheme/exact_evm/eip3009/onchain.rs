//! The half of an EIP-3009 payment that asks the chain.

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::SolCall;
use async_trait::async_trait;

use super::diagnose::{self, Eip3009Needs, Eip3009State};
use super::{Authorized, reason_of};
use crate::chain::evm::contracts::{MULTICALL3, Multicall3, Token, Wallet};
use crate::chain::evm::eip712::Authorization;
use crate::chain::evm::reads::{Read, ReadResult};
use crate::chain::evm::work::{Guard, Kind, Work};
use crate::protocol::Reason;
use crate::scheme::evm::diagnose::accepts;
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::signed::{Deploys, Fit};
use crate::scheme::evm::simulation::{Attempt, question, wallet_question};
use crate::scheme::verified::{Identity, Verified};
use crate::scheme::{Checked, Refusal, Rejection};

impl Authorized {
    /// The transfer as a call of the token itself.
    fn plain(&self) -> Attempt {
        Attempt {
            to: self.requested.asset,
            data: transfer(&self.authorization, &self.signed.bytes),
            gas_limit: Kind::ContractWallet.gas_cap(),
        }
    }

    /// Deployment and transfer in one transaction: the factory is called by Multicall3, which owns nothing, never by an account of ours.
    fn deploying(&self) -> Option<Attempt> {
        let Deploys::ByListed(factory) = self.deploys else {
            return None;
        };
        let deployment = self.signed.deployment.as_ref()?;
        let call = |target, may_fail, data| Multicall3::Call3 {
            target,
            allowFailure: may_fail,
            callData: data,
        };
        let transfer = transfer_by_wallet(&self.authorization, &self.signed.bytes);
        let calls = vec![
            // Somebody else may have deployed it a moment ago: then the wallet is there all the same.
            call(deployment.factory, true, deployment.calldata.clone()),
            call(self.requested.asset, false, transfer),
        ];
        Some(Attempt {
            to: MULTICALL3,
            data: Multicall3::aggregate3Call { calls }.abi_encode().into(),
            gas_limit: Kind::Eip6492.gas_cap().saturating_add(factory.gas),
        })
    }

    /// Diagnosis before the simulations, as these change state; the plain one first, as it fails without a trace where the wallet is missing.
    pub(super) fn read(&self) -> Read {
        let (token, from) = (self.requested.asset, self.authorization.from);
        let used = Token::authorizationStateCall {
            authorizer: from,
            nonce: self.authorization.nonce,
        };
        let valid = Wallet::isValidSignatureCall {
            digest: self.digest,
            signature: self.signed.bytes.clone(),
        };
        let mut calls = vec![
            question(token, used.abi_encode()),
            question(token, Token::nameCall {}.abi_encode()),
            question(token, Token::versionCall {}.abi_encode()),
            question(token, Token::balanceOfCall { account: from }.abi_encode()),
            wallet_question(from, valid.abi_encode()),
            self.plain().call(),
        ];
        calls.extend(self.deploying().map(|attempt| attempt.call()));
        Read {
            from: None,
            accounts: vec![from, token, MULTICALL3],
            calls,
        }
    }

    /// Judges what the chain answered.
    pub(super) fn decide(&self, payer: Payer, answer: &ReadResult) -> Result<Work, Refusal> {
        let incomplete = || Refusal::Unavailable("the read is incomplete".to_owned());
        let [_, asset, multicall3] = &answer.codes[..] else {
            return Err(incomplete());
        };
        let [nonce_used, name, version, balance, valid, plain, rest @ ..] = &answer.results[..]
        else {
            return Err(incomplete());
        };
        let kind = self.route(payer, accepts(valid))?;
        if asset.is_empty() {
            return Err(self.refused(Reason::AssetNotDeployedContract));
        }
        let (attempt, result) = match (kind, self.deploying(), rest) {
            // Without code Multicall3 would accept everything and do nothing.
            (Kind::Eip6492, Some(attempt), [result]) if !multicall3.is_empty() => (attempt, result),
            (Kind::Eip6492, _, _) => {
                return Err(Refusal::Rejected(
                    self.rejected(Reason::InvalidExactEvmTransactionSimulationFailed)
                        .because("wallets cannot be deployed on this network"),
                ));
            }
            _ => (self.plain(), plain),
        };
        let gas_limit = if kind == Kind::Eip6492 {
            attempt.gas_limit
        } else {
            kind.gas_cap()
        };
        let state = Eip3009State {
            nonce_used,
            name,
            version,
            balance,
            timestamp: answer.timestamp,
        };
        let simulated = attempt.judge(result, gas_limit);
        match diagnose::eip3009(&state, &self.needs(), &simulated) {
            None => Ok(attempt.into_work(kind, gas_limit)),
            Some((reason, message)) => {
                let mut rejection = self.rejected(reason);
                rejection.message = message;
                Err(Refusal::Rejected(rejection))
            }
        }
    }

    /// Who judges the signature: a payer's code alone where there is any (EIP-7702 delegations too), else ECDSA.
    fn route(&self, payer: Payer, accepted: bool) -> Result<Kind, Refusal> {
        match payer {
            Payer::WithCode if accepted => return Ok(Kind::ContractWallet),
            Payer::WithCode => return Err(self.refused(Reason::InvalidExactEvmSignature)),
            Payer::WithoutCode => {}
        }
        if let Some(flaw) = self.signed.flaw_without_code(self.deploys) {
            return Err(self.refused(reason_of(flaw)));
        }
        Ok(match self.signed.fit {
            Fit::Payer(_) => Kind::Eip3009,
            Fit::Another | Fit::Opaque => Kind::Eip6492,
        })
    }

    fn needs(&self) -> Eip3009Needs<'_> {
        Eip3009Needs {
            name: &self.domain.name,
            version: &self.domain.version,
            amount: self.requested.amount,
            valid_after: self.authorization.valid_after,
            valid_before: self.authorization.valid_before,
        }
    }
}

#[async_trait]
impl Checked for Authorized {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }

    fn is_over(&self) -> bool {
        self.is_late()
    }

    fn expired(&self) -> Reason {
        Reason::InvalidExactEvmAuthorizationValidBefore
    }

    async fn verify(self: Box<Self>) -> Result<Verified, Refusal> {
        if let Some(rejection) = self.rejection {
            return Err(Refusal::Rejected(rejection));
        }
        let (payer, answer) = self.chain.ask(&self.read(), self.now).await?;
        let work = self.decide(payer, &answer)?;
        let batchable = work.kind == Kind::Eip3009 && self.chain.lists(self.requested.asset);
        let guard = Guard::Eip3009 {
            nonce: self.authorization.nonce,
            valid_before: self.authorization.valid_before,
        };
        let from = self.authorization.from;
        let terms = self.requested.terms(from, &work, guard, batchable);
        Ok(Verified::new(self.identity, terms))
    }
}

/// The overload with `v, r, s` for 65 bytes, which every EIP-3009 token has; the one with `bytes` for anything longer or shorter.
fn transfer(authorization: &Authorization, signature: &Bytes) -> Bytes {
    let Ok(ecdsa) = <&[u8; 65]>::try_from(&signature[..]) else {
        return transfer_by_wallet(authorization, signature);
    };
    let call = Token::transferWithAuthorization_0Call {
        from: authorization.from,
        to: authorization.to,
        value: authorization.value,
        validAfter: authorization.valid_after,
        validBefore: authorization.valid_before,
        nonce: authorization.nonce,
        v: ecdsa[64],
        r: B256::from_slice(&ecdsa[..32]),
        s: B256::from_slice(&ecdsa[32..64]),
    };
    call.abi_encode().into()
}

fn transfer_by_wallet(authorization: &Authorization, signature: &Bytes) -> Bytes {
    let call = Token::transferWithAuthorization_1Call {
        from: authorization.from,
        to: authorization.to,
        value: authorization.value,
        validAfter: authorization.valid_after,
        validBefore: authorization.valid_before,
        nonce: authorization.nonce,
        signature: signature.clone(),
    };
    call.abi_encode().into()
}
