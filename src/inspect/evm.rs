//! An EVM network: is every node on the right chain and up to date, is there code where we call, can the signers pay?

use alloy::primitives::{Address, Bytes, U64, U256, utils::format_ether};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Finding, Findings, Grade, read};
use crate::chain::Error;
use crate::chain::evm;
use crate::chain::evm::contracts::{EXACT_PERMIT2_PROXY, MULTICALL3, PERMIT2, UPTO_PERMIT2_PROXY};
use crate::clock::Clock;
use crate::config::{EvmNetwork, host};
use crate::secret::Secret;
use crate::signer::{Local, Signer};

/// A head older than so many block times, and than this many seconds, is stale.
const STALE_BLOCKS: u64 = 5;
const STALE_SECONDS: u64 = 60;

#[derive(Deserialize)]
struct Head {
    number: U64,
    timestamp: U64,
}

/// A contract that payments need.
struct Contract {
    name: String,
    address: Address,
    /// What cannot be done without it.
    grade: Grade,
}

pub(super) async fn look(
    network: &EvmNetwork,
    keys: &[Secret],
    client: reqwest::Client,
    clock: &Clock,
) -> Vec<Finding> {
    let mut found = Findings::about(&network.name);
    let signers: Vec<Address> = keys
        .iter()
        .flat_map(Local::parse)
        .map(|signer| signer.address())
        .collect();
    let contracts = contracts(network);
    let mut calls = vec![("eth_getBlockByNumber", json!(["latest", false]))];
    calls.extend(
        contracts
            .iter()
            .map(|contract| ("eth_getCode", json!([contract.address, "latest"]))),
    );
    calls.extend(
        signers
            .iter()
            .map(|signer| ("eth_getBalance", json!([signer, "latest"]))),
    );
    let rpc = evm::connect(network, client);
    let answers = rpc.ask_all(&calls).await;
    let nodes = answers.len();
    let mut best = None;
    for (index, (url, answer)) in network.rpc_urls.iter().zip(answers).enumerate() {
        let node = format!("node {} of {nodes} ({})", index + 1, host(url));
        match answer {
            Ok(answers) => {
                look_at_head(&mut found, &node, network, &answers, clock);
                best = best.or(Some(answers));
            }
            Err(cause) => found.add(grade_of(nodes), format!("{node}: {cause}")),
        }
    }
    let Some(answers) = best else {
        found.add(
            Grade::Bad,
            "no node answers: nothing can be verified or settled",
        );
        return found.list;
    };
    look_at_code(&mut found, &contracts, &answers[1..]);
    look_at_funds(&mut found, &signers, &answers[1 + contracts.len()..]);
    found.list
}

/// One node of several may fail.
fn grade_of(nodes: usize) -> Grade {
    if nodes > 1 {
        Grade::Doubtful
    } else {
        Grade::Bad
    }
}

fn contracts(network: &EvmNetwork) -> Vec<Contract> {
    let fixed = [
        ("Permit2", PERMIT2, Grade::Doubtful),
        (
            "the Permit2 proxy of `exact`",
            EXACT_PERMIT2_PROXY,
            Grade::Doubtful,
        ),
        (
            "the Permit2 proxy of `upto`",
            UPTO_PERMIT2_PROXY,
            Grade::Doubtful,
        ),
        ("Multicall3", MULTICALL3, Grade::Doubtful),
    ];
    let fixed = fixed.map(|(name, address, grade)| Contract {
        name: name.to_owned(),
        address,
        grade,
    });
    let tokens = network.assets.iter().map(|asset| Contract {
        name: format!("token {}", asset.symbol),
        address: asset.address,
        grade: Grade::Bad,
    });
    fixed.into_iter().chain(tokens).collect()
}

fn look_at_head(
    found: &mut Findings,
    node: &str,
    network: &EvmNetwork,
    answers: &[Result<Box<RawValue>, Error>],
    clock: &Clock,
) {
    let head: Head = match read(answers.first()) {
        Ok(head) => head,
        Err(cause) => return found.add(Grade::Bad, format!("{node}: no newest block: {cause}")),
    };
    let age = clock.now().as_secs().saturating_sub(head.timestamp.to());
    let (number, chain) = (head.number, network.chain_id);
    let text = format!("{node}: chain {chain}, block {number}, {age} s old");
    let patience = (network.block_time.as_secs() * STALE_BLOCKS).max(STALE_SECONDS);
    let grade = if age > patience {
        Grade::Doubtful
    } else {
        Grade::Good
    };
    found.add(grade, text);
}

fn look_at_code(
    found: &mut Findings,
    contracts: &[Contract],
    answers: &[Result<Box<RawValue>, Error>],
) {
    for (index, contract) in contracts.iter().enumerate() {
        let (name, address) = (&contract.name, contract.address);
        match read::<Bytes>(answers.get(index)) {
            Ok(code) if code.is_empty() => {
                found.add(contract.grade, format!("{name} has no code at {address}"));
            }
            Ok(_) => found.add(Grade::Good, format!("{name} is at {address}")),
            Err(cause) => found.add(contract.grade, format!("{name} at {address}: {cause}")),
        }
    }
}

fn look_at_funds(
    found: &mut Findings,
    signers: &[Address],
    answers: &[Result<Box<RawValue>, Error>],
) {
    for (index, signer) in signers.iter().enumerate() {
        match read::<U256>(answers.get(index)) {
            Ok(funds) if funds.is_zero() => found.add(
                grade_of(signers.len()),
                format!("signer {signer} holds nothing to pay gas with"),
            ),
            Ok(funds) => found.add(
                Grade::Good,
                format!("signer {signer} holds {} for gas", format_ether(funds)),
            ),
            Err(cause) => found.add(Grade::Bad, format!("signer {signer}: {cause}")),
        }
    }
}
