//! Who asks.

/// The caller of `/verify` or `/settle`: the id of the token that was shown, never the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Anonymous,
    Key(String),
}

impl Caller {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Key(id) => id,
        }
    }
}
