use alloy::primitives::Address;

use super::*;

const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const TOKEN: &str = "0xAbCdEf0000000000000000000000000000000001";

/// A configuration that is right, with some variables changed.
fn environment(changes: &[(&str, &str)]) -> Environment {
    let base = [
        ("EVM_PRIVATE_KEY", KEY),
        ("DATABASE_URL", "postgres://user:s3cret@db.example/pay"),
        ("BEARER_TOKEN", "a-token-long-enough"),
    ];
    base.into_iter().chain(changes.iter().copied()).collect()
}

fn load(changes: &[(&str, &str)]) -> Config {
    Config::load(&environment(changes)).unwrap()
}

fn problems(changes: &[(&str, &str)]) -> Vec<String> {
    let problems = Config::load(&environment(changes)).expect_err("the configuration is wrong");
    problems.iter().map(ToString::to_string).collect()
}

/// A Solana keypair.
fn keypair() -> String {
    let keypair = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).to_keypair_bytes();
    bs58::encode(keypair).into_string()
}

fn directory() -> String {
    let name = format!("x402-load-{}", uuid::Uuid::now_v7());
    std::env::temp_dir().join(name).to_str().unwrap().to_owned()
}

fn assert_refused(cases: &[(&str, &str, &str)]) {
    for (name, value, message) in cases {
        assert_eq!(problems(&[(name, value)]), [format!("{name} {message}")]);
    }
}

#[test]
fn refuses_server_settings_that_make_no_sense() {
    let path = "must be a path such as /facilitator, not";
    let origin = "must be off, * or origins such as https://shop.example, not";
    for (name, value, message) in [
        ("BASE_PATH", "pay", format!("{path} `pay`")),
        ("BASE_PATH", "/a//b", format!("{path} `/a//b`")),
        ("BASE_PATH", "/{id}", format!("{path} `/{{id}}`")),
        ("BASE_PATH", "/../x", format!("{path} `/../x`")),
        (
            "CORS_ORIGINS",
            "https://shop.example/",
            format!("(entry 1) {origin} `https://shop.example/`"),
        ),
        (
            "CORS_ORIGINS",
            "https://shop.example,*",
            format!("(entry 2) {origin} `*`"),
        ),
        ("CORS_ORIGINS", ",", "has only empty entries".to_owned()),
        (
            "HOST",
            "localhost",
            "must be an IP address such as 0.0.0.0 or ::, not `localhost`".to_owned(),
        ),
    ] {
        assert_refused(&[(name, value, &message)]);
    }
}

#[test]
fn refuses_numbers_out_of_range() {
    for (name, least, most, value) in [
        ("PORT", 0, 65535, "eighty"),
        ("PORT", 0, 65535, "65536"),
        ("BODY_LIMIT_BYTES", 1024, 16_777_216, "0"),
        ("READ_TIMEOUT_MS", 100, 120_000, "10s"),
        ("MAX_CONNECTIONS", 1, 1_000_000, "0"),
        ("DRAIN_TIMEOUT_MS", 0, 600_000, "-1"),
        ("DATABASE_MAX_CONNECTIONS", 1, 1000, "0"),
        ("SETTLE_TIMEOUT_MS", 100, 3_600_000, "0"),
        ("SETTLEMENT_RECEIPT_TIMEOUT_MS", 100, 3_600_000, "1.5"),
    ] {
        let message = format!("must be a whole number from {least} to {most}, not `{value}`");
        assert_refused(&[(name, value, &message)]);
    }
}

#[test]
fn refuses_choices_that_do_not_exist() {
    let filter = "must be a filter such as info,x402_facilitator=debug, not `info,=loud=`";
    assert_refused(&[
        (
            "SETTLE_AUTH",
            "maybe",
            "must be required or off, not `maybe`",
        ),
        (
            "SETTLE_PENDING_STATUS",
            "202",
            "must be 200 or 500, not `202`",
        ),
        ("EVM_ANY_ASSET", "yes", "must be true or false, not `yes`"),
        ("LOG_FORMAT", "xml", "must be pretty or json, not `xml`"),
        ("RUST_LOG", "info,=loud=", filter),
    ]);
}

#[test]
fn refuses_secrets_that_cannot_be_any() {
    let database = "must be a sqlite://, postgres:// or postgresql:// URL that names a database";
    let token = "must be at least 16 visible ASCII characters without spaces";
    let key = "(entry 1) must be a private key: 64 hex digits, with or without 0x";
    assert_refused(&[
        (
            "DATABASE_URL",
            "mysql://user:s3cret@db.example/pay",
            database,
        ),
        (
            "DATABASE_URL",
            "postgres://user:s3cret@db.example:port/pay",
            database,
        ),
        ("DATABASE_URL", "sqlite://", database),
        ("DATABASE_URL", "sqlite://?mode=rwc", database),
        ("BEARER_TOKEN", "s3cret", token),
        ("EVM_PRIVATE_KEY", "0xs3cret", key),
        ("EVM_PRIVATE_KEY", ",", "has only empty entries"),
        (
            "ALCHEMY_API_KEY",
            "s3cret/../",
            "must have only letters, digits, - and _",
        ),
    ]);
}

#[test]
fn refuses_places_on_disk_that_are_no_use() {
    let file = "names a file that cannot be read: entity not found";
    assert_refused(&[
        ("DATA_DIR", "data/../x", "must be a path without `..`"),
        ("NETWORKS_FILE", "/nonexistent/networks.toml", file),
    ]);
}

#[test]
fn tells_every_problem_at_once() {
    let problems = Config::load(&environment(&[
        ("PORT", "x"),
        ("LOG_FORMAT", "xml"),
        ("EVM_NETWORKS", "bse"),
    ]))
    .unwrap_err();
    assert_eq!(
        problems.to_string(),
        "3 problems in the configuration\n  \
         PORT must be a whole number from 0 to 65535, not `x`\n  \
         EVM_NETWORKS names an unknown network `bse`; give its id such as eip155:1234, or describe it in NETWORKS_FILE\n  \
         LOG_FORMAT must be pretty or json, not `xml`"
    );
}

#[test]
fn nothing_secret_is_told_in_problems_or_shown() {
    let secret = "5ec2e7";
    let wrong = format!("{secret} {secret}");
    let keypair = keypair();
    let names = variables::ALL.iter().filter(|variable| variable.secret);
    for name in names.map(|variable| {
        let svm = variable.name.starts_with("SVM_");
        let network = if svm { "SOLANA_DEVNET" } else { "BASE_SEPOLIA" };
        variable.name.replace("<NAME>", network)
    }) {
        let text = problems(&[("SVM_PRIVATE_KEY", &keypair), (&name, &wrong)]).join("\n");
        assert!(text.contains(&name), "{text}");
        assert!(!text.contains(secret), "{text}");
    }
    let config = load(&[
        ("EVM_NETWORKS", "base,base-sepolia"),
        ("ALCHEMY_API_KEY", secret),
        (
            "DATABASE_URL",
            "postgres://user:5ec2e7@db.example/pay?password=5ec2e7",
        ),
        ("BEARER_TOKEN", "a-token-long-enough-5ec2e7"),
        (
            "EVM_RPC_URL_BASE",
            "https://5ec2e7:5ec2e7@node.example/5ec2e7?key=5ec2e7",
        ),
        ("EVM_SEND_URL_BASE", "https://node.example/5ec2e7"),
        ("SVM_PRIVATE_KEY", &keypair),
        ("SVM_NETWORKS", "solana-devnet,solana-testnet"),
        ("SVM_RPC_URL_SOLANA_TESTNET", "https://node.example/5ec2e7"),
        ("HELIUS_API_KEY", secret),
    ]);
    let shown = format!(
        "{config:?} {} {:?}",
        config.summary().join(" "),
        config.notes
    );
    assert!(!shown.contains(secret), "{shown}");
    assert!(!shown.contains(&KEY[2..]), "{shown}");
    assert!(!shown.contains(&keypair), "{shown}");
}

#[test]
fn a_data_dir_that_cannot_be_made_is_a_problem() {
    let environment = Environment::from_iter([("DATA_DIR", "/dev/null/data")]);
    assert_eq!(
        Config::load(&environment).unwrap_err().to_string(),
        "1 problem in the configuration\n  DATA_DIR names a directory that cannot be made: not a directory"
    );
}

#[test]
fn a_broken_throwaway_key_is_a_problem_and_is_not_replaced() {
    let directory = directory();
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(format!("{directory}/evm-throwaway.key"), "s3cret").unwrap();
    let environment = Environment::from_iter([("DATA_DIR", directory.as_str())]);
    assert_eq!(
        Config::load(&environment).unwrap_err().to_string(),
        format!(
            "1 problem in the configuration\n  DATA_DIR is no use: {directory}/evm-throwaway.key holds no private key; delete the file or set EVM_PRIVATE_KEY"
        )
    );
}

#[test]
fn touches_nothing_while_something_is_wrong() {
    let directory = directory();
    let environment = Environment::from_iter([("DATA_DIR", directory.as_str()), ("PORT", "x")]);
    Config::load(&environment).unwrap_err();
    assert!(!Path::new(&directory).exists());
}

#[test]
fn starts_on_base_sepolia_with_a_key_of_its_own_when_nothing_is_configured() {
    let directory = directory();
    let environment = Environment::from_iter([("DATA_DIR", directory.as_str())]);
    let config = Config::load(&environment).unwrap();
    let [key] = config.evm.keys.as_slice() else {
        panic!("one key expected");
    };
    let address: Address = throwaway::address(key).unwrap();
    assert_eq!(
        config.notes,
        [
            "No BEARER_TOKEN: anyone may settle, on testnets only.".to_owned(),
            format!(
                "No configuration: SQLite at {directory}/facilitator.db, base-sepolia only, throwaway key at {directory}/evm-throwaway.key, its address {address}."
            ),
        ]
    );
    assert_eq!(
        config.store.url.expose(),
        format!("sqlite://{directory}/facilitator.db")
    );
    assert_eq!(config.server.port, 8090);
    assert_eq!(config.server.host.to_string(), "0.0.0.0");
    assert_eq!(config.settle.timeout, Duration::from_secs(20));
    let again = Config::load(&environment).unwrap();
    assert_eq!(again.evm.keys, config.evm.keys);
}

#[test]
fn the_embedded_database_has_a_url_that_reading_does_not_change() {
    for (directory, expected) in [
        ("./data", "sqlite://./data/facilitator.db"),
        ("/var/lib/pay", "sqlite:///var/lib/pay/facilitator.db"),
        (
            "My data?/100%",
            "sqlite://My%20data%3F/100%25/facilitator.db",
        ),
    ] {
        let url = embedded_database(Path::new(directory));
        assert_eq!(url.expose(), expected);
        assert_eq!(Url::parse(expected).unwrap().as_str(), expected);
    }
}

#[test]
fn the_wait_for_an_outcome_stays_below_what_clients_bear_and_the_cut_is_told() {
    let config = load(&[("SETTLEMENT_RECEIPT_TIMEOUT_MS", "45000")]);
    assert_eq!(config.settle.timeout, Duration::from_secs(28));
    assert_eq!(
        config.notes,
        [
            "SETTLEMENT_RECEIPT_TIMEOUT_MS is lowered from 45000 to 28000, because clients give up at 30 s."
        ]
    );
    let config = load(&[
        ("SETTLEMENT_RECEIPT_TIMEOUT_MS", "45000"),
        ("SETTLE_TIMEOUT_MS", "5000"),
    ]);
    assert_eq!(config.settle.timeout, Duration::from_secs(5));
    assert_eq!(config.notes, Vec::<String>::new());
}

#[test]
fn several_bearer_tokens_win_over_one_and_that_is_told() {
    let config = load(&[("BEARER_TOKENS", "first-token-is-long, second-token-is-long")]);
    let tokens: Vec<&str> = config.auth.tokens.iter().map(Secret::expose).collect();
    assert_eq!(tokens, ["first-token-is-long", "second-token-is-long"]);
    assert_eq!(
        config.notes,
        ["BEARER_TOKEN is not used, because BEARER_TOKENS is set."]
    );
}

#[test]
fn a_setting_that_nothing_reads_is_told() {
    let config = load(&[("SETTLE_MAX_AMOUNTS", "1000000"), ("HOME", "/root")]);
    assert_eq!(
        config.notes,
        ["SETTLE_MAX_AMOUNTS is set, but this service has no such setting."]
    );
}

#[test]
fn reads_what_an_operator_may_choose() {
    let config = load(&[
        ("HOST", "::1"),
        ("BASE_PATH", "/pay/facilitator/"),
        (
            "CORS_ORIGINS",
            "https://Shop.example, http://localhost:3000",
        ),
        ("SETTLE_PENDING_STATUS", "500"),
        ("LOG_FORMAT", "json"),
        ("EVM_PRIVATE_KEY", &format!("{KEY},{}", "AB".repeat(32))),
        (
            "EIP6492_FACTORIES",
            &format!("{TOKEN}:300000").to_lowercase(),
        ),
        ("PORT", ""),
    ]);
    assert_eq!(config.server.host.to_string(), "::1");
    assert_eq!(config.server.base_path, "/pay/facilitator");
    let origins = ["https://shop.example", "http://localhost:3000"].map(str::to_owned);
    assert_eq!(config.server.cors, Cors::Origins(origins.to_vec()));
    assert_eq!(config.settle.pending_status, 500);
    assert!(config.log.json);
    assert_eq!(config.evm.keys.len(), 2);
    assert_eq!(config.evm.networks[0].factories[0].gas, 300_000);
    assert_eq!(config.server.port, 8090);
}

#[test]
fn the_slash_alone_is_no_base_path() {
    assert_eq!(base_path("/"), Ok(String::new()));
}
