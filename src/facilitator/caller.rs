//! Who asks.

/// The authenticated caller, or nobody in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Anonymous,
    /// The id of an API key; never the key.
    Key(String),
}

impl Caller {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Key(id) => id,
        }
    }

    pub fn is_authenticated(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Key(_) => true,
        }
    }
}
