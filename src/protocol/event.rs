//! What receivers of webhooks are told.

/// The names of events with their spelling on the wire.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Something that happened, as the `type` of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $variant,)+ }

        impl Event {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

events! {
    /// Its transaction is made and stored; the outcome is open.
    PaymentPending = "payment.pending",
    PaymentSettled = "payment.settled",
    /// Paid, by somebody else's transaction.
    PaymentSettledElsewhere = "payment.settled_elsewhere",
    PaymentFailed = "payment.failed",
    PaymentExpired = "payment.expired",
    /// A reorg took the outcome back: it is open again.
    PaymentReorged = "payment.reorged",
    /// Charges of a session were paid on chain.
    SessionSettled = "session.settled",
    /// A signer cannot pay for gas, or spent what it may in a day: its lane is paused.
    SignerLow = "signer.low",
    /// A payment was found good.
    VerifyAfter = "verify.after",
    /// A payment was refused at verification.
    VerifyFailed = "verify.failed",
    /// A payment was refused before it came into the queue.
    SettleFailed = "settle.failed",
}

impl Event {
    /// Whether it is told only to those who ask for it: strangers make as many of these as they like.
    pub fn is_on_request(self) -> bool {
        match self {
            Self::VerifyAfter | Self::VerifyFailed | Self::SettleFailed => true,
            Self::PaymentPending
            | Self::PaymentSettled
            | Self::PaymentSettledElsewhere
            | Self::PaymentFailed
            | Self::PaymentExpired
            | Self::PaymentReorged
            | Self::SessionSettled
            | Self::SignerLow => false,
        }
    }

    /// Those that are told where nobody chose.
    pub fn usual() -> Vec<Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|event| !event.is_on_request()).collect()
    }
}
