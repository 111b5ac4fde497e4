use super::*;
use crate::config::{Config, Environment};

const MINT: &str = "So11111111111111111111111111111111111111112";
const USDC: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";

fn keypair(seed: u8) -> String {
    let keypair = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).to_keypair_bytes();
    bs58::encode(keypair).into_string()
}

/// Solana alone.
fn environment(changes: &[(&str, &str)]) -> Environment {
    let key = keypair(1);
    let base = [
        ("EVM_NETWORKS", ""),
        ("SVM_NETWORKS", "solana-devnet"),
        ("SVM_PRIVATE_KEY", key.as_str()),
        ("DATABASE_URL", "postgres://db.example/pay"),
        ("BEARER_TOKEN", "a-token-long-enough"),
    ];
    base.into_iter().chain(changes.iter().copied()).collect()
}

fn svm(changes: &[(&str, &str)]) -> Svm {
    Config::load(&environment(changes)).unwrap().svm
}

fn problems(changes: &[(&str, &str)]) -> Vec<String> {
    let problems = Config::load(&environment(changes)).expect_err("the configuration is wrong");
    problems.iter().map(ToString::to_string).collect()
}

fn exposed(urls: &[Secret]) -> Vec<&str> {
    urls.iter().map(Secret::expose).collect()
}

fn names(svm: &Svm) -> Vec<&str> {
    svm.networks.iter().map(|n| n.name.as_str()).collect()
}

#[test]
fn an_unknown_network_is_named_and_does_not_start() {
    for name in [
        "solana",
        "mainnet-beta",
        "solana:etwtrabzayq6imfeykouru166vu2xqa1",
        "base",
    ] {
        assert_eq!(
            problems(&[("SVM_NETWORKS", name)]),
            [format!(
                "SVM_NETWORKS names an unknown network {}; known are solana-devnet, solana-mainnet, solana-testnet, and NETWORKS_FILE may describe others",
                value::quote(name)
            )]
        );
    }
}

#[test]
fn one_network_under_two_names_is_a_problem() {
    assert_eq!(
        problems(&[(
            "SVM_NETWORKS",
            "Solana-Devnet,solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"
        )]),
        [
            "SVM_NETWORKS names one network twice: `Solana-Devnet` and `solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1`"
        ]
    );
}

#[test]
fn the_same_key_twice_is_a_problem() {
    let keys = format!("{},{}", keypair(1), keypair(1));
    assert_eq!(
        problems(&[("SVM_PRIVATE_KEY", &keys)]),
        ["SVM_PRIVATE_KEY must not name the same key twice"]
    );
}

#[test]
fn a_setting_for_a_network_that_does_not_exist_is_a_problem() {
    assert_eq!(
        problems(&[("SVM_DAILY_SPEND_CAP_SOLANA_MAINET", "0.1")]),
        ["SVM_DAILY_SPEND_CAP_SOLANA_MAINET names no known network"]
    );
}

#[test]
fn a_network_without_a_known_node_needs_one() {
    let path = std::env::temp_dir().join(format!("x402-svm-{}", uuid::Uuid::now_v7()));
    let row = "[svm.mine]\ngenesis = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa2'\ntestnet = true";
    std::fs::write(&path, row).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(
        problems(&[("NETWORKS_FILE", path), ("SVM_NETWORKS", "mine")]),
        ["SVM_RPC_URL_MINE must be set: no public node of mine is known"]
    );
    let svm = svm(&[
        ("NETWORKS_FILE", path),
        ("SVM_NETWORKS", "mine"),
        ("SVM_RPC_URL_MINE", "http://127.0.0.1:8899"),
    ]);
    assert_eq!(names(&svm), ["mine"]);
}

#[test]
fn refuses_settings_that_make_no_sense() {
    let url = "(entry 1) must be an http:// or https:// URL";
    for (name, value, message) in [
        ("SVM_RPC_URL_SOLANA_DEVNET", "ws://s3cret", url),
        ("SVM_SEND_URL_SOLANA_DEVNET", "s3cret", url),
        (
            "SVM_ASSETS_SOLANA_DEVNET",
            "0x12",
            "(entry 1) must be an address: 32 bytes in base58",
        ),
        ("SVM_DAILY_SPEND_CAP_SOLANA_DEVNET", "0", "must not be zero"),
        (
            "SVM_DAILY_SPEND_CAP_SOLANA_DEVNET",
            "0.0000000001",
            "must be a decimal number such as 0.05 with at most 9 places, not `0.0000000001`",
        ),
        ("SVM_ANY_ASSET", "yes", "must be true or false, not `yes`"),
        (
            "SVM_MAX_COMPUTE_UNITS",
            "1400001",
            "must be a whole number from 1 to 1400000, not `1400001`",
        ),
        (
            "SVM_MAX_COMPUTE_UNIT_PRICE",
            "-1",
            "must be a whole number from 0 to 1000000000, not `-1`",
        ),
        (
            "SVM_MAX_PRIORITY_FEE_LAMPORTS",
            "0.1",
            "must be a whole number from 0 to 100000000, not `0.1`",
        ),
        (
            "SVM_MAX_REQUIRED_SIGNATURES",
            "1",
            "must be a whole number from 2 to 12, not `1`",
        ),
        (
            "SVM_SMART_WALLETS",
            "true",
            "must be off, on or addresses of programs, not `true`",
        ),
        (
            "SVM_TOKEN_2022_EXTENSIONS",
            "So11111111111111111111111111111111111111112:transfer_fee+transfer-hook",
            "(entry 1) must be a number or one of transfer_fee, confidential_transfer, default_account_state, non_transferable, permanent_delegate, transfer_hook, confidential_transfer_fee, confidential_mint_burn, pausable, not `transfer-hook`",
        ),
        (
            "SVM_TOKEN_2022_EXTENSIONS",
            "transfer_fee",
            "(entry 1) must be a mint, a colon, and extensions joined by +, not `transfer_fee`",
        ),
        (
            "SVM_TOKEN_2022_EXTENSIONS",
            "PYUSD:transfer_fee",
            "(entry 1) must be an address: 32 bytes in base58",
        ),
        (
            "SVM_TOKEN_2022_EXTENSIONS",
            "So11111111111111111111111111111111111111112:transfer_fee",
            "names So11111111111111111111111111111111111111112, which is no asset of the networks served",
        ),
        (
            "HELIUS_API_KEY",
            "k&x=1",
            "must have only letters, digits, - and _",
        ),
    ] {
        assert_eq!(problems(&[(name, value)]), [format!("{name} {message}")]);
    }
}

#[test]
fn a_testnet_needs_a_key_too() {
    assert_eq!(
        problems(&[("SVM_PRIVATE_KEY", "")]),
        ["SVM_PRIVATE_KEY must be set to serve solana-devnet: its owner pays the fees there"]
    );
}

#[test]
fn a_key_alone_serves_the_usual_network_and_that_is_told() {
    let environment = Environment::from_iter([
        ("EVM_NETWORKS", ""),
        ("SVM_PRIVATE_KEY", &keypair(1)),
        ("DATABASE_URL", "postgres://db.example/pay"),
        ("BEARER_TOKEN", "a-token-long-enough"),
    ]);
    let config = Config::load(&environment).unwrap();
    assert_eq!(names(&config.svm), ["solana-devnet"]);
    assert_eq!(
        config.notes,
        ["SVM_NETWORKS is unset: SVM_PRIVATE_KEY serves solana-devnet."]
    );
}

#[test]
fn nothing_is_served_without_a_key_or_where_nothing_is_named() {
    for pairs in [vec![], vec![("SVM_NETWORKS", ""), ("SVM_PRIVATE_KEY", "")]] {
        let base = [
            ("EVM_NETWORKS", "base-sepolia"),
            ("DATABASE_URL", "postgres://db.example/pay"),
            ("BEARER_TOKEN", "a-token-long-enough"),
            (
                "EVM_PRIVATE_KEY",
                "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
            ),
        ];
        let config = Config::load(&base.into_iter().chain(pairs).collect()).unwrap();
        assert_eq!((config.svm.networks.len(), config.svm.keys.len()), (0, 0));
        assert_eq!(config.notes, Vec::<String>::new());
    }
    assert_eq!(names(&svm(&[("SVM_NETWORKS", "")])), Vec::<&str>::new());
}

#[test]
fn solana_alone_starts_without_an_evm_key_and_needs_no_note() {
    let config = Config::load(&environment(&[])).unwrap();
    assert_eq!((config.evm.networks.len(), config.evm.keys.len()), (0, 0));
    assert_eq!(config.notes, Vec::<String>::new());
}

#[test]
fn nodes_come_from_the_operator_then_helius_then_the_public() {
    let explicit = (
        "SVM_RPC_URL_SOLANA_DEVNET",
        "https://one.example/k,https://two.example",
    );
    let helius = ("HELIUS_API_KEY", "h-key");
    for (changes, source, urls) in [
        (
            vec![explicit, helius],
            "explicit",
            vec!["https://one.example/k", "https://two.example"],
        ),
        (
            vec![helius],
            "helius",
            vec!["https://devnet.helius-rpc.com/?api-key=h-key"],
        ),
        (vec![], "public", vec!["https://api.devnet.solana.com"]),
    ] {
        let svm = svm(&changes);
        assert_eq!(svm.networks[0].rpc_source, source);
        assert_eq!(exposed(&svm.networks[0].rpc_urls), urls);
    }
}

#[test]
fn a_provider_that_does_not_know_the_network_is_passed_over() {
    let svm = svm(&[
        ("SVM_NETWORKS", "solana-testnet"),
        ("HELIUS_API_KEY", "h-key"),
    ]);
    assert_eq!(svm.networks[0].rpc_source, "public");
}

#[test]
fn knows_the_tokens_of_a_network_and_takes_more() {
    let added = format!("{USDC},{MINT}");
    let svm = svm(&[("SVM_ASSETS_SOLANA_DEVNET", &added)]);
    let assets = &svm.networks[0].assets;
    let symbols: Vec<&str> = assets.iter().map(|asset| asset.symbol.as_str()).collect();
    assert_eq!(symbols, ["USDC", "USDG", "PYUSD", MINT]);
    assert_eq!(assets[0].mint.to_string(), USDC);
    assert_eq!(
        (assets[0].decimals, assets[0].token_2022),
        (Some(6), Some(false))
    );
    assert_eq!((assets[3].decimals, assets[3].token_2022), (None, None));
}

#[test]
fn the_sponsor_is_careful_unless_told_otherwise() {
    let expected = SvmPolicy {
        max_compute_units: 200_000,
        max_compute_unit_price: 5_000_000,
        max_priority_fee: 100_000,
        max_required_signatures: 3,
        smart_wallets: SmartWallets::Off,
        lookup_tables: true,
    };
    assert_eq!(svm(&[]).policy, expected);
}

#[test]
fn reads_what_an_operator_may_choose() {
    let svm = svm(&[
        (
            "SVM_NETWORKS",
            " Solana-Testnet ,, solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        ),
        (
            "SVM_PRIVATE_KEY",
            &format!("{}, {}", keypair(1), keypair(2)),
        ),
        ("SVM_SEND_URL_SOLANA_MAINNET", "https://send.example"),
        ("SVM_DAILY_SPEND_CAP_SOLANA_MAINNET", "0.25"),
        ("SVM_ANY_ASSET", "true"),
        ("SVM_MAX_COMPUTE_UNITS", "40000"),
        ("SVM_MAX_COMPUTE_UNIT_PRICE", "0"),
        ("SVM_MAX_PRIORITY_FEE_LAMPORTS", "7000"),
        ("SVM_MAX_REQUIRED_SIGNATURES", "2"),
        ("SVM_SMART_WALLETS", MINT),
        ("SVM_LOOKUP_TABLES", "false"),
        (
            "SVM_TOKEN_2022_EXTENSIONS",
            &format!("{MINT}: permanent_delegate + 27, {MINT}:pausable"),
        ),
    ]);
    assert_eq!(names(&svm), ["solana-testnet", "solana-mainnet"]);
    assert_eq!(svm.keys.len(), 2);
    let mainnet = &svm.networks[1];
    assert_eq!(exposed(&mainnet.send_urls), ["https://send.example"]);
    assert_eq!(mainnet.daily_spend_cap, 250_000_000);
    assert!(mainnet.any_asset);
    let accepted = ["27", "pausable", "permanent_delegate"].map(str::to_owned);
    let extensions = [(MINT.parse().unwrap(), accepted.into())].into();
    assert_eq!(mainnet.extensions, extensions);
    let policy = SvmPolicy {
        max_compute_units: 40_000,
        max_compute_unit_price: 0,
        max_priority_fee: 7000,
        max_required_signatures: 2,
        smart_wallets: SmartWallets::Programs(vec![MINT.parse().unwrap()]),
        lookup_tables: false,
    };
    assert_eq!(svm.policy, policy);
    assert_eq!(
        self::svm(&[("SVM_SMART_WALLETS", "on")])
            .policy
            .smart_wallets,
        SmartWallets::Known
    );
}
