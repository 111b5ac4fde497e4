use super::*;
use crate::config::{Config, Environment};

const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const TOKEN: &str = "0x00000000000000000000000000000000000000aa";

fn environment(changes: &[(&str, &str)]) -> Environment {
    let base = [
        ("EVM_PRIVATE_KEY", KEY),
        ("DATABASE_URL", "postgres://db.example/pay"),
        ("BEARER_TOKEN", "a-token-long-enough"),
    ];
    base.into_iter().chain(changes.iter().copied()).collect()
}

fn networks(changes: &[(&str, &str)]) -> Vec<EvmNetwork> {
    Config::load(&environment(changes)).unwrap().evm.networks
}

fn problems(changes: &[(&str, &str)]) -> Vec<String> {
    let problems = Config::load(&environment(changes)).expect_err("the configuration is wrong");
    problems.iter().map(ToString::to_string).collect()
}

fn file(text: &str) -> String {
    let path = std::env::temp_dir().join(format!("x402-networks-{}", uuid::Uuid::now_v7()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn exposed(urls: &[Secret]) -> Vec<&str> {
    urls.iter().map(Secret::expose).collect()
}

#[test]
fn an_unknown_network_is_named_and_does_not_start() {
    for name in [
        "bse",
        "eip155:",
        "eip155:08453",
        "solana:abc",
        "eip155_8453",
    ] {
        assert_eq!(
            problems(&[("EVM_NETWORKS", name)]),
            [format!(
                "EVM_NETWORKS names an unknown network `{name}`; give its id such as eip155:1234, or describe it in NETWORKS_FILE"
            )]
        );
    }
    assert_eq!(
        problems(&[("EVM_NETWORKS", "eip155:0")]),
        [
            "EVM_NETWORKS names an impossible network: chain_id must be from 1 to 9007199254740991, not 0"
        ]
    );
}

#[test]
fn one_network_under_two_names_is_a_problem() {
    assert_eq!(
        problems(&[("EVM_NETWORKS", "base, eip155:8453")]),
        ["EVM_NETWORKS names one network twice: `base` and `eip155:8453`"]
    );
    assert_eq!(
        problems(&[("EVM_NETWORKS", "base,BASE")]),
        ["EVM_NETWORKS names one network twice: `base` and `base`"]
    );
}

#[test]
fn a_network_without_a_known_node_needs_one() {
    assert_eq!(
        problems(&[("EVM_NETWORKS", "gnosis,eip155:1234")]),
        [
            "EVM_RPC_URL_GNOSIS must be set: no public node of gnosis is known",
            "EVM_RPC_URL_EIP155_1234 must be set: no public node of eip155:1234 is known",
        ]
    );
}

#[test]
fn a_setting_for_a_network_that_does_not_exist_is_a_problem() {
    assert_eq!(
        problems(&[("EVM_DAILY_SPEND_CAP_BASE_SEPOLA", "0.1")]),
        ["EVM_DAILY_SPEND_CAP_BASE_SEPOLA names no known network"]
    );
}

#[test]
fn a_setting_for_a_known_network_that_is_not_served_is_no_problem() {
    let changes = [
        ("EVM_RPC_URL_POLYGON", "https://node.example"),
        ("EVM_RPC_URL_EIP155_5", "https://node.example"),
    ];
    assert_eq!(networks(&changes).len(), 1);
}

#[test]
fn a_setting_given_by_name_and_by_id_is_a_problem() {
    assert_eq!(
        problems(&[
            ("EVM_RPC_URL_BASE_SEPOLIA", "https://one.example"),
            ("EVM_RPC_URL_EIP155_84532", "https://two.example"),
        ]),
        [
            "EVM_RPC_URL_EIP155_84532 and EVM_RPC_URL_BASE_SEPOLIA are both set and mean one network; keep one"
        ]
    );
}

#[test]
fn refuses_settings_of_a_network_that_make_no_sense() {
    for (name, value, message) in [
        (
            "EVM_RPC_URL",
            "https://a.example,s3cret",
            " (entry 2) must be an http:// or https:// URL",
        ),
        ("EVM_RPC_URL", ",", " has only empty entries"),
        (
            "EVM_SEND_URL",
            "ws://s3cret",
            " (entry 1) must be an http:// or https:// URL",
        ),
        (
            "EVM_ASSETS",
            "0x12",
            " (entry 1) must be an address: 0x and 40 hex digits",
        ),
        ("EVM_MAX_FEE_GWEI", "0", " must not be zero"),
        (
            "EVM_MAX_FEE_GWEI",
            "lots",
            " must be a decimal number such as 0.05 with at most 9 places, not `lots`",
        ),
        ("EVM_DAILY_SPEND_CAP", "0.0", " must not be zero"),
    ] {
        let name = format!("{name}_BASE_SEPOLIA");
        assert_eq!(problems(&[(&name, value)]), [format!("{name}{message}")]);
    }
}

#[test]
fn the_same_key_or_factory_twice_is_a_problem() {
    let keys = format!("{KEY},{}", KEY[2..].to_uppercase());
    assert_eq!(
        problems(&[("EVM_PRIVATE_KEY", &keys)]),
        ["EVM_PRIVATE_KEY must not name the same key twice"]
    );
    let factories = format!("{TOKEN},{TOKEN}:30000");
    assert_eq!(
        problems(&[("EIP6492_FACTORIES", &factories)]),
        ["EIP6492_FACTORIES must not name the same factory twice"]
    );
}

#[test]
fn a_networks_file_that_is_wrong_is_a_problem_and_the_rest_is_still_checked() {
    let path = file("[networks.base]\nconfirmations = 0");
    assert_eq!(
        problems(&[("NETWORKS_FILE", &path), ("EVM_NETWORKS", "bse")]),
        [
            "NETWORKS_FILE [networks.base] confirmations must be from 1 to 100000, not 0",
            "EVM_NETWORKS names an unknown network `bse`; give its id such as eip155:1234, or describe it in NETWORKS_FILE",
        ]
    );
}

#[test]
fn names_are_trimmed_lower_cased_and_kept_in_order() {
    let networks = networks(&[("EVM_NETWORKS", " Polygon ,, BASE,eip155:10")]);
    let names: Vec<&str> = networks
        .iter()
        .map(|network| network.name.as_str())
        .collect();
    assert_eq!(names, ["polygon", "base", "optimism"]);
}

#[test]
fn nodes_come_from_the_operator_then_alchemy_then_infura_then_the_public() {
    let explicit = (
        "EVM_RPC_URL_BASE",
        "https://one.example/k,https://two.example",
    );
    let alchemy = ("ALCHEMY_API_KEY", "a-key");
    let infura = ("INFURA_API_KEY", "i-key");
    let at_alchemy = "https://base-mainnet.g.alchemy.com/v2/a-key";
    let at_infura = "https://base-mainnet.infura.io/v3/i-key";
    for (changes, source, urls) in [
        (
            vec![explicit, alchemy, infura],
            "explicit",
            vec!["https://one.example/k", "https://two.example"],
        ),
        (
            vec![alchemy, infura],
            "alchemy, infura",
            vec![at_alchemy, at_infura],
        ),
        (vec![alchemy], "alchemy", vec![at_alchemy]),
        (vec![infura], "infura", vec![at_infura]),
        (vec![], "public", vec!["https://mainnet.base.org"]),
    ] {
        let changes = [changes, vec![("EVM_NETWORKS", "base")]].concat();
        let networks = networks(&changes);
        assert_eq!(networks[0].rpc_source, source);
        assert_eq!(exposed(&networks[0].rpc_urls), urls);
    }
}

#[test]
fn a_provider_that_does_not_know_the_network_is_passed_over() {
    let networks = networks(&[("EVM_NETWORKS", "monad"), ("ALCHEMY_API_KEY", "key")]);
    assert_eq!(networks[0].rpc_source, "public");
}

#[test]
fn any_chain_is_served_by_its_id_and_a_node() {
    let networks = networks(&[
        ("EVM_NETWORKS", "eip155:31337"),
        ("EVM_RPC_URL_EIP155_31337", "http://127.0.0.1:8545"),
        ("EVM_ASSETS_EIP155_31337", TOKEN),
    ]);
    let network = &networks[0];
    assert_eq!(network.network, Network::eip155(31_337));
    assert_eq!((network.chain_id, network.testnet), (31_337, true));
    assert_eq!(network.v1_name, None);
    let address: Address = TOKEN.parse().unwrap();
    let asset = Asset {
        address,
        symbol: address.to_string(),
        decimals: None,
        domain: None,
    };
    assert_eq!(network.assets, [asset]);
}

#[test]
fn an_operator_sets_the_limits_of_a_network() {
    let networks = networks(&[
        ("EVM_NETWORKS", "polygon"),
        ("EVM_MAX_FEE_GWEI_POLYGON", "1.5"),
        ("EVM_DAILY_SPEND_CAP_EIP155_137", "0.25"),
        ("EVM_SEND_URL_POLYGON", "https://private.example"),
        ("EVM_ANY_ASSET", "true"),
    ]);
    let network = &networks[0];
    assert_eq!(network.max_fee_per_gas, 1_500_000_000);
    assert_eq!(network.min_priority_fee, 1_500_000_000);
    assert_eq!(network.daily_spend_cap, 250_000_000_000_000_000);
    assert_eq!(exposed(&network.send_urls), ["https://private.example"]);
    assert!(network.any_asset);
}

#[test]
fn a_token_that_is_listed_already_keeps_what_is_known_about_it() {
    let usdc = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
    let networks = networks(&[("EVM_ASSETS_BASE_SEPOLIA", usdc)]);
    let [asset] = networks[0].assets.as_slice() else {
        panic!("one asset expected: {:?}", networks[0].assets);
    };
    assert_eq!((asset.symbol.as_str(), asset.decimals), ("USDC", Some(6)));
    let domain = asset.domain.as_ref().unwrap();
    assert_eq!(
        (domain.name.as_str(), domain.version.as_str()),
        ("USDC", "2")
    );
}

#[test]
fn a_network_of_the_operators_file_is_served_like_any_other() {
    let path = file("[networks.mine]\nchain_id = 5\nrpc = ['http://node.example']\n");
    let networks = networks(&[("NETWORKS_FILE", &path), ("EVM_NETWORKS", "mine")]);
    assert_eq!(
        (networks[0].name.as_str(), networks[0].chain_id),
        ("mine", 5)
    );
}
