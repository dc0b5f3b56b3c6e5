//! The real program: how it starts, stops, dies and starts again, and what its commands say.

mod commands;
mod configuration;
mod disk_full;
mod kill;
mod logs;
mod ready_file;
mod signals;
mod sockets;
