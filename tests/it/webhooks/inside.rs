//! Nobody inside is called: not by address, not by name, not by a name that changes its mind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use x402_facilitator::egress::{Answer, Egress, Failure, Reach};
use x402_facilitator::secret::Secret;

use super::{SECRET, told};
use crate::harness::binary::{self, Binary};
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::Settings;
use crate::harness::oracle::{Payment, success};
use crate::harness::receiver::Receiver;
use crate::harness::scratch;

const LIMIT: Duration = Duration::from_secs(5);

/// Answers one after the other, and the last one for ever.
struct Script {
    answers: Vec<Vec<SocketAddr>>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let read = |answer: &&[&str]| {
            let addresses = answer.iter().map(|text| format!("{text}:0"));
            addresses
                .map(|text| text.parse().expect("an address"))
                .collect()
        };
        Arc::new(Self {
            answers: answers.iter().map(read).collect(),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Script {
    fn resolve(&self, _: Name) -> Resolving {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[turn.min(self.answers.len() - 1)].clone();
        Box::pin(async move { Ok(Box::new(answer.into_iter()) as Addrs) })
    }
}

async fn post(reach: Reach, names: &Arc<Script>, url: &str) -> Result<Answer, Failure> {
    // Makes sure that there is a TLS provider.
    let _ = scratch::client();
    let names = Arc::clone(names) as Arc<dyn Resolve>;
    let egress = Egress::resolving_by(reach, names).expect("a client");
    let body = "{}".to_owned();
    egress.post(&Secret::new(url), &[], body, LIMIT).await
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_called_not_even_by_one_of_its_addresses() {
    let receiver = Receiver::start().await;
    let url = format!("http://hooks.example:{}/", receiver.port());
    for inside in [
        &["127.0.0.1"][..],
        &["1.1.1.1", "127.0.0.1"],
        &["127.0.0.1", "1.1.1.1"],
        &["[::1]"],
        &["[::ffff:127.0.0.1]"],
        &["[64:ff9b::7f00:1]"],
        &["169.254.169.254"],
        &["10.0.0.1"],
        &["100.64.0.1"],
        &["0.0.0.0"],
    ] {
        let names = Script::new(&[inside]);
        let refused = post(Reach::Public, &names, &url).await;
        assert_eq!(refused, Err(Failure::Forbidden), "{inside:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn an_address_inside_is_not_called_however_it_is_written() {
    let receiver = Receiver::start().await;
    let names = Script::new(&[&["1.1.1.1"]]);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "0.0.0.0",
        "[::]",
    ] {
        let url = format!("http://{host}:{}/", receiver.port());
        let refused = post(Reach::Public, &names, &url).await;
        assert_eq!(refused, Err(Failure::Forbidden), "{host}");
    }
    assert_eq!((receiver.connections(), names.asked()), (0, 0));
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_was_judged_is_what_is_called() {
    let receiver = Receiver::start().await;
    let url = format!("http://hooks.example:{}/", receiver.port());
    // Where the second answer leads, nobody listens.
    let names = Script::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let answer = post(Reach::Anywhere, &names, &url).await.expect("called");
    assert_eq!((answer.status, names.asked()), (200, 1));

    // A name that is public when it is judged gets no second look in which to be private: it is the public address that is called.
    let names = Script::new(&[&["192.0.2.1"], &["127.0.0.1"]]);
    let first = post(Reach::Public, &names, &url).await;
    assert_eq!((first, names.asked()), (Err(Failure::Forbidden), 1));
    let second = post(Reach::Public, &names, &url).await;
    assert_eq!((second, names.asked()), (Err(Failure::Forbidden), 2));
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn redirects_are_answers_and_nothing_more() {
    let (receiver, inside) = (Receiver::start().await, Receiver::start().await);
    receiver.plan(307, &inside.url());
    let names = Script::new(&[&["127.0.0.1"]]);
    let answer = post(Reach::Anywhere, &names, &receiver.url()).await;
    assert_eq!(answer.expect("an answer").status, 307);
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_name_of_this_machine_is_not_called_by_the_program_and_that_is_told() {
    let receiver = Receiver::start().await;
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let payment = Payment::new(&sandbox.payers(1).await[0]);
    let url = format!("https://localhost:{}/", receiver.port());
    let settings = told(Settings::new(sandbox.url()), &url)
        .without("WEBHOOK_ALLOW_PRIVATE")
        .set("WEBHOOK_MAX_ATTEMPTS", "2");
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    success(&program.client.settle(&payment.body).await);
    let said = program.said("a webhook is given up").await;
    assert!(said.contains("not one that may be called"), "{said}");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_start_refuses_receivers_inside_and_receivers_without_a_secret() {
    let settings = Settings::new("http://127.0.0.1:1").set("WEBHOOK_URLS", "http://127.0.0.1/x");
    let output = binary::run(settings.path(), &settings.pairs(), &[]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains("WEBHOOK_URLS (entry 1) must be an https:// URL of a public host"),
        "{said}"
    );

    let settings = settings.set("WEBHOOK_URLS", "https://shop.example/x");
    let output = binary::run(settings.path(), &settings.pairs(), &[]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("WEBHOOK_SECRETS must be set, because WEBHOOK_URLS is"),
        "{said}"
    );
    assert!(!said.contains(SECRET));
}
