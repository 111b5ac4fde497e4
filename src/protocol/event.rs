//! What receivers of webhooks are told.

/// The names of events with their spelling on the wire.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Something that happened, as the `type` of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $variant,)+ }

        impl Event {
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
    /// A signer cannot pay for gas, or spent what it may in a day: its lane is paused.
    SignerLow = "signer.low",
}
