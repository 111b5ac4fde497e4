//! Reads the environment by the table of variables, and goes on after a problem so that all are told at once.

use std::fs;

use super::problem::Problem;
use super::value::{self, Parsed};
use super::{Environment, variables};
use crate::secret::Secret;

/// Longest file that may hold a secret, bytes.
const SECRET_FILE_LIMIT: usize = 64 * 1024;

pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self {
            environment,
            problems: environment.problems().to_vec(),
            notes: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, variable: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(variable, message));
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The value of a variable, or its default from the table.
    pub(super) fn value<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> T {
        self.optional(name, &parse).unwrap_or_else(|| {
            parse(variables::default(name)).expect("the table's defaults are valid")
        })
    }

    /// The value of a variable; `None` when it is unset, and when it is wrong.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        match parse(self.environment.get(name)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(name, message);
                None
            }
        }
    }

    /// The entries of a list; `None` when it is unset, and when an entry is wrong.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<Vec<T>> {
        let text = self.environment.get(name)?;
        self.entries(name, text, parse)
    }

    /// A secret, from its variable or from the file that `<name>_FILE` names.
    pub(super) fn secret<T>(&mut self, name: &str, parse: impl Fn(&str) -> Parsed<T>) -> Option<T> {
        let (source, text) = self.secret_text(name)?;
        match parse(text.expose()) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(source, message);
                None
            }
        }
    }

    /// A list of secrets, from its variable or from the file that `<name>_FILE` names.
    pub(super) fn secrets<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<Vec<T>> {
        let (source, text) = self.secret_text(name)?;
        self.entries(&source, text.expose(), parse)
    }

    /// Whether a secret was given, readable or not.
    pub(super) fn has_secret(&self, name: &str) -> bool {
        let file = format!("{name}_FILE");
        self.environment.get(name).is_some() || self.environment.get(&file).is_some()
    }

    fn entries<T>(
        &mut self,
        name: &str,
        text: &str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<Vec<T>> {
        match value::each(text, parse) {
            Ok(values) => Some(values),
            Err(messages) => {
                for message in messages {
                    self.problem(name, message);
                }
                None
            }
        }
    }

    /// The text of a secret and the name of the variable it came by. The path is not told: it may be the secret, put in the wrong place.
    fn secret_text(&mut self, name: &str) -> Option<(String, Secret)> {
        let file = format!("{name}_FILE");
        match (self.environment.get(name), self.environment.get(&file)) {
            (None, None) => None,
            (Some(text), None) => Some((name.to_owned(), Secret::new(text))),
            (Some(_), Some(_)) => {
                self.problem(file, format!("and {name} are both set; keep one"));
                None
            }
            (None, Some(path)) => match fs::read_to_string(path) {
                Ok(text) if text.trim().is_empty() => {
                    self.problem(file, "names an empty file");
                    None
                }
                Ok(text) if text.len() > SECRET_FILE_LIMIT => {
                    self.problem(file, "names a file too long to hold a secret");
                    None
                }
                Ok(text) => Some((file, Secret::new(text.trim()))),
                Err(error) => {
                    let kind = error.kind();
                    self.problem(file, format!("names a file that cannot be read: {kind}"));
                    None
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Parsed<Secret> {
        value::bearer_token(text)
    }

    fn temporary_file(text: &str) -> String {
        let path = std::env::temp_dir().join(format!("x402-secret-{}", uuid::Uuid::now_v7()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn problem_of(environment: &Environment) -> String {
        let mut reader = Reader::new(environment);
        assert_eq!(reader.secret("BEARER_TOKEN", token), None);
        let [problem] = reader.problems.as_slice() else {
            panic!("one problem expected: {:?}", reader.problems);
        };
        problem.to_string()
    }

    #[test]
    fn a_secret_file_that_cannot_be_read_is_a_problem_that_does_not_tell_the_path() {
        let environment = Environment::from_iter([("BEARER_TOKEN_FILE", "/nonexistent/s3cret")]);
        assert_eq!(
            problem_of(&environment),
            "BEARER_TOKEN_FILE names a file that cannot be read: entity not found"
        );
    }

    #[test]
    fn a_secret_file_must_hold_something_and_not_too_much() {
        for (text, message) in [
            (" \n".to_owned(), "BEARER_TOKEN_FILE names an empty file"),
            (
                "x".repeat(SECRET_FILE_LIMIT + 1),
                "BEARER_TOKEN_FILE names a file too long to hold a secret",
            ),
            (
                "short".to_owned(),
                "BEARER_TOKEN_FILE must be at least 16 visible ASCII characters without spaces",
            ),
        ] {
            let environment =
                Environment::from_iter([("BEARER_TOKEN_FILE", temporary_file(&text))]);
            assert_eq!(problem_of(&environment), message);
        }
    }

    #[test]
    fn a_secret_given_twice_is_a_problem() {
        let environment = Environment::from_iter([
            ("BEARER_TOKEN", "a-token-long-enough"),
            ("BEARER_TOKEN_FILE", "/run/secrets/token"),
        ]);
        assert_eq!(
            problem_of(&environment),
            "BEARER_TOKEN_FILE and BEARER_TOKEN are both set; keep one"
        );
    }

    #[test]
    fn a_secret_may_come_from_a_file_that_ends_in_a_newline() {
        let path = temporary_file("a-token-long-enough\n");
        let environment = Environment::from_iter([("BEARER_TOKEN_FILE", path)]);
        let secret = Reader::new(&environment).secret("BEARER_TOKEN", token);
        assert_eq!(secret.unwrap().expose(), "a-token-long-enough");
    }

    #[test]
    fn every_default_of_the_table_is_read_where_nothing_is_set() {
        let environment = Environment::default();
        let mut reader = Reader::new(&environment);
        assert_eq!(
            reader.value("PORT", |text| value::whole(text, 0, u16::MAX)),
            8090
        );
        assert_eq!(reader.problems, []);
    }
}
