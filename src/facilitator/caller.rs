//! Who asks, and what they may.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::protocol::{Network, Payment, Reason};
use crate::scheme::Rejection;

/// The authenticated caller, or nobody in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The id of a key; never the key. `None` for callers without one.
    key: Option<Arc<Grant>>,
    /// Where the request came from, behind the proxies that we trust.
    address: Option<IpAddr>,
}

/// What a key allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key's public name: its prefix, or a digest's beginning.
    pub id: String,
    pub scopes: Vec<Scope>,
    /// The payees that it may verify and settle for, in their chain's normal form; empty: any.
    pub pay_to: Vec<String>,
    /// Empty: any.
    pub networks: Vec<Network>,
    /// Requests per minute of either kind, in place of the limits'.
    pub rate: Option<u32>,
    /// Payments per UTC day, in place of the limits'.
    pub daily: Option<i64>,
    /// Whether it was made for one of several tenants, who see their own payments only.
    pub is_tenant: bool,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Verify,
    Settle,
    /// What operators see and do.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Verify, Self::Settle, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Settle => "settle",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl Caller {
    /// Somebody without a key, where keys are not asked for.
    pub fn anonymous(address: Option<IpAddr>) -> Self {
        Self { key: None, address }
    }

    pub fn with_key(grant: Arc<Grant>, address: Option<IpAddr>) -> Self {
        Self {
            key: Some(grant),
            address,
        }
    }

    /// Whether the key is one of this recipient's own.
    pub fn is_bound_to(&self, pay_to: &str) -> bool {
        let pay_to = normal(pay_to);
        let key = self.key.as_ref();
        key.is_some_and(|key| key.pay_to.contains(&pay_to))
    }

    /// The name on record: the key's id, or `anonymous`.
    pub fn as_str(&self) -> &str {
        self.key.as_ref().map_or("anonymous", |key| &key.id)
    }

    pub fn is_authenticated(&self) -> bool {
        self.key.is_some()
    }

    pub fn grant(&self) -> Option<&Grant> {
        self.key.as_deref()
    }

    /// The client's address as far as it can be believed; `None` where there was no socket.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Callers without a key may verify and settle, and are no operators.
    pub fn may(&self, scope: Scope) -> bool {
        match &self.key {
            Some(key) => key.scopes.contains(&scope),
            None => scope != Scope::Admin,
        }
    }

    /// Whether a payment on record is this caller's business.
    pub fn may_see(&self, caller: &str, pay_to: &str) -> bool {
        let Some(key) = &self.key else { return true };
        let is_payee = key.pay_to.iter().any(|own| own == pay_to);
        !key.is_tenant || self.may(Scope::Admin) || key.id == caller || is_payee
    }

    /// Refuses a payment to somebody or on a network that the key is not for.
    pub(super) fn permits(&self, payment: &Payment) -> Result<(), Rejection> {
        let Some(key) = &self.key else { return Ok(()) };
        let terms = &payment.requirements;
        if !key.networks.is_empty() && !key.networks.contains(&terms.network) {
            let reason = Reason::CallerNetworkNotAllowed;
            return Err(Rejection::new(reason).because("this key is not for this network"));
        }
        if !key.pay_to.is_empty() && !key.pay_to.contains(&normal(&terms.pay_to)) {
            let reason = Reason::CallerPayToNotAllowed;
            return Err(Rejection::new(reason).because("this key is not for this payTo"));
        }
        Ok(())
    }

    /// Whose in-memory limits a request counts against. An IPv6 host has a whole network of 64 bits to call from.
    pub(super) fn subject(&self) -> String {
        match (&self.key, self.address) {
            (Some(key), _) => format!("key:{}", key.id),
            (None, Some(IpAddr::V6(address))) => {
                let network = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
                format!("address:{network}/64")
            }
            (None, Some(IpAddr::V4(address))) => format!("address:{address}"),
            (None, None) => "address:unknown".to_owned(),
        }
    }
}

/// An address as rows have it: hex in lower case, anything else as it is.
pub fn normal(address: &str) -> String {
    if address.starts_with("0x") || address.starts_with("0X") {
        address.to_lowercase()
    } else {
        address.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_ipv6_network_count_as_one() {
        let subject = |address: &str| Caller::anonymous(Some(address.parse().unwrap())).subject();
        assert_eq!(subject("2001:db8:1:2::1"), subject("2001:db8:1:2:ffff::9"));
        assert_ne!(subject("2001:db8:1:2::1"), subject("2001:db8:1:3::1"));
        assert_ne!(subject("203.0.113.7"), subject("203.0.113.8"));
    }

    #[test]
    fn a_key_cannot_be_mistaken_for_an_address() {
        let grant = Grant {
            id: "203.0.113.7".to_owned(),
            scopes: vec![Scope::Verify],
            pay_to: Vec::new(),
            networks: Vec::new(),
            rate: None,
            daily: None,
            is_tenant: true,
        };
        let address = Some("203.0.113.7".parse().unwrap());
        let keyed = Caller::with_key(Arc::new(grant), address);
        assert_ne!(keyed.subject(), Caller::anonymous(address).subject());
        assert!(keyed.may(Scope::Verify) && !keyed.may(Scope::Settle));
    }
}
