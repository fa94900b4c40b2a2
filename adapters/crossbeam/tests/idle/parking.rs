//! A token that a thread waits for, as crossbeam's parker gives it.

use loom::sync::{Arc, Condvar, Mutex};

#[derive(Clone)]
pub(crate) struct Unparker(Arc<(Mutex<bool>, Condvar)>);

impl Default for Unparker {
    fn default() -> Self {
        Self(Arc::new((Mutex::new(false), Condvar::new())))
    }
}

impl Unparker {
    pub(crate) fn unpark(&self) {
        let (token, given) = &*self.0;
        *token.lock().unwrap() = true;
        given.notify_one();
    }

    pub(crate) fn is_given(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    pub(crate) fn park(&self) {
        let (token, given) = &*self.0;
        let mut token = token.lock().unwrap();
        while !*token {
            token = given.wait(token).unwrap();
        }
        *token = false;
    }
}
