//! The x402 wire and its words. No I/O and no chain library in here: other rooms speak these types, this room speaks to nobody.

pub mod amount;
pub mod event;
pub mod network;
mod object;
mod party;
pub mod payment;
pub mod reason;
pub mod request;
pub mod response;

pub use amount::Amount;
pub use event::Event;
pub use network::Network;
pub use object::Object;
pub use party::Party;
pub use payment::{Payment, Requirements, Version};
pub use reason::Reason;
