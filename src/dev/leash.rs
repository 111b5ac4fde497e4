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
