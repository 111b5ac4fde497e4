use crate::config::{Config, Environment};

const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const WHOLE: [(&str, &str); 6] = [
    ("EVM_NETWORKS", "base,polygon"),
    ("EVM_PRIVATE_KEY", KEY),
    ("DATABASE_URL", "postgres://db.example/pay"),
    ("BEARER_TOKEN", "a-token-long-enough"),
    ("EVM_RPC_URL_BASE", "https://node.example"),
    ("EVM_RPC_URL_POLYGON", "https://node.example"),
];

fn without(missing: &str) -> Vec<(&'static str, &'static str)> {
    WHOLE
        .into_iter()
        .filter(|(name, _)| *name != missing)
        .collect()
}

fn problems(pairs: Vec<(&str, &str)>) -> Vec<String> {
    let environment = Environment::from_iter(pairs);
    let problems = Config::load(&environment).expect_err("the configuration is wrong");
    problems.iter().map(ToString::to_string).collect()
}

fn notes(pairs: Vec<(&str, &str)>) -> Vec<String> {
    Config::load(&Environment::from_iter(pairs)).unwrap().notes
}

#[test]
fn a_mainnet_needs_a_key_of_its_own() {
    assert_eq!(
        problems(without("EVM_PRIVATE_KEY")),
        ["EVM_PRIVATE_KEY must be set to serve base, polygon: real money needs a key of your own"]
    );
}

#[test]
fn a_mainnet_needs_a_database_that_was_chosen() {
    assert_eq!(
        problems(without("DATABASE_URL")),
        ["DATABASE_URL must be set to serve base, polygon: real money needs a database you chose"]
    );
}

#[test]
fn a_mainnet_needs_a_database_that_outlives_the_process() {
    let mut pairs = without("DATABASE_URL");
    pairs.push(("DATABASE_URL", "sqlite://pay.db?mode=memory"));
    assert_eq!(
        problems(pairs),
        ["DATABASE_URL must outlive the process to serve base, polygon, and memory does not"]
    );
}

#[test]
fn a_mainnet_needs_callers_who_prove_who_they_are() {
    assert_eq!(
        problems(without("BEARER_TOKEN")),
        [
            "BEARER_TOKEN must be set to serve base, polygon, or API_KEYS=on, or SETTLE_AUTH=off to let anyone spend its gas"
        ]
    );
}

#[test]
fn keys_of_the_database_prove_that_too() {
    let mut pairs = without("BEARER_TOKEN");
    pairs.push(("API_KEYS", "on"));
    assert_eq!(notes(pairs.clone()), Vec::<String>::new());
    pairs.push(("SETTLE_AUTH", "off"));
    assert_eq!(
        problems(pairs),
        ["SETTLE_AUTH is off while API_KEYS is on; change one of them"]
    );
}

#[test]
fn an_unknown_chain_is_treated_as_real_money() {
    let pairs = vec![
        ("EVM_NETWORKS", "eip155:1234"),
        ("EVM_RPC_URL_EIP155_1234", "http://localhost:8545"),
        ("DATABASE_URL", "postgres://db.example/pay"),
        ("SETTLE_AUTH", "off"),
    ];
    assert_eq!(
        problems(pairs),
        ["EVM_PRIVATE_KEY must be set to serve eip155:1234: real money needs a key of your own"]
    );
}

#[test]
fn required_tokens_must_be_there_on_testnets_too() {
    assert_eq!(
        problems(vec![("SETTLE_AUTH", "required"), ("EVM_PRIVATE_KEY", KEY)]),
        ["BEARER_TOKEN must be set, or API_KEYS=on, because SETTLE_AUTH is required"]
    );
}

#[test]
fn open_to_anyone_and_tokens_contradict_each_other() {
    let mut pairs = WHOLE.to_vec();
    pairs.push(("SETTLE_AUTH", "off"));
    assert_eq!(
        problems(pairs),
        ["SETTLE_AUTH is off while a bearer token is set; unset one of them"]
    );
}

#[test]
fn a_mainnet_open_to_anyone_starts_with_a_loud_note() {
    let mut pairs = without("BEARER_TOKEN");
    pairs.push(("SETTLE_AUTH", "off"));
    assert_eq!(
        notes(pairs),
        ["WARNING: SETTLE_AUTH=off: anyone who reaches this service spends its gas."]
    );
}

#[test]
fn a_whole_mainnet_configuration_needs_no_note() {
    assert_eq!(notes(WHOLE.to_vec()), Vec::<String>::new());
}

#[test]
fn no_network_at_all_starts_without_a_key_and_says_so() {
    let pairs = vec![("EVM_NETWORKS", ""), ("DATABASE_URL", "sqlite://pay.db")];
    let config = Config::load(&Environment::from_iter(pairs)).unwrap();
    assert_eq!(
        config.notes,
        ["EVM_NETWORKS is empty: this service serves no network."]
    );
    assert_eq!((config.evm.keys.len(), config.evm.networks.len()), (0, 0));
}

#[test]
fn tells_of_networks_where_nothing_can_be_paid_and_of_public_nodes() {
    let mut pairs = WHOLE.to_vec();
    pairs[0] = ("EVM_NETWORKS", "alltra");
    assert_eq!(
        notes(pairs),
        [
            "No token is known on alltra: nothing can be paid there until EVM_ASSETS_<NAME> or NETWORKS_FILE names one.",
            "Public nodes serve alltra: they are slow and refuse calls under load; set EVM_RPC_URL_<NAME>.",
        ]
    );
}

#[test]
fn tells_that_any_token_may_burn_gas() {
    let mut pairs = WHOLE.to_vec();
    pairs.push(("EVM_ANY_ASSET", "true"));
    assert_eq!(
        notes(pairs),
        ["WARNING: EVM_ANY_ASSET=true: tokens nobody vouched for may burn this service's gas."]
    );
}

const SOLANA: [(&str, &str); 6] = [
    ("EVM_NETWORKS", "base"),
    ("EVM_PRIVATE_KEY", KEY),
    ("EVM_RPC_URL_BASE", "https://node.example"),
    ("SVM_NETWORKS", "solana-mainnet"),
    ("SVM_RPC_URL_SOLANA_MAINNET", "https://node.example"),
    ("SVM_PRIVATE_KEY", KEYPAIR),
];
/// Of the seed that is 32 times 7.
const KEYPAIR: &str =
    "99eUso3aSbE9tqGSTXzo3TLfKb9RkMTURrHKQ1K7Zh3StnzFNUx8FKCPPPPpR479qsw5zv2WNBKmgiz7WqgAJfM";

#[test]
fn real_money_on_solana_asks_for_the_same_as_elsewhere() {
    assert_eq!(
        problems(
            SOLANA
                .into_iter()
                .filter(|p| p.0 != "SVM_PRIVATE_KEY")
                .collect()
        ),
        [
            "BEARER_TOKEN must be set to serve base, solana-mainnet, or API_KEYS=on, or SETTLE_AUTH=off to let anyone spend its gas",
            "SVM_PRIVATE_KEY must be set to serve solana-mainnet: real money needs a key of your own",
            "DATABASE_URL must be set to serve base, solana-mainnet: real money needs a database you chose",
        ]
    );
}

#[test]
fn tells_what_is_risky_on_solana() {
    let mut pairs = SOLANA.to_vec();
    pairs.retain(|(name, _)| *name != "SVM_RPC_URL_SOLANA_MAINNET");
    pairs.extend([
        ("DATABASE_URL", "postgres://db.example/pay"),
        ("BEARER_TOKEN", "a-token-long-enough"),
        ("SVM_ANY_ASSET", "true"),
        (
            "SVM_TOKEN_2022_EXTENSIONS",
            "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo:transfer_fee+permanent_delegate",
        ),
    ]);
    assert_eq!(
        notes(pairs),
        [
            "WARNING: SVM_ANY_ASSET=true: tokens nobody vouched for may burn this service's gas.",
            "Public nodes serve solana-mainnet: they are slow and refuse calls under load; set SVM_RPC_URL_<NAME>.",
            "WARNING: on solana-mainnet the mint 2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo is accepted with permanent_delegate, transfer_fee: it may give the payee less than was paid, or take it back.",
        ]
    );
}
