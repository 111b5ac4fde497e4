//! `healthcheck`: asks the service on this machine whether it is up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::config::Environment;

/// Where the service listens when nothing says otherwise.
const PORT: u16 = 8090;

/// Needs no configuration beyond the address, so that a container's health check never fails for want of a secret.
pub(super) async fn run() -> anyhow::Result<ExitCode> {
    let address = own_address(&Environment::of_process())?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A proxy of the machine is no way to ourselves.
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .no_proxy()
        .build()?;
    let answer = client
        .get(format!("http://{address}/healthz"))
        .send()
        .await
        .context("asking /healthz")?;
    Ok(if answer.status().is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where the service on this machine answers: on the loopback address unless it listens on a certain one only.
///
/// # Errors
/// `PORT` or `HOST` cannot be read: asking somebody else's port would be an answer about somebody else.
fn own_address(environment: &Environment) -> anyhow::Result<SocketAddr> {
    let port = match environment.get("PORT") {
        Some(port) => port.parse().map_err(|_| anyhow!("PORT is not a port"))?,
        None => PORT,
    };
    let host = match environment.get("HOST") {
        Some(host) => host
            .parse()
            .map_err(|_| anyhow!("HOST is not an IP address"))?,
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    // `::` takes connections of both families.
    let host = if host.is_unspecified() {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        host
    };
    Ok(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_itself_where_it_listens() {
        for (settings, address) in [
            (&[][..], "127.0.0.1:8090"),
            (&[("PORT", "80")], "127.0.0.1:80"),
            (&[("HOST", "0.0.0.0"), ("PORT", "1")], "127.0.0.1:1"),
            (&[("HOST", "::")], "127.0.0.1:8090"),
            (&[("HOST", "10.0.0.7")], "10.0.0.7:8090"),
            (&[("HOST", "::1")], "[::1]:8090"),
        ] {
            let environment = settings.iter().copied().collect();
            assert_eq!(own_address(&environment).unwrap().to_string(), address);
        }
    }

    #[test]
    fn asks_nobody_when_the_address_cannot_be_read() {
        for (settings, complaint) in [
            ([("PORT", "eighty")], "PORT is not a port"),
            ([("PORT", "70000")], "PORT is not a port"),
            ([("HOST", "localhost")], "HOST is not an IP address"),
        ] {
            let environment = settings.iter().copied().collect();
            assert_eq!(
                own_address(&environment).unwrap_err().to_string(),
                complaint
            );
        }
    }
}
