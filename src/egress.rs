//! HTTP to whoever an operator names besides nodes: hooks and webhooks. A name is resolved once, every address it has is judged, and the
//! connection goes to the addresses that were judged: a name cannot point elsewhere between the look and the call. No redirects, no proxies
//! from the environment, bounded answers.

mod address;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::secret::Secret;

pub use address::is_public;

/// Longest answer that is read, bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Which addresses may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public internet.
    Public,
    /// Those of this machine and of private networks too.
    Anywhere,
}

/// A client that calls only where it may.
#[derive(Debug, Clone)]
pub struct Egress {
    client: reqwest::Client,
    reach: Reach,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why there is none. It names no address: the text may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the address is not one that may be called")]
    Forbidden,
    #[error("no answer in time")]
    Late,
    #[error("no connection")]
    Unreachable,
    #[error("the answer is too long")]
    TooLong,
    #[error("the connection broke")]
    Broken,
}

impl Egress {
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        Self::resolving_by(reach, Arc::new(System))
    }

    /// With another way to resolve names.
    pub fn resolving_by(reach: Reach, names: Arc<dyn Resolve>) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            // An idle connection would outlive the judgement of its address.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Judging { names, reach }))
            .build()?;
        Ok(Self { client, reach })
    }

    /// Posts JSON and reads the whole answer, all within `limit`.
    pub async fn post(
        &self,
        url: &Secret,
        headers: &[(&'static str, String)],
        body: String,
        limit: Duration,
    ) -> Result<Answer, Failure> {
        if self.reach == Reach::Public && !names_public_host(url) {
            return Err(Failure::Forbidden);
        }
        let request = self
            .client
            .post(url.expose())
            .header("content-type", "application/json")
            .body(body);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, value)
        });
        let exchange = async {
            let response = request.send().await.map_err(|cause| failure(&cause))?;
            let status = response.status().as_u16();
            let body = read(response).await?;
            Ok(Answer { status, body })
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(Failure::Late),
        }
    }
}

/// Addresses in a URL are resolved by nobody, so they are judged here. Names are judged when they are resolved.
fn names_public_host(url: &Secret) -> bool {
    let Ok(url) = Url::parse(url.expose()) else {
        return false;
    };
    match url.host() {
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    }
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|cause| failure(&cause))? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(Failure::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failure(cause: &reqwest::Error) -> Failure {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(cause);
    while let Some(error) = next {
        if error.downcast_ref::<Private>().is_some() {
            return Failure::Forbidden;
        }
        next = error.source();
    }
    if cause.is_timeout() {
        Failure::Late
    } else if cause.is_connect() {
        Failure::Unreachable
    } else {
        Failure::Broken
    }
}

/// A name has an address that may not be called.
#[derive(Debug, thiserror::Error)]
#[error("the name has an address that may not be called")]
struct Private;

/// Resolves names and hands on nothing that may not be called.
struct Judging {
    names: Arc<dyn Resolve>,
    reach: Reach,
}

impl Resolve for Judging {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolving, reach) = (self.names.resolve(name), self.reach);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            // One bad address is enough: which of them is called is not for the name's owner to choose.
            if reach == Reach::Public && !addresses.iter().all(|address| is_public(address.ip())) {
                return Err(Private.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The machine's own resolver.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}
