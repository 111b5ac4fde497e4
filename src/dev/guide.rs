//! What to point a resource server and a buyer at.

use std::path::Path;

use anyhow::Context;

use super::buyer::{self, Buyer, Method};
use super::solana::Solana;
use super::{Chain, PAYERS, contracts, keys, screen};

/// The EVM chain, with a payment to try.
pub(super) async fn evm(
    chain: &Chain,
    facilitator: &str,
    buyer: &Buyer,
    folder: &Path,
) -> anyhow::Result<()> {
    let payer = keys::account("payer", PAYERS - 1);
    let payment = folder.join("payment.json");
    let body = buyer.body(&payer, Method::Eip3009).await?;
    std::fs::write(&payment, serde_json::to_vec_pretty(&body)?)
        .context("writing the example payment")?;
    let payment = payment.display();
    screen::line("");
    screen::line("Point a resource server at:");
    screen::row("facilitator", facilitator);
    screen::row("network", "eip155:84532 (version 1: base-sepolia)");
    screen::row("RPC", chain.url());
    screen::row(
        "token",
        &format!("{} \"USDC\" version \"2\", 6 decimals", contracts::USDC),
    );
    screen::row("payTo", &buyer::pay_to().to_string());
    for index in 0..3 {
        let account = keys::account("payer", index);
        screen::row(
            &format!("payer {index}"),
            &format!("{} key {}", account.address(), keys::key("payer", index)),
        );
    }
    screen::line("");
    screen::line("Try it:");
    screen::line(&format!("  curl {facilitator}/supported"));
    screen::line(&format!(
        "  curl -X POST {facilitator}/verify -d @{payment}"
    ));
    screen::line(&format!(
        "  curl -X POST {facilitator}/settle -d @{payment}"
    ));
    Ok(())
}

/// Solana, or why there is none.
pub(super) fn solana(solana: &Result<Solana, Vec<String>>) {
    screen::line("");
    match solana {
        Ok(solana) => {
            screen::line("On Solana:");
            for (name, value) in solana.facts_to_show() {
                screen::row(&name, &value);
            }
        }
        Err(why_not) => why_not.iter().for_each(|line| screen::line(line)),
    }
}

pub(super) fn farewell() {
    screen::line("");
    screen::line(
        "The keys above are public: never use them anywhere else. Ctrl-C ends everything.",
    );
}
