//! Policies: the sandbox, and what it is attacked with.

mod hostile;
mod modules;
mod sandbox;
