//! The ledger is like a real node where it matters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::harness::ledger::Ledger;
use crate::harness::mint::Mint;
use crate::harness::scene::{AMOUNT, Scene, WEALTH};
use crate::harness::sign_svm::{self, LIGHTHOUSE, SQUADS, SvmPayment};
use crate::harness::svm_wire::{Instruction, Key, Meta};

/// Two signatures and the least for priority.
const FEE: u64 = 10_001;
const TOKEN_ERROR_INSUFFICIENT_FUNDS: u64 = 1;

#[tokio::test]
async fn plays_the_network_that_it_is_told() {
    let devnet: String = Ledger::start()
        .await
        .call("getGenesisHash", json!([]))
        .await;
    assert_eq!(&devnet[..32], "EtWTRABZaYq6iMfeYKouRu166VU2xqa1");

    let mainnet = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
    let ledger = Ledger::of_genesis(mainnet).await;
    let told: String = ledger.call("getGenesisHash", json!([])).await;
    assert_eq!(told, mainnet);
    assert!(ledger.unleash().await);
}

#[tokio::test]
async fn answers_batches_and_unknown_methods() {
    let ledger = Ledger::start().await;
    let call = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});

    let batch = json!([
        call(1, "getHealth"),
        call(2, "getMagic"),
        call(3, "getVersion")
    ]);
    let answers = ledger.post(&batch).await.unwrap();

    assert_eq!(
        answers[0],
        json!({"jsonrpc": "2.0", "id": 1, "result": "ok"})
    );
    let unknown = json!({"code": -32601, "message": "Method not found"});
    assert_eq!(answers[1]["error"], unknown);
    assert_eq!(answers[2]["result"]["solana-core"], "4.2.2");
}

#[tokio::test]
async fn answers_plain_questions() {
    let ledger = Ledger::start().await;
    let mint = ledger.place(Mint::token()).await;
    let owner = ledger.payer(&mint, WEALTH).await.key();
    let (key, account) = (owner.to_string(), mint.account_of(owner).to_string());
    let ask = async |method: &str, params: Value| -> Value { ledger.call(method, params).await };

    let airdrop = ask("requestAirdrop", json!([key, 5_000_000_000_u64])).await;
    assert_eq!(ledger.lamports(owner).await, 5_000_000_000);
    assert_eq!(
        ledger.status(airdrop.as_str().unwrap()).await["err"],
        Value::Null
    );

    let balance = ask("getTokenAccountBalance", json!([account])).await;
    assert_eq!(balance["value"]["amount"], WEALTH.to_string());
    assert_eq!(balance["value"]["uiAmountString"], "1");
    let both = json!([[account, Key::fresh().to_string()], {"encoding": "base64"}]);
    let both = ask("getMultipleAccounts", both).await;
    assert_eq!(both["value"][0]["owner"], mint.program.to_string());
    assert_eq!(both["value"][1], Value::Null);
    assert_eq!(
        ask("getMinimumBalanceForRentExemption", json!([165])).await,
        2_039_280
    );
    let (slot, epoch) = (ledger.slot().await, ask("getEpochInfo", json!([])).await);
    assert_eq!(epoch["absoluteSlot"], slot);
    let height = ask("getBlockHeight", json!([])).await;
    assert_eq!(height, epoch["blockHeight"]);
    assert!(height.as_u64().unwrap() < slot, "a height is no slot");
    let latest = ask("getLatestBlockhash", json!([])).await;
    let last = latest["value"]["lastValidBlockHeight"].as_u64();
    assert_eq!(last, height.as_u64().map(|height| height + 150));
    let bids = ask("getRecentPrioritizationFees", json!([])).await;
    assert_eq!(bids[0]["prioritizationFee"], 0);
}

#[tokio::test]
async fn tells_the_fee_of_a_message() {
    let scene = Scene::start().await;
    let ask = async |payment: &SvmPayment| -> Value {
        let message = json!([BASE64.encode(payment.message().bytes())]);
        let answer: Value = scene.ledger.call("getFeeForMessage", message).await;
        answer["value"].clone()
    };
    let payment = scene.payment().await;

    assert_eq!(ask(&payment).await, FEE);
    scene.ledger.expire_blockhash().await;
    assert_eq!(ask(&payment).await, Value::Null);
}

#[tokio::test]
async fn a_payment_lands_and_tells_what_it_did() {
    for mint in [Mint::token(), Mint::token_2022(&[])] {
        let scene = Scene::with(mint).await;
        let before = scene.ledger.lamports(scene.fee_payer.key()).await;
        let transaction = scene.signed().await;

        scene.send(&transaction).await;

        assert_eq!(scene.received().await, AMOUNT);
        let left = scene.ledger.lamports(scene.fee_payer.key()).await;
        assert_eq!(before - left, FEE);
        let status = scene.status(&transaction).await;
        assert_eq!(status["confirmationStatus"], "confirmed");
        assert_eq!(status["err"], Value::Null);
        let told = scene.ledger.transaction(&transaction.id()).await;
        assert_eq!(told["slot"], scene.ledger.slot().await);
        let meta = &told["meta"];
        assert_eq!((&meta["err"], &meta["fee"]), (&Value::Null, &json!(FEE)));
        let received = meta["postTokenBalances"].as_array().unwrap().iter();
        let mut received = received.filter(|one| one["owner"] == scene.terms.pay_to.to_string());
        let amount = &received.next().unwrap()["uiTokenAmount"]["amount"];
        assert_eq!(*amount, AMOUNT.to_string());
    }
}

#[tokio::test]
async fn lookup_tables_are_resolved() {
    let scene = Scene::start().await;
    let mint = &scene.terms.mint;
    let accounts = [mint.account_of(scene.terms.pay_to), mint.key];
    let mut payment = scene.payment().await;
    payment.tables = vec![scene.ledger.place_table(&accounts).await];

    let transaction = scene.sign(&payment);
    scene.send(&transaction).await;

    assert_eq!(transaction.message.lookups[0].writable, [0]);
    assert_eq!(scene.received().await, AMOUNT);
    let told = scene.ledger.transaction(&transaction.id()).await;
    let loaded =
        json!({"writable": [accounts[0].to_string()], "readonly": [accounts[1].to_string()]});
    assert_eq!(told["meta"]["loadedAddresses"], loaded);
}

#[tokio::test]
async fn simulation_refuses_as_a_node_does() {
    let scene = Scene::start().await;
    let partial = scene.payment().await.signed_by(&scene.payer);
    let simulate = |config: Value| scene.ledger.simulate(&partial, config);

    // Signatures do not matter unless somebody asks.
    let simulated = simulate(json!({})).await.unwrap();
    assert_eq!(simulated["err"], Value::Null);
    assert_eq!(simulated["innerInstructions"], Value::Null);
    let refused = simulate(json!({"sigVerify": true})).await.unwrap_err();
    assert_eq!(refused["code"], -32003);
    let both = json!({"sigVerify": true, "replaceRecentBlockhash": true});
    assert_eq!(simulate(both).await.unwrap_err()["code"], -32602);
    let future = json!({"minContextSlot": scene.ledger.slot().await + 1});
    assert_eq!(simulate(future).await.unwrap_err()["code"], -32016);

    scene.ledger.expire_blockhash().await;
    let old = simulate(json!({})).await.unwrap();
    assert_eq!(old["err"], "BlockhashNotFound");
    let replaced = json!({"replaceRecentBlockhash": true});
    let replaced = simulate(replaced).await.unwrap();
    assert_eq!(replaced["err"], Value::Null);
    let newest = Key(scene.ledger.blockhash().await).to_string();
    assert_eq!(replaced["replacementBlockhash"]["blockhash"], newest);
    assert_eq!(scene.received().await, 0);
}

#[tokio::test]
async fn simulation_shows_accounts_as_they_would_be() {
    let scene = Scene::start().await;
    let transaction = scene.signed().await;
    let payee = scene.terms.mint.account_of(scene.terms.pay_to).to_string();
    let accounts = json!({"addresses": [payee], "encoding": "jsonParsed"});

    let config = json!({"sigVerify": true, "accounts": accounts});
    let simulated = scene.ledger.simulate(&transaction, config).await.unwrap();

    let shown = &simulated["accounts"][0]["data"]["parsed"]["info"];
    assert_eq!(shown["tokenAmount"]["amount"], AMOUNT.to_string());
    assert_eq!(scene.received().await, 0);
}

#[tokio::test]
async fn sending_is_refused_as_a_node_does() {
    let mut scene = Scene::start().await;
    let partial = scene.payment().await.signed_by(&scene.payer);
    let refused = scene.ledger.submit(&partial, true).await.unwrap_err();
    assert_eq!(refused["code"], -32003);
    // Nobody looks at it: no leader will take it.
    scene.send(&partial).await;
    assert_eq!(scene.status(&partial).await, Value::Null);

    let transaction = scene.signed().await;
    scene.send(&transaction).await;
    let refused = scene.ledger.submit(&transaction, true).await.unwrap_err();
    assert_eq!(refused["code"], -32002);
    let message = "Transaction simulation failed: This transaction has already been processed";
    assert_eq!(refused["message"], message);
    assert_eq!(refused["data"]["err"], "AlreadyProcessed");
    scene.send(&transaction).await;
    assert_eq!(scene.received().await, AMOUNT);

    scene.terms.amount = WEALTH + 1;
    let overdraft = scene.signed().await;
    let refused = scene.ledger.submit(&overdraft, true).await.unwrap_err();
    assert_eq!(refused["code"], -32002);
    assert_eq!(refused["data"]["err"], overdrawn());
    assert!(!refused["data"]["logs"].as_array().unwrap().is_empty());
}

/// The third instruction failed for want of tokens.
fn overdrawn() -> Value {
    json!({"InstructionError": [2, {"Custom": TOKEN_ERROR_INSUFFICIENT_FUNDS}]})
}

#[tokio::test]
async fn a_transaction_may_land_with_an_error() {
    let scene = Scene::start().await;
    let before = scene.ledger.lamports(scene.fee_payer.key()).await;
    let transaction = scene.signed().await;
    scene.ledger.hold().await;
    let sent = scene.ledger.submit(&transaction, true).await;
    assert_eq!(sent, Ok(json!(transaction.id())));

    let payer = scene.payer.key();
    scene.ledger.fund(&scene.terms.mint, payer, 0).await;
    scene.ledger.release().await;

    let status = scene.status(&transaction).await;
    assert_eq!(status["err"], overdrawn());
    assert_eq!(status["confirmationStatus"], "confirmed");
    let told = scene.ledger.transaction(&transaction.id()).await;
    assert_eq!(told["meta"]["err"], overdrawn());
    let left = scene.ledger.lamports(scene.fee_payer.key()).await;
    assert_eq!((scene.received().await, before - left), (0, FEE));
}

#[tokio::test]
async fn a_fee_payer_without_funds_lands_nothing() {
    let scene = Scene::start().await;
    let transaction = scene.signed().await;
    scene.ledger.remove_account(scene.fee_payer.key()).await;

    scene.send(&transaction).await;

    assert_eq!(scene.status(&transaction).await, Value::Null);
    let simulated = scene.ledger.simulate(&transaction, json!({})).await;
    assert_eq!(simulated.unwrap()["err"], "AccountNotFound");
}

#[tokio::test]
async fn a_smart_wallet_s_inner_transfer_is_seen() {
    let scene = Scene::start().await;
    let (mint, wallet) = (&scene.terms.mint, Key::of(SQUADS));
    let vault = sign_svm::vault(wallet);
    scene.ledger.fund(mint, vault, WEALTH).await;
    let call = sign_svm::transfer(&scene.terms, vault);
    let mut payment = scene.payment().await;
    payment.instructions[2] = sign_svm::through_wallet(wallet, &[call]);
    payment.instructions.push(Instruction {
        program: Key::of(LIGHTHOUSE),
        accounts: vec![Meta::signer(scene.payer.key())],
        data: vec![9],
    });
    let transaction = scene.sign(&payment);

    let config = json!({"innerInstructions": true});
    let simulated = scene.ledger.simulate(&transaction, config).await.unwrap();

    assert_eq!(simulated["err"], Value::Null, "{simulated}");
    let inner = &simulated["innerInstructions"][0];
    assert_eq!(inner["index"], 2);
    let shown = &inner["instructions"][0];
    let amount = json!({
        "amount": AMOUNT.to_string(), "decimals": 6, "uiAmount": 0.0025, "uiAmountString": "0.0025",
    });
    let expected = json!({
        "program": "spl-token",
        "programId": mint.program.to_string(),
        "stackHeight": 2,
        "parsed": {"type": "transferChecked", "info": {
            "authority": vault.to_string(),
            "source": mint.account_of(vault).to_string(),
            "mint": mint.key.to_string(),
            "destination": mint.account_of(scene.terms.pay_to).to_string(),
            "tokenAmount": amount,
        }},
    });
    assert_eq!(*shown, expected);

    scene.send(&transaction).await;
    assert_eq!(scene.received().await, AMOUNT);
    let told = scene.ledger.transaction(&transaction.id()).await;
    let inner = &told["meta"]["innerInstructions"][0]["instructions"][0];
    let program = mint.program.to_string();
    let program = told["transaction"]["message"]["accountKeys"]
        .as_array()
        .unwrap()
        .iter()
        .position(|key| *key == program);
    assert_eq!(inner["programIdIndex"], json!(program));
}
