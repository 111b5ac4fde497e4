//! Where settings come from: named values, taken once from the process or handed in by a test.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use super::problem::Problem;

/// Named values. It has no `Debug`: it holds keys.
#[derive(Clone, Default)]
pub struct Environment {
    values: HashMap<String, String>,
    problems: Vec<Problem>,
}

impl Environment {
    /// The process environment, and beneath it the `.env` file of the working directory where there is one.
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        environment.add_process(std::env::vars_os());
        environment.add_file(Path::new(".env"));
        environment
    }

    /// What the operator wrote, with the spaces around it removed; `None` when unset or blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Whether the name is set at all, be it to nothing.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Every name that is set, in alphabetical order.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.values.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// What went wrong while the values were gathered.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn add_process(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    self.values.insert(name, value);
                }
                Err(_) if super::variables::is_known(&name) => {
                    self.problems.push(Problem::new(name, "is not UTF-8 text"));
                }
                Err(_) => {}
            }
        }
    }

    /// Adds what the file says about names that are not set yet. A line that cannot be read is not quoted: it may hold a key.
    fn add_file(&mut self, path: &Path) {
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return,
            Err(_) => {
                let problem = Problem::new(path.display().to_string(), "cannot be read");
                self.problems.push(problem);
                return;
            }
        };
        let mut from_file = HashMap::new();
        for line in lines {
            let Ok((name, value)) = line else {
                let message = "has a line that is not of the form NAME=value";
                let problem = Problem::new(path.display().to_string(), message);
                self.problems.push(problem);
                return;
            };
            from_file.insert(name, value);
        }
        for (name, value) in from_file {
            self.values.entry(name).or_insert(value);
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            values,
            problems: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn temporary_file(text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("x402-env-{}", uuid::Uuid::now_v7()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_line_of_the_file_that_cannot_be_read_is_a_problem_that_does_not_quote_it() {
        let path = temporary_file("PORT=1\nEVM_PRIVATE_KEY='0xdeadbeef\n");
        let mut environment = Environment::default();
        environment.add_file(&path);
        let [problem] = environment.problems() else {
            panic!("one problem expected: {:?}", environment.problems());
        };
        assert_eq!(
            problem.to_string(),
            format!(
                "{} has a line that is not of the form NAME=value",
                path.display()
            )
        );
        assert!(!problem.to_string().contains("deadbeef"));
    }

    #[test]
    fn a_value_that_is_not_text_is_a_problem_only_where_we_read_it() {
        let broken = || OsString::from_vec(vec![0xff]);
        let mut environment = Environment::default();
        environment.add_process([("PORT".into(), broken()), ("LS_COLORS".into(), broken())]);
        assert_eq!(
            environment.problems(),
            [Problem::new("PORT", "is not UTF-8 text")]
        );
    }

    #[test]
    fn a_missing_file_is_no_problem() {
        let mut environment = Environment::default();
        environment.add_file(Path::new("/nonexistent/.env"));
        assert_eq!(environment.problems(), []);
    }

    #[test]
    fn the_process_wins_over_the_file() {
        let path = temporary_file("PORT=1\nHOST=::\n");
        let mut environment = Environment::from_iter([("PORT", "2")]);
        environment.add_file(&path);
        assert_eq!(environment.get("PORT"), Some("2"));
        assert_eq!(environment.get("HOST"), Some("::"));
    }

    #[test]
    fn a_blank_value_counts_as_unset_though_it_is_there() {
        let environment = Environment::from_iter([("PORT", "  ")]);
        assert_eq!(environment.get("PORT"), None);
        assert!(environment.is_set("PORT"));
        assert!(!environment.is_set("HOST"));
    }
}
