//! Each example with the real server it is about, which is stopped and started again meanwhile.

mod postgres;
mod rabbitmq;
mod redis;
mod running;
mod server;
