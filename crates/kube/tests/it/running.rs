//! A controller that runs until it is told to end.

use setpoint_kube::Controller;
use tokio::sync::oneshot::{Sender, channel};
use tokio::task::JoinHandle;

pub(crate) struct Running {
    stop: Sender<()>,
    pub(crate) ended: JoinHandle<()>,
}

impl Running {
    pub(crate) fn of(controller: Controller) -> Self {
        let (stop, stopped) = channel();
        let ended = tokio::spawn(async move {
            controller.run(async { drop(stopped.await) }).await.expect("no watch ends");
        });
        Self { stop, ended }
    }

    pub(crate) async fn end(self) {
        self.stop.send(()).expect("it runs");
        self.ended.await.expect("it ends well");
    }
}
