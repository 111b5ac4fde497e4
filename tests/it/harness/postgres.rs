//! A throw-away Postgres: one server for all tests of the process, an empty database for each.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::scratch::free_port;

/// Starts a server in a fresh folder and takes both away when standard input ends, that is, however the tests end.
/// Postgres refuses to run as root: root becomes `postgres`, or `nobody` where that user is missing.
const SERVE: &str = r#"
bin=$1 port=$2 as=
dir=$(mktemp -d "${TMPDIR:-/tmp}/x402-postgres.XXXXXX") || exit 1
export HOME="$dir" LC_ALL=C.UTF-8
cd "$dir" || exit 1
if [ "$(id -u)" = 0 ]; then
  user=postgres; id "$user" >/dev/null 2>&1 || user=nobody
  chown "$user" "$dir"
  as="setpriv --reuid=$(id -u $user) --regid=$(id -g $user) --clear-groups"
fi
if $as "$bin/initdb" -D "$dir/data" -U x402 -A trust -E UTF8 --no-sync --locale=C.UTF-8 >"$dir/log" 2>&1; then
  $as "$bin/postgres" -D "$dir/data" -p "$port" -k "$dir" -c listen_addresses=127.0.0.1 -c max_connections=200 \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off </dev/null >>"$dir/log" 2>&1 &
  child=$!
  trap '' PIPE # when nobody listens any more, go on to the end of input and clean up
  echo "$dir/data" 2>/dev/null
  exec >&- 2>&-
  read -r _
  kill -TERM "$child" # ends it while it is still starting: shells start background programs with QUIT ignored
  kill -QUIT "$child" # ends it at once when it runs, clients or not
  wait
else
  tr '\n' ' ' <"$dir/log"
fi
cd / && rm -rf "$dir"
"#;

const START_TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

struct Server {
    /// `postgres://x402@127.0.0.1:<port>`
    url: String,
    /// The server lives as long as this.
    _leash: ChildStdin,
}

/// The URL of a new, empty database.
pub(crate) async fn database() -> String {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let server = SERVER.get_or_init(start).await;
    let name = format!("t_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(&format!("{}/postgres", server.url))
        .await
        .expect("the server accepts");
    let create = AssertSqlSafe(format!("create database {name} template template0"));
    sqlx::query(create)
        .execute(&mut admin)
        .await
        .expect("a new database");
    admin.close().await.expect("the connection closes");
    format!("{}/{name}", server.url)
}

async fn start() -> Server {
    let bin = programs();
    let port = free_port();
    let mut shell = Command::new("sh")
        .args(["-c", SERVE, "postgres"])
        .arg(&bin)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("there is a shell");
    let leash = shell.stdin.take().expect("stdin is piped");
    let mut lines = BufReader::new(shell.stdout.take().expect("stdout is piped")).lines();
    let said = timeout(START_TIMEOUT, lines.next_line()).await;
    let said = said.expect("initdb ends in time").expect("output");
    let folder = said.unwrap_or_default();
    assert!(folder.starts_with('/'), "initdb failed: {folder}");
    let url = format!("postgres://x402@127.0.0.1:{port}");
    timeout(START_TIMEOUT, ours(&url, &folder))
        .await
        .expect("Postgres accepts in time");
    Server { url, _leash: leash }
}

/// Waits until the server accepts, and makes sure that it is ours: another process may have taken the port in between.
async fn ours(url: &str, folder: &str) {
    let mut connection = loop {
        match PgConnection::connect(&format!("{url}/postgres")).await {
            Ok(connection) => break connection,
            Err(_) => tokio::time::sleep(POLL).await,
        }
    };
    let found: String = sqlx::query_scalar("show data_directory")
        .fetch_one(&mut connection)
        .await
        .expect("a superuser may ask");
    assert_eq!(found, folder, "another server took the port: run again");
}

/// Where Postgres' programs are: the newest of Debian's folders, else beside the `initdb` on the search path.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let version = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    let newest = debian
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(version);
    let on_path = || {
        let search = std::env::var_os("PATH")?;
        let mut programs = std::env::split_paths(&search).map(|folder| folder.join("initdb"));
        let initdb = programs.find_map(|path| path.canonicalize().ok())?;
        Some(initdb.parent()?.to_owned())
    };
    newest.map(|path| path.join("bin")).or_else(on_path).expect(
        "these tests start a Postgres of their own and need its programs: apt-get install postgresql (Debian), brew install postgresql (macOS)",
    )
}
