//! Ports, folders and HTTP clients that nobody else uses.

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use uuid::Uuid;

/// A folder of its own, deleted with the value.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::now_v7().to_string());
        std::fs::create_dir(&path).expect("the target folder is writable");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed while writing may leave something behind: not worth a second panic.
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A client whose pool belongs to one test: connections die with the runtime that opened them.
pub(crate) fn client() -> reqwest::Client {
    static TLS: Once = Once::new();
    // The product picks its TLS provider in `main`; without one no client can be built, not even for plain HTTP.
    TLS.call_once(|| {
        let _already = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_mins(1))
        .build()
        .expect("a client without special wishes")
}

/// A port that was free a moment ago. For programs that cannot tell which one they took.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// The folder of the tests in the source tree.
pub(crate) fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}
