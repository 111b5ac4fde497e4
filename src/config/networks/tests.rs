use super::*;

fn problems(extension: &str) -> Vec<String> {
    Catalogue::read(Some(extension)).expect_err("the extension is wrong")
}

#[test]
fn refuses_an_extension_that_says_what_cannot_be() {
    for (extension, message) in [
        (
            "[networks.base]\nrpcs = []",
            "[networks.base] unknown field `rpcs`, expected one of `chain_id`, `v1_name`, `testnet`, `block_time_ms`, `confirmations`, `finality_depth`, `bump_after_ms`, `max_fee_gwei`, `min_priority_fee_gwei`, `daily_spend_cap`, `alchemy`, `infura`, `rpc`, `explorer`, `assets`",
        ),
        (
            "[networks.mine]\ntestnet = true",
            "[networks.mine] missing field `chain_id`",
        ),
        (
            "[networks.mine]\nchain_id = 0",
            "[networks.mine] chain_id must be from 1 to 9007199254740991, not 0",
        ),
        (
            "[networks.mine]\nchain_id = 8453",
            "[networks.mine] has the chain id 8453 of `base`; override that one instead",
        ),
        (
            "[networks.My_Chain]\nchain_id = 5",
            "[networks.My_Chain] a name has lower-case letters, digits and -, and does not begin with eip155",
        ),
        (
            "[networks.base]\nconfirmations = 0",
            "[networks.base] confirmations must be from 1 to 100000, not 0",
        ),
        (
            "[networks.base]\nmax_fee_gwei = 'much'",
            "[networks.base] max_fee_gwei must be a decimal number such as 0.05 with at most 9 places, not `much`",
        ),
        (
            "[networks.base]\nrpc = ['ftp://key@node.example']",
            "[networks.base] rpc must be an http:// or https:// URL",
        ),
        (
            "[networks.base]\nassets = [{ address = '0x12', symbol = 'X' }]",
            "[networks.base] assets must be an address: 0x and 40 hex digits",
        ),
        (
            "[network.base]",
            "line 1: unknown field `network`, expected `networks` or `svm`",
        ),
    ] {
        assert_eq!(problems(extension), [message], "{extension}");
    }
}

#[test]
fn a_line_that_is_not_toml_is_named_and_not_quoted() {
    let messages = problems("[networks.base]\nrpc = ['https://node.example/s3cret]\n");
    assert!(messages[0].starts_with("line 2: "), "{messages:?}");
    assert!(!messages[0].contains("s3cret"), "{messages:?}");
}

#[test]
fn an_extension_overrides_the_fields_it_names_and_leaves_the_others() {
    let embedded = Catalogue::read(None).unwrap();
    let extended = Catalogue::read(Some("[networks.base]\nconfirmations = 7")).unwrap();
    let expected = Facts {
        confirmations: 7,
        ..embedded.by_name("base").unwrap().clone()
    };
    assert_eq!(extended.by_name("base"), Some(&expected));
}

#[test]
fn an_extension_adds_a_network_that_is_a_mainnet_until_it_says_otherwise() {
    let catalogue = Catalogue::read(Some("[networks.mine]\nchain_id = 5")).unwrap();
    let mine = catalogue.by_chain_id(5).unwrap();
    assert_eq!(mine.name, "mine");
    assert!(!mine.testnet);
    assert_eq!(mine.assets, []);
}

#[test]
fn an_unknown_chain_is_a_mainnet_unless_development_nodes_have_its_id() {
    let unknown = Facts::of_unknown_chain(1234).unwrap();
    assert!(!unknown.testnet);
    assert_eq!(unknown.suffix(), "EIP155_1234");
    assert_eq!(
        (unknown.v1_name, unknown.assets, unknown.rpc),
        (None, vec![], vec![])
    );
    assert!(Facts::of_unknown_chain(31_337).unwrap().testnet);
    assert_eq!(
        Facts::of_unknown_chain(0),
        Err("chain_id must be from 1 to 9007199254740991, not 0".to_owned())
    );
}

#[test]
fn a_stuck_transaction_waits_longer_on_slow_chains() {
    let catalogue = Catalogue::read(None).unwrap();
    let wait = |name| catalogue.by_name(name).unwrap().bump_after.as_secs();
    assert_eq!((wait("base"), wait("ethereum")), (5, 30));
}

#[test]
fn knows_the_networks_of_the_systems_it_replaces() {
    let catalogue = Catalogue::read(None).unwrap();
    for (name, chain_id) in [
        ("base", 8453),
        ("base-sepolia", 84532),
        ("ethereum", 1),
        ("sepolia", 11_155_111),
        ("polygon", 137),
        ("polygon-amoy", 80002),
        ("arbitrum", 42161),
        ("arbitrum-sepolia", 421_614),
        ("optimism", 10),
        ("optimism-sepolia", 11_155_420),
        ("avalanche", 43114),
        ("avalanche-fuji", 43113),
        ("abstract", 2741),
        ("abstract-testnet", 11124),
        ("bsc", 56),
        ("bsc-testnet", 97),
        ("scroll", 534_352),
        ("scroll-sepolia", 534_351),
        ("monad", 143),
        ("monad-testnet", 10143),
        ("gnosis", 100),
        ("alltra", 651_940),
        ("defi-oracle", 138),
    ] {
        let facts = catalogue.by_name(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(facts.chain_id, chain_id, "{name}");
    }
}

#[test]
fn knows_every_name_of_protocol_version_1() {
    let catalogue = Catalogue::read(None).unwrap();
    let mut names: Vec<(&str, u64)> = catalogue
        .iter()
        .filter_map(|facts| Some((facts.v1_name.as_deref()?, facts.chain_id)))
        .collect();
    names.sort_unstable();
    let expected = [
        ("abstract", 2741),
        ("abstract-testnet", 11124),
        ("avalanche", 43114),
        ("avalanche-fuji", 43113),
        ("base", 8453),
        ("base-sepolia", 84532),
        ("celo", 42220),
        ("educhain", 41923),
        ("ethereum", 1),
        ("flare", 14),
        ("iotex", 4689),
        ("megaeth", 4326),
        ("monad", 143),
        ("peaq", 3338),
        ("polygon", 137),
        ("polygon-amoy", 80002),
        ("sei", 1329),
        ("sei-testnet", 1328),
        ("sepolia", 11_155_111),
        ("skale-base-sepolia", 324_705_682),
        ("stable", 988),
        ("stable-testnet", 2201),
        ("story", 1514),
    ];
    assert_eq!(names, expected);
}

#[test]
fn lists_no_asset_where_nobody_is_certain_of_one() {
    let catalogue = Catalogue::read(None).unwrap();
    for name in ["alltra", "defi-oracle", "bsc", "gnosis"] {
        assert_eq!(catalogue.by_name(name).unwrap().assets, [], "{name}");
    }
}

#[test]
fn every_listed_fact_is_within_reason() {
    for facts in Catalogue::read(None).unwrap().iter() {
        assert!(
            facts.min_priority_fee < facts.max_fee_per_gas,
            "{}",
            facts.name
        );
        assert!(
            facts.daily_spend_cap > 300_000 * facts.max_fee_per_gas,
            "{}",
            facts.name
        );
        assert!(
            facts.confirmations <= facts.finality_depth,
            "{}",
            facts.name
        );
        assert_eq!(
            facts.testnet,
            is_named_like_a_testnet(&facts.name),
            "{}",
            facts.name
        );
        if let Some(v1_name) = &facts.v1_name {
            assert_eq!(v1_name, &facts.name);
        }
    }
}

fn is_named_like_a_testnet(name: &str) -> bool {
    ["sepolia", "testnet", "amoy", "fuji", "apothem"]
        .iter()
        .any(|word| name.ends_with(word))
}
