//! What names a payment, and what a repeated request must share with the first one.

use alloy::hex;
use alloy::primitives::{Address, B256, U256};
use sha2::{Digest, Sha256};

use super::requested::Requested;
use super::signed::Signed;
use crate::chain::evm::eip712::Permit;

/// EIP-3009: token, payer and nonce happen once. `eip3009:<chain id>:<token>:<payer>:<nonce>`, hex in lower case.
pub(in crate::scheme) fn eip3009_key(
    chain_id: u64,
    token: Address,
    from: Address,
    nonce: B256,
) -> String {
    format!("eip3009:{chain_id}:{token:#x}:{from:#x}:{nonce:#x}")
}

/// Permit2: owner and nonce happen once, whatever the token; `exact` and `upto` share it. `permit2:<chain id>:<owner>:<nonce>`,
/// the nonce as 32 bytes of lower-case hex (on the wire it is decimal, with any number of leading zeros).
pub(in crate::scheme) fn permit2_key(chain_id: u64, owner: Address, nonce: U256) -> String {
    let nonce = B256::from(nonce);
    format!("permit2:{chain_id}:{owner:#x}:{nonce:#x}")
}

/// Digest of the economic terms and of what was signed, hex.
pub(in crate::scheme) fn fingerprint(
    requested: &Requested,
    payer: Address,
    digest: B256,
) -> String {
    hash(&[
        requested.scheme.as_bytes(),
        requested.network.as_str().as_bytes(),
        format!("{:#x}", requested.asset).as_bytes(),
        format!("{:#x}", requested.pay_to).as_bytes(),
        requested.amount.to_string().as_bytes(),
        format!("{payer:#x}").as_bytes(),
        digest.as_slice(),
    ])
}

/// Digest of the signature as contracts get it, of the deployment it brings (EIP-6492), and of the extension used, hex.
pub(in crate::scheme) fn proof(signed: &Signed, extension: &[u8]) -> String {
    let deployment = signed.deployment.as_ref();
    hash(&[
        &signed.bytes,
        deployment.map_or(&[][..], |d| d.factory.as_slice()),
        deployment.map_or(&[][..], |d| &d.calldata),
        extension,
    ])
}

/// An ERC-2612 permit: token, owner and nonce happen once, whoever the spender is. `erc2612:<chain id>:<token>:<owner>:<spender>:<nonce>`, the nonce as
/// 32 bytes of lower-case hex.
pub(in crate::scheme) fn permit_key(chain_id: u64, token: Address, permit: &Permit) -> String {
    let Permit {
        owner,
        spender,
        nonce,
        ..
    } = permit;
    let nonce = B256::from(*nonce);
    format!("erc2612:{chain_id}:{token:#x}:{owner:#x}:{spender:#x}:{nonce:#x}")
}

/// Digest of what a permit allows and of what was signed, hex.
pub(in crate::scheme) fn permit_fingerprint(permit: &Permit, digest: B256) -> String {
    hash(&[
        permit.value.to_string().as_bytes(),
        permit.deadline.to_string().as_bytes(),
        digest.as_slice(),
    ])
}

/// SHA-256 over the parts, each with its length before it: no two lists of parts look alike.
fn hash(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    hex::encode(sha.finalize())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, bytes};

    use super::*;
    use crate::chain::evm::signature::Deployment;
    use crate::protocol::Network;

    fn requested() -> Requested {
        Requested {
            scheme: "exact",
            network: Network::eip155(84_532),
            asset: Address::repeat_byte(1),
            pay_to: Address::repeat_byte(2),
            amount: U256::from(10),
        }
    }

    #[test]
    fn keys_are_lower_case_and_of_fixed_width() {
        let usdc = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
        let payer = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(
            eip3009_key(84_532, usdc, payer, B256::repeat_byte(0xAB)),
            "eip3009:84532:0x036cbd53842c5426634e7929541ec2318f3dcf7e:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266:0xabababababababababababababababababababababababababababababababab"
        );
        assert_eq!(
            permit2_key(8453, payer, U256::from(255)),
            "permit2:8453:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266:0x00000000000000000000000000000000000000000000000000000000000000ff"
        );
    }

    #[test]
    fn fingerprint_changes_with_every_term() {
        let (payer, digest) = (Address::repeat_byte(3), B256::repeat_byte(4));
        let first = fingerprint(&requested(), payer, digest);
        assert_eq!(first, fingerprint(&requested(), payer, digest));
        assert_eq!(first.len(), 64);
        let other = Address::repeat_byte(9);
        for changed in [
            Requested {
                scheme: "upto",
                ..requested()
            },
            Requested {
                network: Network::eip155(8453),
                ..requested()
            },
            Requested {
                asset: other,
                ..requested()
            },
            Requested {
                pay_to: other,
                ..requested()
            },
            Requested {
                amount: U256::from(11),
                ..requested()
            },
        ] {
            assert_ne!(first, fingerprint(&changed, payer, digest), "{changed:?}");
        }
        assert_ne!(first, fingerprint(&requested(), other, digest));
        assert_ne!(first, fingerprint(&requested(), payer, B256::ZERO));
    }

    #[test]
    fn proof_covers_signature_deployment_and_extension() {
        let signed =
            |bytes, deployment| Signed::new(bytes, deployment, B256::ZERO, Address::repeat_byte(3));
        let deployment = |calldata| {
            Some(Deployment {
                factory: Address::repeat_byte(5),
                calldata,
            })
        };
        let proofs = [
            proof(&signed(bytes!("01"), None), &[]),
            proof(&signed(bytes!("02"), None), &[]),
            proof(&signed(bytes!("01"), None), &[1]),
            proof(&signed(bytes!("01"), deployment(bytes!("01"))), &[]),
            proof(&signed(bytes!("01"), deployment(bytes!("02"))), &[]),
        ];
        for (n, one) in proofs.iter().enumerate() {
            assert!(!proofs[n + 1..].contains(one), "proof {n} is not its own");
        }
    }
}
