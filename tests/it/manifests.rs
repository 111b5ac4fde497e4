//! The Kubernetes manifests and the Compose file, read as YAML: their ports, names, settings, probes and files are the product's. No engine is asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use x402_facilitator::config::variables;
use yaml_rust2::{Yaml, YamlLoader};

use crate::harness::binary::Binary;
use crate::harness::facilitator::Settings;
use crate::harness::http::Client;

const FOLDER: &str = "config/kubernetes";
/// What the example shows and nobody applies.
const EXAMPLE: &str = "secret.example.yaml";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents(path: &Path) -> Vec<Yaml> {
    let text = std::fs::read_to_string(path).expect("the file is there");
    let read = YamlLoader::load_from_str(&text);
    read.unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Every manifest, but not the list of them.
fn manifests() -> Vec<Yaml> {
    let entries = std::fs::read_dir(root().join(FOLDER)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let manifests = paths.filter(|path| !path.ends_with("kustomization.yaml"));
    manifests.flat_map(|path| documents(&path)).collect()
}

fn of_kind(kind: &str) -> Vec<Yaml> {
    let manifests = manifests().into_iter();
    let found: Vec<Yaml> = manifests
        .filter(|manifest| manifest["kind"].as_str() == Some(kind))
        .collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn only(kind: &str) -> Yaml {
    let mut found = of_kind(kind);
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

fn pod() -> Yaml {
    only("Deployment")["spec"]["template"]["spec"].clone()
}

fn container() -> Yaml {
    pod()["containers"][0].clone()
}

/// Names and texts of a mapping.
fn entries(yaml: &Yaml) -> Vec<(String, String)> {
    let entries = yaml.as_hash().expect("a mapping").iter();
    let text = |yaml: &Yaml| {
        let number = yaml.as_i64().map(|number| number.to_string());
        let text = yaml.as_str().map(ToOwned::to_owned).or(number);
        text.unwrap_or_else(|| panic!("not text: {yaml:?}"))
    };
    entries
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn list(yaml: &Yaml) -> Vec<Yaml> {
    yaml.as_vec().expect("a list").clone()
}

/// Whether the service has this setting, or takes its secret from a file by this name.
fn is_setting(name: &str) -> bool {
    let is_it = |variable: &variables::Variable| {
        let file = name.strip_suffix("_FILE");
        variable.name == name || variable.may_be_a_file() && file == Some(variable.name)
    };
    variables::ALL.iter().any(is_it)
}

#[test]
fn the_list_of_manifests_is_complete() {
    let list_of = &documents(&root().join(FOLDER).join("kustomization.yaml"))[0];
    let listed: BTreeSet<String> = list(&list_of["resources"])
        .iter()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect();
    let files = std::fs::read_dir(root().join(FOLDER)).expect("the folder is there");
    let files = files.map(|entry| entry.expect("an entry").file_name());
    let files: BTreeSet<String> = files
        .map(|name| name.into_string().expect("UTF-8"))
        .filter(|name| name != "kustomization.yaml" && name != EXAMPLE)
        .collect();
    assert_eq!(listed, files);
    let image = list_of["images"][0]["name"].as_str();
    assert_eq!(image, container()["image"].as_str());
    let version = list_of["images"][0]["newTag"].as_str();
    assert_eq!(version, Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn everything_belongs_to_the_same_pods() {
    let deployment = only("Deployment");
    let label = |yaml: &Yaml| {
        yaml["app.kubernetes.io/name"]
            .as_str()
            .map(ToOwned::to_owned)
    };
    let ours = label(&deployment["spec"]["template"]["metadata"]["labels"]);
    assert!(ours.is_some());
    assert_eq!(label(&deployment["spec"]["selector"]["matchLabels"]), ours);
    for service in of_kind("Service") {
        assert_eq!(label(&service["spec"]["selector"]), ours);
    }
    let budget = &only("PodDisruptionBudget")["spec"];
    assert_eq!(label(&budget["selector"]["matchLabels"]), ours);
    let policy = &only("NetworkPolicy")["spec"];
    assert_eq!(label(&policy["podSelector"]["matchLabels"]), ours);
    let spread = &pod()["topologySpreadConstraints"][0]["labelSelector"];
    assert_eq!(label(&spread["matchLabels"]), ours);
}

#[test]
fn a_replica_stays_whatever_is_done_on_purpose() {
    let spec = &only("Deployment")["spec"];
    assert!(spec["replicas"].as_i64() >= Some(2));
    assert_eq!(
        spec["strategy"]["rollingUpdate"]["maxUnavailable"].as_i64(),
        Some(0)
    );
    assert_eq!(
        only("PodDisruptionBudget")["spec"]["minAvailable"].as_i64(),
        Some(1)
    );
    // Notice, drain, and what the lanes may take.
    let default = |name: &str| {
        let variable = variables::ALL.iter().find(|variable| variable.name == name);
        let default = variable.and_then(|variable| variable.default);
        default
            .and_then(|text| text.parse::<i64>().ok())
            .expect("milliseconds")
    };
    let drain = (default("DRAIN_NOTICE_MS") + default("DRAIN_TIMEOUT_MS")) / 1000 + 20;
    assert!(
        pod()["terminationGracePeriodSeconds"].as_i64() > Some(drain),
        "stopped before drained"
    );
}

#[test]
fn a_pod_may_do_nothing_that_it_need_not() {
    let (pod, container) = (pod(), container());
    assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false));
    let user = &pod["securityContext"];
    assert_eq!(user["runAsNonRoot"].as_bool(), Some(true));
    assert_eq!(
        user["seccompProfile"]["type"].as_str(),
        Some("RuntimeDefault")
    );
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).expect("the Dockerfile");
    let id = |name: &str| user[name].as_i64().expect("an id");
    let image_user = format!("USER {}:{}", id("runAsUser"), id("runAsGroup"));
    assert!(
        dockerfile.lines().any(|line| line == image_user),
        "{image_user}"
    );
    let may = &container["securityContext"];
    assert_eq!(may["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(may["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(may["capabilities"]["drop"][0].as_str(), Some("ALL"));
    assert!(
        container["resources"]["limits"]["memory"]
            .as_str()
            .is_some()
    );
    // The one folder that is written to.
    let mounts = list(&container["volumeMounts"]);
    let data = mounts
        .iter()
        .find(|mount| mount["name"].as_str() == Some("data"));
    let data = data.expect("a volume")["mountPath"]
        .as_str()
        .expect("a path");
    assert!(dockerfile.contains(&format!("ENV DATA_DIR={data}")));
}

#[test]
fn every_setting_is_one_of_ours_and_no_secret_stands_among_them() {
    let settings = entries(&only("ConfigMap")["data"]);
    assert!(settings.len() >= 5, "{settings:?}");
    let mounts = list(&container()["volumeMounts"]);
    let mount = mounts
        .iter()
        .find(|mount| mount["name"].as_str() == Some("secrets"));
    let mount = mount.expect("a volume")["mountPath"]
        .as_str()
        .expect("a path");
    let secret = only("Secret");
    let in_secret: BTreeSet<String> = entries(&secret["stringData"])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let mut by_file = BTreeSet::new();
    for (name, value) in settings {
        assert!(is_setting(&name), "{name} is no setting of this service");
        let variable = variables::ALL.iter().find(|variable| variable.name == name);
        assert!(
            !variable.is_some_and(|variable| variable.secret),
            "{name} is secret"
        );
        if let Some(variable) = name.strip_suffix("_FILE").filter(|_| variable.is_none()) {
            assert_eq!(value, format!("{mount}/{variable}"));
            by_file.insert(variable.to_owned());
        }
    }
    assert_eq!(by_file, in_secret);
    let volumes = list(&pod()["volumes"]);
    let mounted = volumes
        .iter()
        .filter_map(|volume| volume["secret"]["secretName"].as_str());
    assert_eq!(
        mounted.collect::<Vec<_>>(),
        [secret["metadata"]["name"].as_str().expect("a name")]
    );
    let map = only("ConfigMap")["metadata"]["name"].clone();
    assert_eq!(container()["envFrom"][0]["configMapRef"]["name"], map);
}

#[test]
fn ports_are_named_once_and_meant_everywhere() {
    let settings = entries(&only("ConfigMap")["data"]);
    let set = |name: &str| settings.iter().find(|(known, _)| known == name);
    let default = |name: &str| {
        let variable = variables::ALL.iter().find(|variable| variable.name == name);
        variable
            .and_then(|variable| variable.default)
            .expect("a default")
    };
    let port = |name: &str| {
        set(name)
            .map_or(default(name), |(_, value)| value)
            .to_owned()
    };
    let wanted = [("http", port("PORT")), ("metrics", port("METRICS_PORT"))];
    let container_ports: Vec<(String, String)> = list(&container()["ports"])
        .iter()
        .map(|port| {
            let name = port["name"].as_str().expect("a name").to_owned();
            let number = port["containerPort"].as_i64().expect("a port");
            (name, number.to_string())
        })
        .collect();
    assert_eq!(
        container_ports,
        wanted.map(|(name, port)| (name.to_owned(), port))
    );
    let targets: BTreeSet<String> = of_kind("Service")
        .iter()
        .flat_map(|service| list(&service["spec"]["ports"]))
        .map(|port| port["targetPort"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(targets, ["http", "metrics"].map(ToOwned::to_owned).into());
    // What the policy lets in, and that the metrics' port is not for everybody.
    let ingress = list(&only("NetworkPolicy")["spec"]["ingress"]);
    let let_in = |number: &str| {
        let is_it = |rule: &&Yaml| {
            rule["ports"][0]["port"]
                .as_i64()
                .map(|port| port.to_string())
                .as_deref()
                == Some(number)
        };
        ingress.iter().find(is_it).expect("a rule").clone()
    };
    let_in(&port("PORT"));
    assert!(let_in(&port("METRICS_PORT"))["from"].as_vec().is_some());
    let scraped =
        &only("Deployment")["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"];
    assert_eq!(scraped.as_str(), Some(port("METRICS_PORT").as_str()));
}

#[tokio::test]
async fn every_probe_answers() {
    let settings = Settings::new("http://127.0.0.1:1").set("EVM_NETWORKS", "");
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    let container = container();
    for (probe, expected) in [
        ("startupProbe", "/livez"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["port"].as_str(), Some("http"), "{probe}");
        let path = get["path"].as_str().expect("a path");
        assert_eq!(path, expected, "{probe}");
        assert_eq!(program.client.get(path).await.status, 200, "{probe}");
    }
    assert_eq!(list(&container["args"]), [Yaml::String("serve".to_owned())]);
}

/// The Compose file, its merge keys left as they are.
fn compose() -> Yaml {
    documents(&root().join("docker-compose.yaml")).remove(0)
}

#[test]
fn compose_brings_prometheus_and_grafana_when_asked() {
    let compose = compose();
    for name in ["prometheus", "grafana"] {
        let service = &compose["services"][name];
        assert_eq!(service["profiles"][0].as_str(), Some("observe"), "{name}");
        let image = service["image"].as_str().expect("an image");
        let (_, tag) = image.rsplit_once(':').expect("a version");
        assert_ne!(tag, "latest", "{image}");
        // What is mounted is there; the rest are volumes.
        for volume in list(&service["volumes"]) {
            let volume = volume.as_str().expect("text");
            let from = volume.split(':').next().expect("a source");
            match from.strip_prefix("./") {
                Some(file) => assert!(root().join(file).exists(), "{file}"),
                None => assert!(!compose["volumes"][from].is_badvalue(), "{from}"),
            }
        }
    }
    for published in list(&compose["services"]["grafana"]["ports"]) {
        assert!(
            published.as_str().expect("text").starts_with("127.0.0.1:"),
            "{published:?}"
        );
    }
    assert!(compose["services"]["prometheus"]["ports"].is_badvalue());
}

#[tokio::test]
async fn prometheus_asks_where_the_service_tells() {
    let environment = &compose()["x-facilitator"]["environment"];
    let environment = entries(environment);
    for (name, _) in &environment {
        assert!(is_setting(name), "{name} is no setting of this service");
    }
    let set = |name: &str| {
        environment
            .iter()
            .find(|(known, _)| known == name)
            .expect(name)
            .1
            .clone()
    };
    let prometheus = &documents(&root().join("config/prometheus/prometheus.yml"))[0];
    let job = &prometheus["scrape_configs"][0];
    let sd = &job["dns_sd_configs"][0];
    assert_eq!(
        sd["port"].as_i64().map(|port| port.to_string()),
        Some(set("METRICS_PORT"))
    );
    let service = sd["names"][0].as_str().expect("a name");
    assert!(!compose()["services"][service].is_badvalue(), "{service}");
    // Rules and dashboard speak of this job, and the path is the one that Prometheus asks where none is named.
    let rules =
        std::fs::read_to_string(root().join("config/prometheus/alerts.yml")).expect("rules");
    let name = job["job_name"].as_str().expect("a name");
    assert!(rules.contains(&format!("job=\"{name}\"")));
    assert!(job["metrics_path"].is_badvalue());
    let settings = Settings::new("http://127.0.0.1:1")
        .set("EVM_NETWORKS", "")
        .set("METRICS_PORT", "0")
        .set("METRICS_HOST", &set("METRICS_HOST"));
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    let port = program.metrics_address().await.port();
    let metrics = Client::new(&format!("http://127.0.0.1:{port}"));
    assert_eq!(metrics.get("/metrics").await.status, 200);
}

#[test]
fn grafana_finds_its_source_and_its_dashboard() {
    let provisioning = root().join("config/grafana/provisioning");
    let source = &documents(&provisioning.join("datasources/prometheus.yml"))[0]["datasources"][0];
    let url = source["url"].as_str().expect("a URL");
    let host = url
        .trim_start_matches("http://")
        .split(':')
        .next()
        .expect("a host");
    let compose = compose();
    assert!(!compose["services"][host].is_badvalue(), "{url}");
    let folder =
        &documents(&provisioning.join("dashboards/x402-facilitator.yml"))[0]["providers"][0];
    let folder = folder["options"]["path"].as_str().expect("a path");
    let mounted = list(&compose["services"]["grafana"]["volumes"]);
    let is_inside = |volume: &Yaml| {
        volume
            .as_str()
            .is_some_and(|text| text.contains(&format!(":{folder}/x402-facilitator.json")))
    };
    assert!(mounted.iter().any(is_inside), "{folder}");
}
