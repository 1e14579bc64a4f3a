//! The engine against parts that do as they are told, under a clock that waits for nobody.

mod engine;
mod group;
mod parts;
mod sources;
