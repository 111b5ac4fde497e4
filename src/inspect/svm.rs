//! A Solana network: is every node on the right chain and healthy, do the mints exist, can the fee payers pay?

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Finding, Findings, Grade, read};
use crate::chain::{Error, svm};
use crate::config::{SvmNetwork, host};
use crate::secret::Secret;
use crate::signer::svm::{Local, Signer};

const LAMPORTS_PER_SOL: u64 = 1_000_000_000;

#[derive(Deserialize)]
struct InContext<T> {
    value: T,
}

pub(super) async fn look(
    network: &SvmNetwork,
    keys: &[Secret],
    client: reqwest::Client,
) -> Vec<Finding> {
    let mut found = Findings::about(&network.name);
    let signers: Vec<String> = keys
        .iter()
        .flat_map(Local::parse)
        .map(|signer| signer.address().to_string())
        .collect();
    let confirmed = json!({"commitment": "confirmed"});
    let mut calls = vec![("getSlot", json!([confirmed]))];
    let slice = json!({"commitment": "confirmed", "encoding": "base64", "dataSlice": {"offset": 0, "length": 0}});
    calls.extend(
        network
            .assets
            .iter()
            .map(|asset| ("getAccountInfo", json!([asset.mint.to_string(), slice]))),
    );
    calls.extend(
        signers
            .iter()
            .map(|signer| ("getBalance", json!([signer, confirmed]))),
    );
    let rpc = svm::connect(network, client);
    let answers = rpc.ask_all(&calls).await;
    let nodes = answers.len();
    let grade = if nodes > 1 {
        Grade::Doubtful
    } else {
        Grade::Bad
    };
    let mut best = None;
    for (index, (url, answer)) in network.rpc_urls.iter().zip(answers).enumerate() {
        let node = format!("node {} of {nodes} ({})", index + 1, host(url));
        match answer.map(|answers| (read::<u64>(answers.first()), answers)) {
            Ok((Ok(slot), answers)) => {
                found.add(
                    Grade::Good,
                    format!("{node}: {}, slot {slot}", network.network),
                );
                best = best.or(Some(answers));
            }
            Ok((Err(cause), _)) => found.add(grade, format!("{node}: {cause}")),
            Err(cause) => found.add(grade, format!("{node}: {cause}")),
        }
    }
    let Some(answers) = best else {
        found.add(
            Grade::Bad,
            "no node answers: nothing can be verified or settled",
        );
        return found.list;
    };
    look_at_mints(&mut found, network, &answers[1..]);
    look_at_funds(&mut found, &signers, &answers[1 + network.assets.len()..]);
    found.list
}

fn look_at_mints(
    found: &mut Findings,
    network: &SvmNetwork,
    answers: &[Result<Box<RawValue>, Error>],
) {
    for (index, asset) in network.assets.iter().enumerate() {
        let name = format!("mint {} {}", asset.symbol, asset.mint);
        match read::<InContext<Option<serde_json::Value>>>(answers.get(index)) {
            Ok(InContext { value: Some(_) }) => found.add(Grade::Good, format!("{name} exists")),
            Ok(InContext { value: None }) => {
                found.add(Grade::Bad, format!("{name} does not exist"));
            }
            Err(cause) => found.add(Grade::Bad, format!("{name}: {cause}")),
        }
    }
}

fn look_at_funds(
    found: &mut Findings,
    signers: &[String],
    answers: &[Result<Box<RawValue>, Error>],
) {
    let poor = if signers.len() > 1 {
        Grade::Doubtful
    } else {
        Grade::Bad
    };
    for (index, signer) in signers.iter().enumerate() {
        match read::<InContext<u64>>(answers.get(index)) {
            Ok(InContext { value: 0 }) => {
                found.add(
                    poor,
                    format!("fee payer {signer} holds nothing to pay fees with"),
                );
            }
            Ok(InContext { value }) => {
                let (sol, rest) = (value / LAMPORTS_PER_SOL, value % LAMPORTS_PER_SOL);
                found.add(
                    Grade::Good,
                    format!("fee payer {signer} holds {sol}.{rest:09} SOL"),
                );
            }
            Err(cause) => found.add(Grade::Bad, format!("fee payer {signer}: {cause}")),
        }
    }
}
