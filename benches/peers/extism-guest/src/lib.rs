//! The decision that is measured, as an Extism plug-in: a look in JSON comes in, an answer in JSON goes out.

use std::cell::RefCell;

use extism_pdk::{FnResult, Json, plugin_fn};
use setpoint::ScalingAlgorithm;
use setpoint_peers_wire::{Answer, Look, algorithm};

thread_local! {
    static ALGORITHM: RefCell<Box<dyn ScalingAlgorithm>> = RefCell::new(algorithm());
}

#[plugin_fn]
pub fn evaluate(Json(look): Json<Look>) -> FnResult<Json<Answer>> {
    Ok(Json(ALGORITHM.with_borrow_mut(|algorithm| look.ask(&mut **algorithm))))
}
