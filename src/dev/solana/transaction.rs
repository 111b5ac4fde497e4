//! Transactions of the sandbox, compiled and signed.

use anyhow::{Context, ensure};
use ed25519_dalek::{Signer, SigningKey};
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_message::{VersionedMessage, v0};
use solana_pubkey::Pubkey;

use super::keys;

const PACKET: usize = 1232;
const SIGNATURE_LENGTH: usize = 64;

/// The wire bytes of a v0 transaction: signed by those of `signers` whom it asks, other slots zero.
///
/// # Errors
/// It does not fit into a packet.
pub fn signed(
    fee_payer: &Pubkey,
    instructions: &[Instruction],
    signers: &[&SigningKey],
    blockhash: Hash,
) -> anyhow::Result<Vec<u8>> {
    let message = v0::Message::try_compile(fee_payer, instructions, &[], blockhash)
        .context("compiling a transaction")?;
    let required = message.header.num_required_signatures;
    let asked = message
        .account_keys
        .iter()
        .take(usize::from(required))
        .copied();
    let asked: Vec<Pubkey> = asked.collect();
    let bytes = VersionedMessage::V0(message).serialize();
    let mut wire = vec![required];
    for key in asked {
        let signer = signers.iter().find(|signer| keys::address(signer) == key);
        let signature = signer.map_or([0; SIGNATURE_LENGTH], |signer| {
            signer.sign(&bytes).to_bytes()
        });
        wire.extend(signature);
    }
    wire.extend(bytes);
    ensure!(
        wire.len() <= PACKET,
        "a transaction of {} bytes",
        wire.len()
    );
    Ok(wire)
}
