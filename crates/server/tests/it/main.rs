//! The server from outside, over the wire: by `curl`, as the guide has it.

mod browser;
mod durable;
mod guide;
mod instances;
mod outside;
mod rules;
mod support;
mod workload;
