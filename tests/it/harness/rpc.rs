//! JSON-RPC to a chain, and everything that tests do to it behind the product's back.

use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::SolCall;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::scratch;

sol! {
    function balanceOf(address account) external view returns (uint256);
    function mint(address account, uint256 units) external;
}

/// How often [`Rpc::receipt`] asks.
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub(crate) struct Rpc {
    url: String,
    client: reqwest::Client,
}

impl Rpc {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            client: scratch::client(),
        }
    }

    /// One call. Panics unless the node gives a result.
    pub(crate) async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> T {
        let answer = self.try_call(method, params).await;
        let result = answer.unwrap_or_else(|error| panic!("{method} was refused: {error}"));
        serde_json::from_value(result).expect("an answer of the expected type")
    }

    /// One call: the result, or the node's `error` object.
    pub(crate) async fn try_call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.post(&body).await.expect("a JSON-RPC answer");
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Any body, such as a batch, as it is.
    pub(crate) async fn post(&self, body: &Value) -> Result<Value, reqwest::Error> {
        let response = self.client.post(&self.url).json(body).send().await?;
        response.error_for_status()?.json().await
    }

    pub(crate) async fn balance_of(&self, asset: Address, account: Address) -> U256 {
        let data = Bytes::from(balanceOfCall { account }.abi_encode());
        self.call("eth_call", json!([{"to": asset, "data": data}, "latest"]))
            .await
    }

    /// Makes tokens of the sandbox's kind, and no approval with them.
    pub(crate) async fn mint(&self, asset: Address, account: Address, units: u64) {
        let units = U256::from(units);
        let data = mintCall { account, units }.abi_encode();
        let rich = self.rich_account().await;
        let transaction = self.send(rich, asset, data.into()).await;
        assert_eq!(self.receipt(transaction).await["status"], "0x1");
    }

    pub(crate) async fn block_number(&self) -> u64 {
        let number: U256 = self.call("eth_blockNumber", json!([])).await;
        number.to()
    }

    /// Waits for a block: anvil makes it after it has answered the transaction that it is for.
    pub(crate) async fn reaches_block(&self, number: u64) {
        let wait = async {
            while self.block_number().await < number {
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(10), wait).await;
        reached.expect("the block comes");
    }

    /// Sends a call from an account that anvil signs for.
    pub(crate) async fn send(&self, from: Address, to: Address, data: Bytes) -> B256 {
        let transaction = json!([{"from": from, "to": to, "data": data}]);
        self.call("eth_sendTransaction", transaction).await
    }

    /// How many transactions of an account are in blocks.
    pub(crate) async fn nonce(&self, account: Address) -> u64 {
        let count: U256 = self
            .call("eth_getTransactionCount", json!([account, "latest"]))
            .await;
        count.to()
    }

    /// Sends a call signed with a key, bidding `gwei` for gas: what somebody does who is not the facilitator.
    pub(crate) async fn send_by(
        &self,
        key: &PrivateKeySigner,
        nonce: u64,
        to: Address,
        data: Bytes,
        gwei: u64,
    ) -> B256 {
        let bid = u128::from(gwei) * 1_000_000_000;
        let transaction = TxEip1559 {
            chain_id: 84_532,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: bid,
            max_priority_fee_per_gas: bid,
            to: TxKind::Call(to),
            input: data,
            ..TxEip1559::default()
        };
        let signature = key.sign_hash_sync(&transaction.signature_hash());
        let signed = transaction.into_signed(signature.expect("a local key signs"));
        let raw = Bytes::from(TxEnvelope::from(signed).encoded_2718());
        self.call("eth_sendRawTransaction", json!([raw])).await
    }

    /// A transfer of nothing to nobody at this account nonce of a key.
    pub(crate) async fn transfer_by(&self, key: &PrivateKeySigner, nonce: u64, gwei: u64) -> B256 {
        let nobody = Address::repeat_byte(0xdd);
        self.send_by(key, nonce, nobody, Bytes::new(), gwei).await
    }

    /// The account that anvil signs for.
    pub(crate) async fn rich_account(&self) -> Address {
        let accounts: Vec<Address> = self.call("eth_accounts", json!([])).await;
        accounts[0]
    }

    /// The transaction's receipt, waited for.
    pub(crate) async fn receipt(&self, transaction: B256) -> Value {
        let wait = async {
            loop {
                let receipt = self.receipt_now(transaction).await;
                if !receipt.is_null() {
                    return receipt;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("{transaction} got no receipt"))
    }

    /// The transaction's receipt as it is now: null while there is none.
    pub(crate) async fn receipt_now(&self, transaction: B256) -> Value {
        self.call("eth_getTransactionReceipt", json!([transaction]))
            .await
    }

    pub(crate) async fn mine(&self, blocks: u64) {
        let () = self.call("anvil_mine", json!([U256::from(blocks)])).await;
    }

    pub(crate) async fn set_balance(&self, account: Address, wei: U256) {
        let () = self.call("anvil_setBalance", json!([account, wei])).await;
    }

    pub(crate) async fn set_code(&self, address: Address, code: &Bytes) {
        let () = self.call("anvil_setCode", json!([address, code])).await;
    }

    pub(crate) async fn code(&self, address: Address) -> Bytes {
        self.call("eth_getCode", json!([address, "latest"])).await
    }

    pub(crate) async fn set_storage(&self, address: Address, slot: U256, word: B256) {
        let _set: bool = self
            .call(
                "anvil_setStorageAt",
                json!([address, B256::from(slot), word]),
            )
            .await;
    }

    /// Transactions of this account that are mined.
    pub(crate) async fn account_nonce(&self, account: Address) -> u64 {
        let nonce: U256 = self
            .call("eth_getTransactionCount", json!([account, "latest"]))
            .await;
        nonce.to()
    }

    /// Waits until the pool holds a transaction of this account.
    pub(crate) async fn pooled(&self, account: Address) {
        let wait = async {
            let mined = self.account_nonce(account).await;
            loop {
                let params = json!([account, "pending"]);
                let nonce: U256 = self.call("eth_getTransactionCount", params).await;
                if nonce > U256::from(mined) {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("{account} sent nothing"));
    }

    /// Sends a call that goes before all others in the pool, from any account.
    pub(crate) async fn send_first(&self, from: Address, to: Address, data: Bytes) -> B256 {
        let wei = U256::from(10).pow(U256::from(21));
        self.set_balance(from, wei).await;
        let () = self.call("anvil_impersonateAccount", json!([from])).await;
        // More than the node suggests; what is suggested next must stay below the facilitator's limit of 5 gwei.
        let [fee, tip] = [5_000_000_000_u64, 3_000_000_000].map(U256::from);
        let transaction = json!([{
            "from": from, "to": to, "data": data, "gas": "0x100000", "maxFeePerGas": fee, "maxPriorityFeePerGas": tip,
        }]);
        self.call("eth_sendTransaction", transaction).await
    }

    /// Takes a transaction out of the pool, as a node does that forgets it.
    pub(crate) async fn drop_transaction(&self, transaction: B256) {
        let _dropped: Value = self
            .call("anvil_dropTransaction", json!([transaction]))
            .await;
    }

    /// No more blocks until [`Self::release_blocks`], [`Self::mine`] or [`Self::mine_every`].
    pub(crate) async fn hold_blocks(&self) {
        let () = self.call("evm_setIntervalMining", json!([0])).await;
        let () = self.call("evm_setAutomine", json!([false])).await;
    }

    /// A block per transaction, at once.
    pub(crate) async fn release_blocks(&self) {
        let () = self.call("evm_setIntervalMining", json!([0])).await;
        let () = self.call("evm_setAutomine", json!([true])).await;
    }

    pub(crate) async fn mine_every(&self, interval: Duration) {
        let () = self.call("evm_setAutomine", json!([false])).await;
        let seconds = interval.as_secs();
        let () = self.call("evm_setIntervalMining", json!([seconds])).await;
    }

    pub(crate) async fn set_next_base_fee(&self, wei: u64) {
        let fee = U256::from(wei);
        let () = self
            .call("anvil_setNextBlockBaseFeePerGas", json!([fee]))
            .await;
    }

    /// Replaces the last `depth` blocks by empty ones.
    pub(crate) async fn reorg(&self, depth: u64) {
        let () = self.call("anvil_reorg", json!([depth, []])).await;
    }

    pub(crate) async fn snapshot(&self) -> Value {
        self.call("evm_snapshot", json!([])).await
    }

    pub(crate) async fn revert(&self, snapshot: &Value) {
        let reverted: bool = self.call("evm_revert", json!([snapshot])).await;
        assert!(reverted, "the snapshot is there");
    }
}
