//! What may change while the process runs. The environment cannot, so it is what files say: SIGHUP reads them again.

use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::observe;

type Load<T> = Box<dyn Fn() -> Result<T, String> + Send + Sync>;

/// A value read from a file, the newest that could be read.
pub struct Reloadable<T> {
    /// The variable that names the file.
    name: &'static str,
    load: Load<T>,
    current: RwLock<Arc<T>>,
}

impl<T> Reloadable<T> {
    /// `load` says what is wrong in words that continue the sentence begun by `name`, and repeats no secret.
    pub fn new<E: Display>(
        name: &'static str,
        initial: T,
        load: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            load: Box::new(move || load().map_err(|wrong| wrong.to_string())),
            current: RwLock::new(Arc::new(initial)),
        }
    }

    /// What never changes.
    pub fn fixed(value: T) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        let again = value.clone();
        Self::new("", value, move || Ok::<T, String>(again.clone()))
    }

    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Anything that reads its source again when told to.
pub trait Reload: Send + Sync {
    /// Reads it again. What cannot be read changes nothing, and is told.
    fn reload(&self);
}

impl<T: Send + Sync> Reload for Reloadable<T> {
    fn reload(&self) {
        match (self.load)() {
            Ok(value) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                observe::reloaded(self.name);
            }
            Err(message) => observe::not_reloaded(self.name, &message),
        }
    }
}

/// SIGHUPs, from the moment this is made: an earlier one ends the process, as it does any that does not look.
#[derive(Debug)]
pub struct Hangups(Option<Signal>);

impl Hangups {
    pub fn listen() -> Self {
        let received = signal(SignalKind::hangup());
        if received.is_err() {
            observe::note("SIGHUP cannot be received; what files say is not read again");
        }
        Self(received.ok())
    }

    /// Reloads everything on every SIGHUP until `stop`. Reading a small local file may block for a moment, as at start.
    pub async fn reload(mut self, sections: Vec<Arc<dyn Reload>>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.next() => sections.iter().for_each(|section| section.reload()),
            }
        }
    }

    async fn next(&mut self) {
        let received = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if received.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_cannot_be_read_leaves_the_old_value() {
        let file = Arc::new(Mutex::new(Ok(2)));
        let source = Arc::clone(&file);
        let value = Reloadable::new("X_FILE", 1, move || source.lock().unwrap().clone());
        assert_eq!(*value.current(), 1);
        value.reload();
        assert_eq!(*value.current(), 2);
        *file.lock().unwrap() = Err("is gone".to_owned());
        value.reload();
        assert_eq!(*value.current(), 2);
    }
}
