//! Signatures of payers: ECDSA recovery, and the EIP-6492 wrapper of wallets that are not deployed yet. Asks nobody.

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes, U256, b256, keccak256, uint};
use alloy::sol_types::SolValue;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, Secp256k1, VerifyOnly};

/// Half of the order of the curve: a larger `s` is the same signature in other bytes, and token contracts refuse it (EIP-2).
const HALF_ORDER: U256 =
    uint!(0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0_U256);
/// What an EIP-6492 signature ends with.
const SUFFIX_6492: B256 =
    b256!("0x6492649264926492649264926492649264926492649264926492649264926492");

static CURVE: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// An ECDSA signature in the one form that contracts accept: low `s`, `v` 27 or 28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ecdsa {
    pub r: B256,
    pub s: B256,
    pub v: u8,
}

impl Ecdsa {
    /// Reads `r ‖ s ‖ v`, exactly 65 bytes with `v` of 27, 28, 0 or 1; `None` also for a high `s`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 65] = bytes.try_into().ok()?;
        let (r, s) = (
            B256::from_slice(&bytes[..32]),
            B256::from_slice(&bytes[32..64]),
        );
        let v = match bytes[64] {
            v @ (27 | 28) => v,
            v @ (0 | 1) => v + 27,
            _ => return None,
        };
        (U256::from_be_bytes(s.0) <= HALF_ORDER).then_some(Self { r, s, v })
    }

    /// The account whose key signed `digest`.
    pub fn recover(&self, digest: B256) -> Option<Address> {
        let id = RecoveryId::try_from(i32::from(self.v) - 27).ok()?;
        let compact = [self.r.0, self.s.0].concat();
        let signature = RecoverableSignature::from_compact(&compact, id).ok()?;
        let key = CURVE
            .recover_ecdsa(Message::from_digest(digest.0), &signature)
            .ok()?;
        let point = key.serialize_uncompressed();
        Some(Address::from_word(keccak256(&point[1..])))
    }

    /// `r ‖ s ‖ v` with `v` 27 or 28.
    pub fn to_bytes(self) -> Bytes {
        [&self.r[..], &self.s[..], &[self.v]].concat().into()
    }
}

/// How a wallet that does not exist yet comes to exist: a call to its factory (EIP-6492).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub factory: Address,
    pub calldata: Bytes,
}

/// A signature without its EIP-6492 wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwrapped {
    pub signature: Bytes,
    pub deployment: Option<Deployment>,
}

/// A signature that ends like EIP-6492 and does not decode like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedWrapper;

/// Takes off an EIP-6492 wrapper: `abi.encode(address factory, bytes calldata, bytes signature)` and the suffix. A wrapper that names no factory
/// or has no calldata deploys nothing: then the bytes stay as they are.
///
/// # Errors
/// [`MalformedWrapper`]; signatures without the suffix never fail.
pub fn unwrap_6492(signature: &Bytes) -> Result<Unwrapped, MalformedWrapper> {
    let plain = || Unwrapped {
        signature: signature.clone(),
        deployment: None,
    };
    let Some(wrapped) = signature.strip_suffix(SUFFIX_6492.as_slice()) else {
        return Ok(plain());
    };
    let (factory, calldata, inner) = <(Address, Bytes, Bytes)>::abi_decode_params_validate(wrapped)
        .map_err(|_| MalformedWrapper)?;
    if factory.is_zero() || calldata.is_empty() {
        return Ok(plain());
    }
    Ok(Unwrapped {
        signature: inner,
        deployment: Some(Deployment { factory, calldata }),
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, bytes};

    use super::*;

    const PAYER: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    const DIGEST: B256 =
        b256!("0x1831c2f3e187c15e7608b2008f59cd947cb9190aa43329a34bd38becfdde1cae");
    const SIGNED: Bytes = bytes!(
        "df79cf974d736f9231cbf3a31e1e2bdf8dfeeb6ffb3f4a7a03656d210a57880c6fbd28c6da46717e5e9659ae1a36cb0c8ff6b658111c8a227f5f12246e8103d51b"
    );
    const ORDER: U256 =
        uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);

    fn with_v(v: u8) -> Vec<u8> {
        let mut bytes = SIGNED.to_vec();
        bytes[64] = v;
        bytes
    }

    fn wrap(factory: Address, calldata: Bytes, inner: Bytes) -> Bytes {
        let mut bytes = (factory, calldata, inner).abi_encode_params();
        bytes.extend_from_slice(SUFFIX_6492.as_slice());
        bytes.into()
    }

    #[test]
    fn recovers_the_signer_and_normalises_v() {
        for v in [27, 0] {
            let signature = Ecdsa::parse(&with_v(v)).unwrap();
            assert_eq!(signature.recover(DIGEST), Some(PAYER), "v = {v}");
            assert_eq!(signature.to_bytes(), SIGNED);
        }
        let other_parity = Ecdsa::parse(&with_v(28)).unwrap();
        assert_ne!(other_parity.recover(DIGEST), Some(PAYER));
        let good = Ecdsa::parse(&SIGNED).unwrap();
        assert_ne!(good.recover(B256::repeat_byte(1)), Some(PAYER));
    }

    #[test]
    fn refuses_other_lengths_other_v_and_high_s() {
        assert_eq!(Ecdsa::parse(&SIGNED[..64]), None, "EIP-2098 compact");
        assert_eq!(Ecdsa::parse(&[&SIGNED[..], &[0]].concat()), None);
        assert_eq!(Ecdsa::parse(&[]), None);
        for v in [2, 26, 29, 31, 255] {
            assert_eq!(Ecdsa::parse(&with_v(v)), None, "v = {v}");
        }
        // The mirror image of a good signature recovers to the same account.
        let mut mirrored = with_v(28);
        let s = ORDER - U256::from_be_slice(&SIGNED[32..64]);
        mirrored[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        assert_eq!(Ecdsa::parse(&mirrored), None);
    }

    #[test]
    fn recovers_nothing_from_numbers_off_the_curve() {
        for (r, s) in [
            (U256::ZERO, U256::ONE),
            (U256::ONE, U256::ZERO),
            (ORDER, U256::ONE),
        ] {
            let signature = Ecdsa {
                r: r.into(),
                s: s.into(),
                v: 27,
            };
            assert_eq!(signature.recover(DIGEST), None, "r = {r}, s = {s}");
        }
    }

    #[test]
    fn takes_off_the_wrapper_of_an_undeployed_wallet() {
        let factory = Address::repeat_byte(0xfa);
        let calldata = bytes!("c0ffee");
        let unwrapped = unwrap_6492(&wrap(factory, calldata.clone(), SIGNED)).unwrap();
        assert_eq!(unwrapped.signature, SIGNED);
        assert_eq!(unwrapped.deployment, Some(Deployment { factory, calldata }));
    }

    #[test]
    fn leaves_signatures_that_deploy_nothing_as_they_are() {
        let factory = Address::repeat_byte(0xfa);
        for plain in [
            SIGNED,
            Bytes::new(),
            wrap(Address::ZERO, bytes!("c0ffee"), SIGNED),
            wrap(factory, Bytes::new(), SIGNED),
        ] {
            let unwrapped = unwrap_6492(&plain).unwrap();
            assert_eq!(unwrapped.signature, plain);
            assert_eq!(unwrapped.deployment, None);
        }
    }

    #[test]
    fn refuses_a_wrapper_that_does_not_decode() {
        let good = wrap(Address::repeat_byte(0xfa), bytes!("c0ffee"), SIGNED);
        let mut dirty_address = good.to_vec();
        dirty_address[0] = 1;
        let mut far_offset = good.to_vec();
        far_offset[32] = 0xff;
        let bare_suffix = SUFFIX_6492.to_vec();
        let cut = good[64..].to_vec();
        for bad in [dirty_address, far_offset, bare_suffix, cut] {
            assert_eq!(unwrap_6492(&bad.into()), Err(MalformedWrapper));
        }
    }
}
