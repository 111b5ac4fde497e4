//! Child processes that cannot outlive us.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Runs its arguments and kills them when its standard input ends. The kernel closes that pipe however we end, by SIGKILL too; no polling,
/// and no foreign process can be hit, since an unreaped child keeps its id. The shell gives its own output away: end of output = child gone.
const LEASH: &str = r#"
"$@" </dev/null 2>&1 &
child=$!
exec >/dev/null 2>&1
read -r _
kill -9 "$child"
wait
"#;

/// A command for `program` whose process lives until the spawned child's `stdin` is dropped.
///
/// Output and errors come together on `stdout`. It leads its own process group: Ctrl-C in a terminal reaches us alone, and we drain first.
pub(super) fn leashed(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", LEASH, "leash"])
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    command
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncReadExt;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn lets_a_program_live_only_while_it_is_held() {
        let mut child = leashed(Path::new("sleep")).arg("60").spawn().unwrap();
        let leash = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut said = Vec::new();

        let held = timeout(Duration::from_millis(50), output.read_to_end(&mut said)).await;
        assert!(held.is_err(), "it ended on its own");

        drop(leash);
        let ended = timeout(Duration::from_secs(10), output.read_to_end(&mut said)).await;
        assert_eq!(ended.unwrap().unwrap(), 0);
    }
}
