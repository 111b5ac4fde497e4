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

    /// Whether the key is one of this recipient's own. No key is bound to anybody yet.
    pub fn is_bound_to(&self, _pay_to: &str) -> bool {
        match self {
            Self::Anonymous | Self::Key(_) => false,
        }
    }

    pub fn is_authenticated(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Key(_) => true,
        }
    }
}
