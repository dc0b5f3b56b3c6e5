//! All connections of a worker: looked after together, with one timer and one ear for the end, so that none of them costs a
//! request anything.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::begun;
use super::connection::Connection;

#[derive(Default)]
pub(super) struct Crowd {
    members: RefCell<HashMap<u64, Rc<Connection>>>,
    next: Cell<u64>,
    is_stopping: Cell<bool>,
}

impl Crowd {
    /// Looks after a connection until what this returns is dropped.
    pub(super) fn enter(self: &Rc<Self>, connection: Rc<Connection>) -> Member {
        if self.is_stopping.get() {
            connection.stop();
        }
        let key = self.next.get();
        self.next.set(key.wrapping_add(1));
        self.members.borrow_mut().insert(key, connection);
        Member { crowd: Rc::clone(self), key }
    }

    /// Tells them when the server begins to stop, and looks at each once in `useless_max`.
    pub(super) async fn watch_over(self: Rc<Self>, stopping: watch::Receiver<bool>, useless_max: Duration) {
        let mut begun = pin!(begun(stopping));
        let mut looks = interval(useless_max);
        // Not at once, as an interval begins.
        looks.reset();
        // Two looks in a row, after a machine stood still, would find everybody useless.
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut begun, if !self.is_stopping.get() => {
                    self.is_stopping.set(true);
                    self.members.borrow().values().for_each(|connection| connection.stop());
                }
                _ = looks.tick() => self.members.borrow().values().for_each(|connection| connection.look()),
            }
        }
    }
}

/// A connection's place among the others.
pub(super) struct Member {
    crowd: Rc<Crowd>,
    key: u64,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.members.borrow_mut().remove(&self.key);
    }
}
