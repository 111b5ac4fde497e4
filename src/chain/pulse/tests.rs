use super::*;

struct Silent;

impl Questions for Silent {
    fn calls(&self, _: &[String]) -> Vec<Call> {
        Vec::new()
    }

    fn read(&self, _: usize, _: &[Answer]) -> Result<Reading, Error> {
        Err(Error::Unavailable("nothing is asked".to_owned()))
    }
}

fn pulse() -> Pulse {
    let network = Network::eip155(1);
    let endpoints = super::super::Endpoints {
        network: &network,
        read: &[],
        send: &[],
        identity: super::super::Identity {
            method: "eth_chainId",
            read: |_| None,
            expected: "1".to_owned(),
        },
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    Pulse {
        rpc: Arc::new(Rpc::new(endpoints, reqwest::Client::new())),
        network: network.clone(),
        name: "test".to_owned(),
        signers: Vec::new(),
        daily_cap: 0,
        questions: Box::new(Silent),
        last: Last::default(),
        asked: watch::Sender::new(false),
    }
}

fn reading(head: u64, head_time: Option<u64>) -> Reading {
    Reading {
        head,
        head_time,
        typical_cost: 1,
        signers: Vec::new(),
    }
}

#[test]
fn a_block_that_tells_its_time_is_as_old_as_it_says() {
    let pulse = pulse();
    let now = Instant::now();
    let age = |time, at| pulse.keep(reading(1, Some(time)), at, now).head_age;
    assert_eq!(age(100, 107), Duration::from_secs(7));
    assert_eq!(age(100, 99), Duration::ZERO, "a clock ahead of ours");
}

#[test]
fn a_chain_without_a_time_is_as_old_as_it_was_seen_to_stand_still() {
    let pulse = pulse();
    let start = Instant::now();
    let age = |head, after| {
        let at = start + Duration::from_secs(after);
        pulse.keep(reading(head, None), 0, at).head_age.as_secs()
    };
    assert_eq!(age(5, 0), 0);
    assert_eq!(age(5, 60), 60);
    assert_eq!(age(4, 90), 90, "another node, further behind");
    assert_eq!(age(6, 120), 0);
}
