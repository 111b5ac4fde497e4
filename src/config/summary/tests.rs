use super::*;
use crate::config::Environment;

const KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

const KEYPAIR: &str =
    "99eUso3aSbE9tqGSTXzo3TLfKb9RkMTURrHKQ1K7Zh3StnzFNUx8FKCPPPPpR479qsw5zv2WNBKmgiz7WqgAJfM";

#[test]
fn tells_everything_but_secrets() {
    let environment = Environment::from_iter([
        ("HOST", "::"),
        ("BASE_PATH", "/facilitator"),
        ("CORS_ORIGINS", "*"),
        (
            "DATABASE_URL",
            "postgres://user:s3cret@db.example:6432/pay?sslmode=s3cret",
        ),
        ("BEARER_TOKENS", "first-s3cret-token-,second-s3cret-token"),
        ("EVM_PRIVATE_KEY", KEY),
        ("EVM_NETWORKS", "base,eip155:1234"),
        ("ALCHEMY_API_KEY", "s3cret"),
        (
            "EVM_RPC_URL_EIP155_1234",
            "https://s3cret@node.example:8545/s3cret,http://10.0.0.1/?k=s3cret",
        ),
        ("EVM_SEND_URL_BASE", "https://sequencer.example/s3cret"),
        ("SVM_NETWORKS", "solana-mainnet"),
        ("SVM_PRIVATE_KEY", KEYPAIR),
        ("HELIUS_API_KEY", "s3cret"),
        ("SVM_SEND_URL_SOLANA_MAINNET", "https://send.example/s3cret"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://s3cret@otel.example/s3cret",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "key=s3cret"),
        ("OTEL_METRICS_EXPORTER", "none"),
    ]);
    assert_eq!(
        Config::load(&environment).unwrap().summary(),
        [
            "listening: [::]:8090, also under /facilitator; browser origins: any",
            "store: PostgreSQL at db.example:6432",
            "callers: 2 bearer tokens",
            "metrics: 127.0.0.1:9090",
            "exported: traces to otel.example, metrics to nowhere",
            "EVM signer: 0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
            "base (chain 8453, mainnet): alchemy nodes base-mainnet.g.alchemy.com, sends to sequencer.example; tokens: USDC",
            "eip155:1234 (chain 1234, mainnet): explicit nodes node.example:8545, 10.0.0.1; tokens: none",
            "Solana signer: GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB",
            "solana-mainnet (solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp, mainnet): helius nodes mainnet.helius-rpc.com, sends to send.example; tokens: USDC, USDT, USDG, PYUSD, CASH",
        ]
    );
}

#[test]
fn a_database_file_is_told_without_its_parameters() {
    let store = Store {
        url: Secret::new("sqlite://pay.db?key=s3cret"),
        max_connections: 1,
        auto_migrate: true,
    };
    assert_eq!(store.place(), "SQLite at pay.db");
}

#[test]
fn a_url_that_cannot_be_read_is_not_told() {
    assert_eq!(host(&Secret::new("s3cret")), "an unreadable URL");
    assert_eq!(
        host(&Secret::new("postgres:///pay?host=/run/s3cret")),
        "a local socket"
    );
}
